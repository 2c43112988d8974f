"""Whether a node's answer can be one: checked before anything else looks at it.

A proxy that answers with a page, a node that mixes up its requests, or one that describes another
transaction than the one asked for must look like a node that is not there, not like news.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eth_utils.crypto import keccak
from hexbytes import HexBytes

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DATA = re.compile(r"0x([0-9a-fA-F]{2})*")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")


def fault(method: str, params: Sequence[Any], answer: object) -> str:
    """What is wrong with a JSON-RPC answer, or nothing.

    >>> fault("eth_chainId", [], {"jsonrpc": "2.0", "id": 1, "result": "0x7a69"})
    ''
    >>> fault("eth_chainId", [], {"jsonrpc": "2.0", "id": 1, "result": "seven"})
    'the result is no number'
    """
    if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0" or "id" not in answer:
        return "no JSON-RPC answer"
    if ("result" in answer) == ("error" in answer):
        return "neither a result nor an error"
    if "error" in answer:
        error = answer["error"]
        known = isinstance(error, dict) and isinstance(error.get("message"), str)
        return "" if known and isinstance(error.get("code"), int) else "an error without a reason"
    check = _CHECKS.get(method)
    return check(params, answer["result"]) if check else ""


def _quantity(_params: Sequence[Any], result: object) -> str:
    return "" if _is(_QUANTITY, result) else "the result is no number"


def _data(_params: Sequence[Any], result: object) -> str:
    return "" if _is(_DATA, result) else "the result is no data"


def _block(params: Sequence[Any], result: object) -> str:
    if result is None:
        return ""
    if not isinstance(result, Mapping) or not _has(result, _QUANTITY, "number", "timestamp", "gasLimit"):
        return "the result is no block"
    if not _is(_HASH, result.get("hash")) or not isinstance(result.get("transactions"), list):
        return "the result is no block"
    asked = params[0]
    if _is(_QUANTITY, asked) and int(asked, 16) != int(result["number"], 16):
        return "another block than the one asked for"
    return ""


def _transaction(params: Sequence[Any], result: object) -> str:
    if result is None:
        return ""
    if not isinstance(result, Mapping) or not _same(result.get("hash"), params[0]):
        return "another transaction than the one asked for"
    return ""


def _receipt(params: Sequence[Any], result: object) -> str:
    if result is None:
        return ""
    if not isinstance(result, Mapping) or not _has(result, _QUANTITY, "blockNumber", "status", "gasUsed"):
        return "the result is no receipt"
    logs = result.get("logs")
    if not _is(_HASH, result.get("blockHash")) or not isinstance(logs, list):
        return "the result is no receipt"
    if not all(isinstance(part, Mapping) for part in logs):
        return "the result is no receipt"
    if not all(_same(part.get("transactionHash"), params[0]) for part in (result, *logs)):
        return "a receipt of another transaction"
    return ""


def _sent(params: Sequence[Any], result: object) -> str:
    if not _same(result, keccak(hexstr=HexBytes(params[0]).to_0x_hex())):
        return "it took another transaction than the one sent"
    return ""


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _has(found: Mapping[str, Any], pattern: re.Pattern[str], *names: str) -> bool:
    return all(_is(pattern, found.get(name)) for name in names)


def _same(found: object, expected: str | bytes) -> bool:
    return isinstance(found, str) and _is(_HASH, found) and HexBytes(found) == HexBytes(expected)


_CHECKS: dict[str, Callable[[Sequence[Any], object], str]] = {
    "eth_chainId": _quantity,
    "eth_estimateGas": _quantity,
    "eth_getTransactionCount": _quantity,
    "eth_maxPriorityFeePerGas": _quantity,
    "eth_call": _data,
    "eth_getCode": _data,
    "eth_getBlockByNumber": _block,
    "eth_getTransactionByHash": _transaction,
    "eth_getTransactionReceipt": _receipt,
    "eth_sendRawTransaction": _sent,
}
