"""What the reference client expects of the payments API: every operation, in every weather.

Every matcher has an explicit value, every credential is a placeholder. Requests match any id, key and
reference, so that a storm can send its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from galeproof.contract import Interaction, Request, Response, State, load_pact

__all__ = ["API_KEY", "CONSUMER", "FOUND", "KEY", "MISSING", "PROVIDER", "interactions"]

CONSUMER = "galeproof-client"
PROVIDER = "payments-api"
API_KEY = "pact-placeholder"
KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
CURSOR = "YWZ0ZXI6MA"
FOUND = "a payment by its id"
MISSING = "a payment that is not there"

_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
_SEGMENT = "[A-Za-z0-9._~-]+"
_PROBLEM = "application/problem+json"
_TITLES = {401: "Unauthorized", 404: "Not Found", 409: "Conflict", 422: "Unprocessable Content",
           429: "Too Many Requests", 503: "Service Unavailable"}
_EXISTS = State("a payment exists", {"id": "p1"})
_EXPIRED = State("the token has expired")
_LIMITED = State("the client is rate limited", {"retry_after_s": 1})
_OVERLOADED = State("the provider is overloaded")
_IN_PROGRESS = State("the key is in progress", {"key": KEY})
_REUSED = State("the key was used for something else", {"key": KEY})


def interactions() -> tuple[Interaction, ...]:
    """Return the whole contract, an interaction an outcome.

    Raises:
        ContractError: pact-python is not installed.
    """
    return (*_reads(), *_pages(), *_writes(), *_refunds())


def _reads() -> tuple[Interaction, ...]:
    request = _get("payments/p1", f"payments/{_SEGMENT}")
    limited, overloaded, expired = _busy(request, FOUND)
    notice = {"Deprecation": _text("@1767225600", r"@\d+"),
              "Sunset": _text("Thu, 01 Jul 2027 00:00:00 GMT", ".+ GMT")}
    return (
        _one(FOUND, request, Response(200, {}, _payment("p1")), _EXISTS),
        _one("a settled payment by its id", request,
             Response(200, {}, {**_payment("p1"), "status": "settled"}),
             State("a settled payment exists", {"id": "p1"})),
        _one("a refused payment by its id", request,
             Response(200, {}, {**_payment("p1"), "status": "refused"}),
             State("a refused payment exists", {"id": "p1"})),
        _one(MISSING, _get("payments/p404", f"payments/{_SEGMENT}"), _problem(404),
             State("no payment exists")),
        limited, overloaded, expired,
        _one("a charge by the old route", _get("charges/p1", f"charges/{_SEGMENT}"),
             Response(200, notice, _payment("p1")), _EXISTS),
    )


def _pages() -> tuple[Interaction, ...]:
    match = load_pact().match
    many = State("payments fill more than one page", {"count": 51})
    items = match.each_like(_payment("p1"))
    first = _get("payments", "payments")
    following = Request("GET", first.path, first.headers, {"cursor": _text(CURSOR, ".+")})
    page = {"items": items, "next_cursor": match.str(CURSOR)}
    return (
        _one("the first page of payments", first, Response(200, {}, page), many),
        _one("the last page of payments", following,
             Response(200, {}, {"items": items, "next_cursor": None}), _EXISTS),
        *_busy(first, "payments")[:2],
    )


def _writes() -> tuple[Interaction, ...]:
    match = load_pact().match
    body = {"amount": match.int(1250), "currency": _text("EUR", "[A-Z]{3}"),
            "reference": match.str("invoice-4711")}
    request = _post("payments", "payments", body)
    what = "a payment is created"
    made = {**_payment("p1"), "status": _text("settled", "pending|settled")}
    return (
        _one(what, request, Response(201, {}, made), State("no payment exists")),
        *_busy(request, what),
        *_keyed(request, what),
    )


def _refunds() -> tuple[Interaction, ...]:
    match = load_pact().match
    body = {"amount": match.int(250)}
    request = _post("payments/p1/refunds", f"payments/{_SEGMENT}/refunds", body)
    what = "a payment is refunded"
    refund = {"id": match.str("r1"), "payment_id": match.str("p1"), "amount": match.int(250),
              "status": match.str("settled")}
    return (
        _one(what, request, Response(201, {}, refund), State("a settled payment exists", {"id": "p1"})),
        _one("a refund of a payment that is not there", request, _problem(404), State("no payment exists")),
        *_busy(request, what),
        *_keyed(request, what),
    )


def _busy(request: Request, what: str) -> tuple[Interaction, Interaction, Interaction]:
    """429, 503 and 401 of one request."""
    challenge = {"WWW-Authenticate": _text("Bearer", "Bearer.*")}
    return (_one(f"{what}, while rate limited", request, _problem(429, _wait()), _LIMITED),
            _one(f"{what}, while overloaded", request, _problem(503, _wait()), _OVERLOADED),
            _one(f"{what}, with an expired token", request, _problem(401, challenge), _EXPIRED))


def _keyed(request: Request, what: str) -> tuple[Interaction, Interaction]:
    """409 and 422 of one request's key."""
    return (_one(f"{what}, while its key is in progress", request, _problem(409, _wait()), _IN_PROGRESS),
            _one(f"{what}, its key used for something else", request, _problem(422), _REUSED))


def _one(what: str, request: Request, response: Response, *states: State) -> Interaction:
    return Interaction(CONSUMER, PROVIDER, what, request, response, states)


def _get(path: str, pattern: str) -> Request:
    return Request("GET", _text(f"/{path}", f"/{pattern}"), _headers())


def _post(path: str, pattern: str, body: Any) -> Request:
    headers = {**_headers(), "Idempotency-Key": _text(KEY, r"\S+")}
    return Request("POST", _text(f"/{path}", f"/{pattern}"), headers, {}, body)


def _headers() -> dict[str, Any]:
    return {
        # Pact splits a list and holds each part against the rule
        "Accept": _text("application/json", r"application/(problem\+)?json"),
        "Authorization": _text(f"Bearer {API_KEY}", r"Bearer \S+"),
        "X-Request-Id": _text("936da01f-9abd-4d9d-80c7-02af85c822a8", r"\S+"),
    }


def _payment(name: str) -> dict[str, Any]:
    match = load_pact().match
    return {
        "id": match.str(name),
        "amount": match.int(1250),
        "currency": _text("EUR", "[A-Z]{3}"),
        "status": _text("settled", "pending|settled|refused"),
        "reference": match.str("invoice-4711"),
        "created_at": _text("2026-01-01T00:00:00Z", _INSTANT),
    }


def _problem(status: int, headers: Mapping[str, Any] | None = None) -> Response:
    match = load_pact().match
    body = {"type": match.str("about:blank"), "title": match.str(_TITLES[status]),
            "status": match.int(status)}
    return Response(status, headers or {}, body, _PROBLEM)


def _wait() -> dict[str, Any]:
    return {"Retry-After": _text("1", r"\d{1,4}")}


def _text(value: str, pattern: str) -> Any:
    return load_pact().match.regex(value, regex=pattern)
