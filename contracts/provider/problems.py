"""Problem documents (RFC 9457). Their texts are fixed: nothing of a request is ever echoed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

__all__ = ["Refused", "problem"]


class Refused(Exception):
    """A request that is answered with a problem; raised inside a transaction, it undoes it.

    Args:
        status: the HTTP status.
        code: machine-readable.
        detail: for people; a fixed text.
        headers: further headers of the answer.
        errors: the members of the body that are wrong, as JSON pointers with the rule.
    """

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.errors = dict(headers or {}), list(errors)

    def answer(self) -> Response:
        """Return the answer."""
        return problem(self.status, self.code, self.detail, self.headers, self.errors)


def problem(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] = (),
) -> Response:
    """Return a problem document with its media type."""
    document: dict[str, Any] = {
        "type": f"/problems/{code}", "title": HTTPStatus(status).phrase, "status": status,
        "detail": detail, "code": code,
    }
    if errors:
        document["errors"] = list(errors)
    return JSONResponse(document, status, dict(headers or {}), media_type="application/problem+json")
