"""JSON from outside: small and shallow, or refused before it can do harm."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import JSONParser

from domain.errors import FieldError

MAX_BYTES = 65_536
MAX_BRACKETS = 400  # bounds the depth: the decoder recurses in C, and a deep enough text ends the process


def read_json(raw: bytes) -> Any:  # noqa: ANN401 - JSON
    """The value of a message in UTF-8; FieldError naming ``body`` when it is none, or more than a message.

    NaN and infinities pass, so that the field that carries one can be named.
    """
    if len(raw) > MAX_BYTES:
        raise FieldError("body", f"must not be longer than {MAX_BYTES} bytes", code="too_large")
    try:
        text = raw.decode()
        shallow = text.count("[") + text.count("{") <= MAX_BRACKETS
        found = json.loads(text) if shallow else None
    except ValueError as error:
        raise FieldError("body", "must be JSON in UTF-8", code="malformed") from error
    if not shallow:
        raise FieldError("body", f"must not hold more than {MAX_BRACKETS} brackets", code="malformed")
    return found


class MessageParser(JSONParser):
    """Parses the body of a request."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - DRF's signature
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - DRF's signature
    ) -> Any:  # noqa: ANN401 - JSON
        """The body's value."""
        return read_json(stream.read(MAX_BYTES + 1))
