"""Reading a contract's refusal by its ABI."""

from collections.abc import Iterable, Mapping
from typing import Any

from eth_abi.abi import decode
from eth_utils.abi import collapse_if_tuple, function_signature_to_4byte_selector
from web3.exceptions import ContractLogicError

from backend.chain.errors import RevertedError


def explain(error: ContractLogicError, abis: Iterable[Iterable[Mapping[str, Any]]]) -> RevertedError:
    """The Solidity error in ``error``, looked up in ``abis`` (which list the errors of libraries too)."""
    data = bytes.fromhex(error.data.removeprefix("0x")) if isinstance(error.data, str) else b""
    for item in (item for abi in abis for item in abi if item["type"] == "error"):
        types = [collapse_if_tuple(dict(argument)) for argument in item["inputs"]]
        if data[:4] == function_signature_to_4byte_selector(f"{item['name']}({','.join(types)})"):
            names = [argument["name"] for argument in item["inputs"]]
            return RevertedError(item["name"], dict(zip(names, decode(types, data[4:]), strict=True)))
    return RevertedError("Reverted", {"message": error.message or "0x" + data.hex()})
