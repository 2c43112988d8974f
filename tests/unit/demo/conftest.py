"""The smallest scenario, prepared once, and copies of it to spoil."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from demo.prepare import SCENARIOS, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A state folder of the two-home scenario; read only."""
    state = tmp_path_factory.mktemp("minimal")
    prepare(
        SCENARIOS / "minimal.yaml",
        state,
        day=date(2026, 6, 15),
        speed=0.0,
        wall_now=datetime(2026, 6, 1, tzinfo=UTC),
    )
    return state


@pytest.fixture
def state(prepared, tmp_path):
    """A state folder of one's own."""
    own = tmp_path / "state"
    shutil.copytree(prepared, own)
    return own


@pytest.fixture
def spoil(tmp_path):
    """Write the two-home scenario with some text replaced, and say where."""
    for name in ("minimal.yaml", "minimal.csv"):
        shutil.copy(SCENARIOS / name, tmp_path / name)

    def change(old: str, new: str, *, file: str = "minimal.yaml") -> Path:
        path = tmp_path / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return tmp_path / "minimal.yaml"

    return change
