"""ResilientClient: one operation with its deadline, attempts, key, logs and errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from types import ModuleType, TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from galeproof.client.clock import Clock, SystemClock, new_id, system_random
from galeproof.client.eligibility import may_have_effect
from galeproof.client.errors import ClientError, DeadlineExceeded, InvalidArgument, PayloadError
from galeproof.client.mapping import error_of, facts_of
from galeproof.client.operation import Attempt, Operation, Progress
from galeproof.client.payload import Malformed, read_json
from galeproof.client.policy import policy_of
from galeproof.client.redaction import Redactor
from galeproof.client.retry_after import parse_retry_after
from galeproof.client.retrying import run_attempts
from galeproof.client.settings import ClientSettings
from galeproof.client.transport import Answer, Failure, Timeouts, Wire

__all__ = ["ResilientClient"]

M = TypeVar("M", bound=BaseModel)
_LOG = logging.getLogger("galeproof.client")
_LONGEST_KEY = 255
_REDIRECTS_OF_GET = frozenset({301, 302, 307, 308})
_REDIRECTS_OF_OTHERS = frozenset({307, 308})


class ResilientClient:
    """Base of a thin vendor client; one instance serves many concurrent operations.

    Args:
        settings: everything that can be told.
        clock: time; the machine's by default.
        rng: dice for the jitter; the operating system's by default.
        make_id: makes idempotency keys and correlation ids; UUID4 by default.
        http: the HTTP library, `httpx` or a drop-in.
        transport: a transport of that library in place of the network, for tests.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        clock: Clock | None = None,
        rng: Random | None = None,
        make_id: Callable[[], str] = new_id,
        http: ModuleType = httpx,
        transport: Any = None,
    ) -> None:
        self._settings = settings
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._rng = rng if rng is not None else system_random()
        self._make_id = make_id
        self._redactor = Redactor([settings.api_key])
        self._wire = Wire(settings, http=http, transport=transport)
        self._redactor.install()
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._settings.base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; the client cannot be used after it."""
        self._closed = True
        await self._wire.close()
        self._redactor.remove()

    def policy(self) -> dict[str, Any]:
        """Return what this client promises, in the shape of a galeproof profile."""
        return policy_of(self._settings)

    async def _call(
        self,
        method: str,
        route: str,
        model: type[M],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        json: Any = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        deadline_s: float | None = None,
    ) -> M:
        """Run one operation.

        Args:
            method: the HTTP method in upper case.
            route: the path template, `/payments/{payment_id}`.
            model: the shape of a success.
            path: values for the template.
            query: the query, or None.
            json: the body, or None.
            idempotency_key: the caller's key; a POST without one gets a UUID4.
            correlation_id: the caller's id, the same on every attempt; a UUID4 by default.
            deadline_s: the budget of the whole operation; that of the settings by default.

        Returns:
            The validated answer.

        Raises:
            ClientError: one of the tree in `galeproof.client.errors`.
        """
        if self._closed:
            raise InvalidArgument("the client is closed")
        operation = self._operation(
            method, route, path or {}, query or {}, json, idempotency_key, correlation_id,
            deadline_s,
        )
        progress = Progress()
        last = await self._run(operation, progress)
        result = self._result(operation, progress, last, model)
        if isinstance(result, ClientError):
            # Raised outside any except block: neither cause nor context leads to the request.
            raise result
        return result

    async def _run(self, operation: Operation, progress: Progress) -> Attempt | None:
        """Return the last attempt, or None when the deadline cut the operation off."""

        async def attempt() -> Attempt:
            return await self._attempt(operation, progress)

        remaining_s = operation.deadline_at_s - self._clock.monotonic()
        try:
            async with self._clock.limit(remaining_s):
                return await run_attempts(
                    attempt, operation, self._settings, self._clock, self._rng
                )
        except TimeoutError:
            pass
        if progress.in_flight:
            progress.in_flight = False
            progress.effect_unknown |= may_have_effect("timeout", method=operation.method)
            self._log(operation, progress, None, "deadline")
        return None

    async def _attempt(self, operation: Operation, progress: Progress) -> Attempt:
        """Make one attempt, redirects included, and write its line."""
        progress.attempts += 1
        progress.in_flight = True
        outcome = await self._follow(operation)
        progress.in_flight = False
        retry_after_s = None
        wall_s = self._clock.wall()
        if isinstance(outcome, Answer):
            retry_after_s = parse_retry_after(outcome.headers.get("retry-after"), wall_s=wall_s)
        attempt = Attempt(outcome, retry_after_s, wall_s)
        if not attempt.ok:
            progress.effect_unknown |= may_have_effect(attempt.failure, method=operation.method)
        word = "ok" if attempt.ok else "refused" if isinstance(outcome, Answer) else outcome.kind
        self._log(operation, progress, outcome.status, word)
        return attempt

    async def _follow(self, operation: Operation) -> Answer | Failure:
        """Exchange, and follow redirects within the origin; others come back as they are."""
        followed = (
            _REDIRECTS_OF_GET if operation.method in ("GET", "HEAD") else _REDIRECTS_OF_OTHERS
        )
        url = operation.url
        hops = 0
        while True:
            outcome = await self._wire.exchange(
                operation.method,
                url,
                headers=self._with_credentials(operation.headers),
                body=operation.body,
                timeouts=self._timeouts(operation),
            )
            if not isinstance(outcome, Answer) or outcome.status not in followed:
                return outcome
            target = self._wire.resolve(url, outcome.headers.get("location", ""))
            if target is None or hops >= self._settings.max_redirects:
                return outcome
            url = target
            hops += 1

    def _result(
        self, operation: Operation, progress: Progress, last: Attempt | None, model: type[M]
    ) -> M | ClientError:
        """Turn the end of an operation into its value or its error."""
        where = f"{operation.method} {operation.route}"
        if last is None or (
            isinstance(last.outcome, Failure) and self._clock.monotonic() >= operation.deadline_at_s
        ):
            facts = facts_of(
                operation, progress, seen_at_s=self._clock.wall(), code="deadline_exceeded"
            )
            return DeadlineExceeded(f"{where}: the deadline passed", facts)
        if not last.ok or not isinstance(last.outcome, Answer):
            return error_of(operation, progress, last, self._redactor)
        try:
            document = read_json(last.outcome.body, last.outcome.headers.get("content-type"))
            return model.model_validate(document)
        except Malformed as error:
            reason, code = str(error), "malformed_body"
        except ValidationError as error:
            fields = (".".join(map(str, item["loc"])) or "body" for item in error.errors())
            reason, code = f"wrong or missing: {', '.join(list(fields)[:10])}", "schema_mismatch"
        unknown = progress.effect_unknown or may_have_effect(
            last.outcome.status, method=operation.method
        )
        facts = facts_of(operation, progress, seen_at_s=last.seen_at_s, code=code)
        return PayloadError(
            f"{where}: {self._redactor.text(reason)}",
            replace(facts, status=last.outcome.status, effect_unknown=unknown),
        )

    def _operation(
        self,
        method: str,
        route: str,
        path: Mapping[str, str],
        query: Mapping[str, str],
        body: Any,
        key: str | None,
        correlation_id: str | None,
        deadline_s: float | None,
    ) -> Operation:
        """Fix everything that must be the same in every attempt."""
        budget_s = self._settings.deadline_s if deadline_s is None else deadline_s
        if not 0 < budget_s < float("inf"):
            raise InvalidArgument("deadline_s: must be a finite number above 0")
        if key is None and method == "POST":
            key = self._make_id()
        if correlation_id is None:
            correlation_id = self._make_id()
        _checked("correlation_id", correlation_id)
        headers = {
            "Accept": "application/json, application/problem+json",
            "Accept-Encoding": "identity",
            "User-Agent": self._settings.user_agent,
            self._settings.correlation_header: correlation_id,
        }
        if key is not None:
            headers[self._settings.idempotency_header] = _checked("idempotency_key", key)
        if body is not None:
            headers["Content-Type"] = "application/json"
        return Operation(
            method=method,
            route=route,
            url=self._settings.base_url + _filled(route, path) + _query(query),
            headers=headers,
            body=None if body is None else json.dumps(body, allow_nan=False).encode(),
            idempotency_key=key,
            correlation_id=correlation_id,
            deadline_at_s=self._clock.monotonic() + budget_s,
        )

    def _with_credentials(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Add the credentials at the last moment, so that no longer-lived object holds them."""
        return {**headers, "Authorization": f"Bearer {self._settings.api_key.get_secret_value()}"}

    def _timeouts(self, operation: Operation) -> Timeouts:
        """Return min(local, remaining) for each of the four waits."""
        # Zero would mean "at once" to some libraries and "never" to others.
        remaining_s = max(operation.deadline_at_s - self._clock.monotonic(), 0.001)
        settings = self._settings
        return Timeouts(
            connect_s=min(settings.connect_timeout_s, remaining_s),
            read_s=min(settings.read_timeout_s, remaining_s),
            write_s=min(settings.write_timeout_s, remaining_s),
            pool_s=min(settings.pool_timeout_s, remaining_s),
        )

    def _log(
        self, operation: Operation, progress: Progress, status: int | None, outcome: str
    ) -> None:
        """Write the line of one attempt, with the same fields always."""
        _LOG.log(
            logging.INFO if outcome == "ok" else logging.WARNING,
            "method=%s route=%s attempt=%d status=%s outcome=%s correlation_id=%s",
            operation.method,
            operation.route,
            progress.attempts,
            "-" if status is None else status,
            outcome,
            operation.correlation_id,
        )


def _checked(name: str, value: str) -> str:
    if not 1 <= len(value) <= _LONGEST_KEY or not all("!" <= c <= "~" for c in value):
        raise InvalidArgument(f"{name}: must be 1 to {_LONGEST_KEY} visible ASCII characters")
    return value


def _filled(route: str, path: Mapping[str, str]) -> str:
    """Fill a path template; a value can never leave its own segment."""
    for name, value in path.items():
        if value in ("", ".", ".."):
            raise InvalidArgument(f"{name}: must be a non-empty id, and not a dot segment")
    return route.format_map({name: quote(value, safe="") for name, value in path.items()})


def _query(query: Mapping[str, str]) -> str:
    pairs = "&".join(f"{quote(name, safe='')}={quote(v, safe='')}" for name, v in query.items())
    return f"?{pairs}" if pairs else ""
