"""Every refusal leaves as problem+json (RFC 9457) which names the field."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from domain.errors import FieldError

CONFLICT_CODES = {"duplicate", "replayed", "gate_closed", "not_open", "already_used"}


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: the same statuses, one body shape."""
    if isinstance(error, FieldError):
        status = 409 if error.code in CONFLICT_CODES else 400
        return problem(status, [{"field": error.field, "message": error.message, "code": error.code}])
    response = exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.ValidationError):
        problem_details = list(_flatten(error.get_full_details(), ""))
        return problem(response.status_code, problem_details)
    code = getattr(error, "default_code", "error")
    if isinstance(error, Http404):
        code = "not_found"
    if isinstance(error, PermissionDenied):
        code = "permission_denied"
    detail = str(getattr(error, "detail", error))
    answer = problem(response.status_code, [], detail=detail, code=code)
    for name in ("WWW-Authenticate", "Retry-After"):
        if name in response.headers:
            answer.headers[name] = response.headers[name]
    return answer


def problem(status: int, errors: list[dict[str, str]], *, detail: str = "", code: str = "") -> Response:
    """A problem+json response; ``errors`` are {field, message, code}."""
    titles = {400: "Bad request", 401: "Not signed in", 403: "Not allowed", 404: "Not found", 409: "Conflict"}
    body = {
        "type": "about:blank",
        "title": titles.get(status, "Error"),
        "status": status,
        "detail": detail or "; ".join(f"{e['field']}: {e['message']}" for e in errors),
        "code": code or (errors[0]["code"] if errors else "error"),
        "errors": errors,
    }
    return Response(body, status=status, content_type="application/problem+json")


def _flatten(details: Any, path: str) -> Iterator[dict[str, str]]:  # noqa: ANN401 - DRF nests freely
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        message = str(details["message"]).encode(errors="replace").decode()  # it may echo half a character
        yield {"field": path or "body", "message": message, "code": str(details["code"])}
    elif isinstance(details, dict):
        for name, inner in details.items():
            step = "" if name == "non_field_errors" else str(name)
            yield from _flatten(inner, ".".join(p for p in (path, step) if p))
    else:
        for inner in details:
            yield from _flatten(inner, path)
