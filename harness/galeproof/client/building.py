"""From the arguments of a call to an operation: everything that all attempts have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any
from urllib.parse import quote

from galeproof.client.clock import Now
from galeproof.client.errors import InvalidArgument
from galeproof.client.exchange import Timeouts
from galeproof.client.identity import checked_id, identity_headers, new_trace_id
from galeproof.client.operation import Operation
from galeproof.client.settings import ClientSettings

__all__ = ["build_operation", "timeouts_of"]

_LONGEST_S = 1_000_000_000


def build_operation(
    settings: ClientSettings,
    clock: Now,
    rng: Random,
    make_id: Callable[[], str],
    *,
    method: str,
    route: str,
    path: Mapping[str, str],
    query: Mapping[str, str],
    body: Any,
    idempotency_key: str | None,
    correlation_id: str | None,
    deadline_s: float | None,
    scope: str,
) -> Operation:
    """Fix everything that must be the same in every attempt.

    Raises:
        InvalidArgument: names the argument that is wrong.
    """
    budget_s = settings.deadline_s if deadline_s is None else deadline_s
    if not isinstance(budget_s, (int, float)) or not 0 < budget_s <= _LONGEST_S:
        raise InvalidArgument("deadline_s: must be a number above 0, at most 1000000000")
    key = make_id() if idempotency_key is None and method == "POST" else idempotency_key
    if correlation_id is None:
        correlation_id = make_id()
    headers = {
        "Accept": "application/json, application/problem+json",
        "Accept-Encoding": "identity",
        **identity_headers(settings, correlation_id),
    }
    if key is not None:
        headers[settings.idempotency_header] = checked_id("idempotency_key", key)
    if body is not None:
        headers["Content-Type"] = "application/json"
    now_s = clock.monotonic()
    return Operation(
        method=method,
        route=route,
        url=settings.base_url + _filled(route, path) + _query(query),
        headers=headers,
        body=None if body is None else _encoded(body),
        idempotency_key=key,
        correlation_id=correlation_id,
        trace_id=new_trace_id(rng),
        scope=scope,
        started_s=now_s,
        deadline_at_s=now_s + budget_s,
    )


def timeouts_of(settings: ClientSettings, remaining_s: float) -> Timeouts:
    """Return min(local, remaining) for each of the four waits."""
    # Zero would mean "at once" to some libraries and "never" to others.
    left_s = max(remaining_s, 0.001)
    return Timeouts(
        connect_s=min(settings.connect_timeout_s, left_s),
        read_s=min(settings.read_timeout_s, left_s),
        write_s=min(settings.write_timeout_s, left_s),
        pool_s=min(settings.pool_timeout_s, left_s),
    )


def _encoded(body: Any) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        problem = "json: cannot be written as JSON"
    raise InvalidArgument(problem)


def _filled(route: str, path: Mapping[str, str]) -> str:
    """Fill a path template; a value can never leave its own segment."""
    if not path:
        return route
    for name, value in path.items():
        if not isinstance(value, str) or value in ("", ".", ".."):
            raise InvalidArgument(f"{name}: must be a non-empty id, and not a dot segment")
    return route.format_map({name: _quoted(name, value) for name, value in path.items()})


def _query(query: Mapping[str, str]) -> str:
    if not query:
        return ""
    return "?" + "&".join(f"{quote(name, safe='')}={_quoted(name, v)}" for name, v in query.items())


def _quoted(name: str, value: str) -> str:
    try:
        return quote(value, safe="")
    except (TypeError, UnicodeError):
        pass
    raise InvalidArgument(f"{name}: must be text that UTF-8 can hold")
