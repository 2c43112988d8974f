"""What is deployed, as data: the contracts in order, their arguments, and who gets which role.

This is the one table of contracts. A new contract is an entry of ``contracts`` and its roles in ``GRANTS``,
besides its source file in ``backend.chain.compiler.SOURCES``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_utils.address import is_checksum_address

NOBODY = "0x" + "00" * 20
KEY_NOTICE_S = 86_400  # in which an owner can refuse a meter's new key
CERTIFICATE_METADATA = ""  # an id of EnergyCertificate says all there is to know
HOLDERS = ("admin", "operator", "registrar", "pauser", "attestor", "issuer", "sponsor")
"""Who holds power in a community. ``admin`` proposes and executes what the timelock delays."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a community's contracts are built with; durations in seconds.

    ``fund`` is the community's, which receives fees. ``token`` is an existing stablecoin, or None for a test
    one. ``accounts`` has the accounts of each of ``HOLDERS``; no account may occur twice.

    ``admin_delay_s`` is what the timelock makes a change wait; None: a minute on a local chain, elsewhere two
    days or the withdrawal delay, whichever is longer.
    """

    retailer: str
    fund: str
    accounts: Mapping[str, tuple[str, ...]]
    interval_s: int
    withdrawal_delay_s: int
    settlement_term_s: int
    reading_deadline_s: int
    attestor_threshold: int = 2
    admin_delay_s: int | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        missing = [holder for holder in HOLDERS if not self.accounts.get(holder)]
        if missing:
            raise ValueError(f"no account is named for {', '.join(missing)}")
        owner: dict[str, str] = {}
        for holder, account in ((h, a) for h in HOLDERS for a in self.accounts[h]):
            if not is_checksum_address(account) or account == NOBODY:
                raise ValueError(f"{account!r} ({holder}) is not a checksummed address")
            if account in owner:
                raise ValueError(
                    f"{account} is {owner[account]} and {holder}: each needs an account of its own"
                )
            owner[account] = holder
        attestors = len(self.accounts["attestor"])
        if not 1 <= self.attestor_threshold <= attestors:
            raise ValueError(f"{self.attestor_threshold} of {attestors} attestors cannot agree")


@dataclass(frozen=True, slots=True)
class At:
    """As an argument: the address of an earlier contract of the table."""

    role: str


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract; ``role`` is what the platform calls it, ``name`` Solidity.

    ``arguments`` are the constructor's (a struct is a tuple). ``views`` are view functions without arguments
    and their answers, by which immutables are checked. ``administered``: the deployer is its first admin and
    hands over to the timelock. ``born_with``: roles that the constructor grants, besides the admin's.
    """

    role: str
    name: str
    arguments: tuple[Any, ...] = ()
    views: Mapping[str, Any] = field(default_factory=dict)
    administered: bool = False
    born_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """All accounts of ``holder`` get ``role`` in ``contract``."""

    contract: str
    role: str
    holder: str


NAMES = {
    "token": "MockStablecoin",
    "timelock": "TimelockController",
    "registry": "ParticipantRegistry",
    "oracle": "MeterOracle",
    "exchange": "EnergyExchange",
    "demand_response": "DemandResponse",
    "certificates": "EnergyCertificate",
}
"""The artefact by which each contract is spoken to; an existing stablecoin is spoken to as a test one."""

TIMELOCK = "timelock"

GRANTS = (
    Grant("registry", "REGISTRAR_ROLE", "registrar"),
    Grant("oracle", "ATTESTOR_ROLE", "attestor"),
    Grant("exchange", "OPERATOR_ROLE", "operator"),
    Grant("exchange", "PAUSER_ROLE", "pauser"),
    Grant("demand_response", "SPONSOR_ROLE", "sponsor"),
    Grant("demand_response", "PAUSER_ROLE", "pauser"),
    Grant("certificates", "ISSUER_ROLE", "issuer"),
)


def contracts(terms: Terms, *, deployer: str) -> tuple[Contract, ...]:
    """The contracts in the order of their creation; ``terms.admin_delay_s`` is given by now."""
    admins = terms.accounts["admin"]
    token = () if terms.token else (Contract("token", NAMES["token"], views={"decimals": 6}),)
    return (
        *token,
        Contract(
            "timelock",
            NAMES["timelock"],
            arguments=(terms.admin_delay_s, admins, admins, NOBODY),
            views={"getMinDelay": terms.admin_delay_s},
            born_with={"PROPOSER_ROLE": admins, "CANCELLER_ROLE": admins, "EXECUTOR_ROLE": admins},
        ),
        Contract(
            "registry",
            NAMES["registry"],
            arguments=(deployer, KEY_NOTICE_S),
            views={"keyNotice": KEY_NOTICE_S},
            administered=True,
        ),
        Contract(
            "oracle",
            NAMES["oracle"],
            arguments=(At("registry"), deployer, terms.attestor_threshold, terms.reading_deadline_s),
            views={
                "registry": At("registry"),
                "threshold": terms.attestor_threshold,
                "readingDeadline": terms.reading_deadline_s,
            },
            administered=True,
        ),
        Contract(
            "exchange",
            NAMES["exchange"],
            arguments=(
                (
                    At("token"),
                    At("oracle"),
                    terms.retailer,
                    terms.fund,
                    deployer,
                    terms.interval_s,
                    terms.withdrawal_delay_s,
                    terms.settlement_term_s,
                ),
            ),
            views={
                "token": At("token"),
                "oracle": At("oracle"),
                "retailer": terms.retailer,
                "fund": terms.fund,
                "intervalSeconds": terms.interval_s,
                "withdrawalDelay": terms.withdrawal_delay_s,
                "settlementTerm": terms.settlement_term_s,
            },
            administered=True,
        ),
        Contract(
            "demand_response",
            NAMES["demand_response"],
            arguments=(At("token"), At("oracle"), deployer, terms.interval_s, terms.settlement_term_s),
            views={
                "token": At("token"),
                "registry": At("registry"),
                "oracle": At("oracle"),
                "intervalSeconds": terms.interval_s,
                "settlementTerm": terms.settlement_term_s,
            },
            administered=True,
        ),
        Contract(
            "certificates",
            NAMES["certificates"],
            arguments=(At("oracle"), deployer, terms.interval_s, CERTIFICATE_METADATA),
            views={
                "oracle": At("oracle"),
                "registry": At("registry"),
                "intervalSeconds": terms.interval_s,
            },
            administered=True,
        ),
    )
