"""What can go wrong between the platform and the chain."""

from collections.abc import Mapping
from typing import Any


class ChainUnavailableError(Exception):
    """The node does not answer: whatever was asked is to be tried again later."""


class ContractsMissingError(Exception):
    """The chain has no code at the recorded addresses: it is another chain, or it was started afresh."""


class RevertedError(Exception):
    """The contract refused; ``name`` is the Solidity error and ``arguments`` what it was given."""

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        given = ", ".join(f"{key}={_text(value)}" for key, value in arguments.items())
        super().__init__(f"{name}({given})")
        self.name = name
        self.arguments = dict(arguments)


class GasCapExceededError(RevertedError):
    """More gas than one transaction may use; whoever wrote it has to split it."""

    def __init__(self, cap: int, needed: int | None = None) -> None:
        super().__init__("GasCapExceeded", {"cap": cap} | ({} if needed is None else {"needed": needed}))


class NodeRefusedError(Exception):
    """The node answers, but does not take this one request: what it says."""


class NonceTakenError(Exception):
    """The transaction's nonce is below the account's: another one was mined with it."""


class UnderpricedError(Exception):
    """The node wants a higher fee, for this transaction or to replace the one that it holds."""


def _text(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
