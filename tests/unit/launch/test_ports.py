import socket

import pytest

from launch import ports


def test_a_server_keeps_the_port_it_had(tmp_path):
    (mine,) = ports.unused(1)
    ports.remember(tmp_path / "ports.json", {"web": mine})

    assert ports.choose(ports.recall(tmp_path / "ports.json"), web=None)["web"] == mine


def test_a_busy_port_is_replaced_by_a_free_one():
    with socket.create_server((ports.HOST, 0)) as other:
        busy = other.getsockname()[1]

        chosen = ports.choose({"postgres": busy}, web=None)

    assert chosen["postgres"] != busy
    assert chosen.keys() == ports.PREFERRED.keys()
    assert len(set(chosen.values())) == len(chosen)


def test_the_port_that_was_asked_for_is_taken_or_refused():
    refused = pytest.raises(ports.PortBusyError, match=r"^Port \d+ is in use.*PORT=$")
    with socket.create_server((ports.HOST, 0)) as other, refused:
        ports.choose({}, web=other.getsockname()[1])
    (free,) = ports.unused(1)
    assert ports.choose({}, web=free)["web"] == free
