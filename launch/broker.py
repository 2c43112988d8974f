"""The MQTT broker that devices talk to: `python -m launch.broker --port 1883`."""

import argparse
import asyncio
import logging
import signal

from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig

_log = logging.getLogger(__name__)


async def serve(host: str, port: int) -> None:
    """Run the broker until SIGINT or SIGTERM.

    Anybody may connect and publish: what counts is the signature that each message carries.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = Broker(
        BrokerConfig(
            listeners={"default": ListenerConfig(bind=f"{host}:{port}", max_connections=2000)},
            plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        )
    )
    await broker.start()
    _log.info("listening on %s:%s", host, port)
    await stop.wait()
    await broker.shutdown()


def main() -> None:
    """Read the address and serve."""
    parser = argparse.ArgumentParser(prog="launch.broker", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("amqtt").setLevel(logging.WARNING)
    logging.getLogger("transitions").setLevel(logging.WARNING)
    asyncio.run(serve(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
