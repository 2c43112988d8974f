"""Reaching a node: every way of not getting an honest answer is one error."""

from typing import Any
from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from backend.chain.answers import fault
from backend.chain.errors import ChainUnavailableError

TIMEOUT_S = 5.0
MAY_BE_REFUSED = frozenset(
    {"eth_call", "eth_estimateGas", "eth_sendRawTransaction", "eth_getTransactionCount"}
)
"""Methods whose error is news about the request; any other's is trouble of the node's own."""


class Transport(HTTPProvider):
    """web3's way to a node, without retries: the outbox comes again by itself."""

    def __init__(self, url: str) -> None:
        super().__init__(url, {"timeout": TIMEOUT_S}, exception_retry_configuration=None)
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        # The path and the user part of a hosted node's address are its key.
        self._shown = f"{parts.scheme}://{parts.hostname}{port}"

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:  # noqa: ANN401 - web3's signature
        """One call.

        Raises:
            ChainUnavailableError: the node does not answer, or with what is no answer to this call.
        """
        try:
            answer = super().make_request(method, params)
        except requests.RequestException as error:
            raise ChainUnavailableError(f"{self._shown}: {type(error).__name__}") from error
        except ValueError as error:
            raise ChainUnavailableError(f"{self._shown}: {method}: no JSON") from error
        wrong = fault(method, params, answer)
        if not wrong and "error" in answer and method not in MAY_BE_REFUSED:
            wrong = str(answer["error"])
        if wrong:
            raise ChainUnavailableError(f"{self._shown}: {method}: {wrong}")
        return answer
