"""The chains that we know by name, and on which of them money is real."""

from dataclasses import dataclass
from enum import Enum

from backend.chain.client import LOCAL_CHAIN_ID


class Kind(Enum):
    """What money is worth on a chain."""

    LOCAL = "local"
    TEST = "test"
    MAIN = "main"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Network:
    """One chain; ``currency`` is what its gas is paid in."""

    name: str
    chain_id: int
    kind: Kind
    currency: str = "ETH"


_TABLE = (
    Network("anvil", LOCAL_CHAIN_ID, Kind.LOCAL),
    Network("sepolia", 11_155_111, Kind.TEST),
    Network("hoodi", 560_048, Kind.TEST),
    Network("op-sepolia", 11_155_420, Kind.TEST),
    Network("base-sepolia", 84_532, Kind.TEST),
    Network("arbitrum-sepolia", 421_614, Kind.TEST),
    Network("polygon-amoy", 80_002, Kind.TEST, "POL"),
    Network("gnosis-chiado", 10_200, Kind.TEST, "xDAI"),
    Network("bnb-testnet", 97, Kind.TEST, "BNB"),
    Network("avalanche-fuji", 43_113, Kind.TEST, "AVAX"),
    Network("linea-sepolia", 59_141, Kind.TEST),
    Network("scroll-sepolia", 534_351, Kind.TEST),
    Network("energy-web-volta", 73_799, Kind.TEST, "VT"),
    # The chains that MockStablecoin refuses; a test compares the two lists.
    Network("ethereum", 1, Kind.MAIN),
    Network("optimism", 10, Kind.MAIN),
    Network("bnb", 56, Kind.MAIN, "BNB"),
    Network("gnosis", 100, Kind.MAIN, "xDAI"),
    Network("polygon", 137, Kind.MAIN, "POL"),
    Network("sonic", 146, Kind.MAIN, "S"),
    Network("energy-web", 246, Kind.MAIN, "EWT"),
    Network("zksync", 324, Kind.MAIN),
    Network("world", 480, Kind.MAIN),
    Network("polygon-zkevm", 1_101, Kind.MAIN),
    Network("mantle", 5_000, Kind.MAIN, "MNT"),
    Network("base", 8_453, Kind.MAIN),
    Network("arbitrum", 42_161, Kind.MAIN),
    Network("celo", 42_220, Kind.MAIN, "CELO"),
    Network("avalanche", 43_114, Kind.MAIN, "AVAX"),
    Network("linea", 59_144, Kind.MAIN),
    Network("scroll", 534_352, Kind.MAIN),
)
BY_NAME = {network.name: network for network in _TABLE}
BY_ID = {network.chain_id: network for network in _TABLE}


def by_id(chain_id: int) -> Network:
    """The network with this chain id; one that is not in the table has its id as its name."""
    return BY_ID.get(chain_id) or Network(str(chain_id), chain_id, Kind.UNKNOWN)


def find(text: str) -> Network:
    """The network of this name or chain id; ValueError when it is neither."""
    if text in BY_NAME:
        return BY_NAME[text]
    if text.isdecimal():
        return by_id(int(text))
    raise ValueError(f"{text!r} is no network: give a chain id, or one of {', '.join(sorted(BY_NAME))}")
