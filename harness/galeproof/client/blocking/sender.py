# Generated from ../aio/sender.py by ci/unasync: do not edit.
"""One attempt: wait for one's turn, take leave, add the credential, exchange, and account for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from opentelemetry.trace import Span

from galeproof.client.blocking.credentials import Credential
from galeproof.client.blocking.transport import Wire
from galeproof.client.breaker import Permit
from galeproof.client.building import timeouts_of
from galeproof.client.clock import BlockingClock
from galeproof.client.concurrency import BlockingPace, BlockingSlots
from galeproof.client.eligibility import may_have_effect
from galeproof.client.errors import BulkheadFull, Throttled
from galeproof.client.exchange import Answer, Failure
from galeproof.client.gate import Gate, Refusal
from galeproof.client.identity import traceparent
from galeproof.client.lines import write_line
from galeproof.client.notices import Notices
from galeproof.client.operation import Attempt, Operation, Progress
from galeproof.client.rate_limit import exhausted_s
from galeproof.client.retry_after import parse_retry_after
from galeproof.client.secret import Token
from galeproof.client.settings import ClientSettings
from galeproof.client.telemetry import Telemetry
from galeproof.client.urls import origin_of

__all__ = ["Sender"]

_REDIRECTS_OF_GET = frozenset({301, 302, 307, 308})
_REDIRECTS_OF_OTHERS = frozenset({307, 308})
_BUSY = frozenset({429, 503})
_NOT_BROKEN = frozenset({501, 505})
_FULL = Refusal("bulkhead_full", "too many attempts are in flight", BulkheadFull)
_TOO_FAST = Refusal("rate_limited_here", "the client's own rate is used up", Throttled)


class Sender:
    """Makes attempts; everything that a client has one of comes together here.

    Args:
        settings: timeouts, limits and switches.
        wire: the connections.
        credential: where the token comes from.
        gate: breaker, throttle and cooldown.
        clock: time.
        rng: dice for the spread after a cooldown.
        telemetry: metrics and spans.
        notices: reads Deprecation and Sunset.
    """

    def __init__(
        self,
        settings: ClientSettings,
        wire: Wire,
        credential: Credential,
        gate: Gate,
        clock: BlockingClock,
        rng: Random,
        telemetry: Telemetry,
        notices: Notices,
    ) -> None:
        self._settings, self._wire, self._credential = settings, wire, credential
        self._gate, self._clock, self._rng = gate, clock, rng
        self._telemetry, self._notices = telemetry, notices
        self._origin = origin_of(settings.base_url)
        self._slots: BlockingSlots | None = None
        self._routes: dict[str, BlockingSlots] = {}
        self._pace: BlockingPace | None = None
        if settings.features.bulkhead:
            self._slots = BlockingSlots(settings.bulkhead.limit, clock)
        if settings.rate.per_s is not None:
            self._pace = BlockingPace(settings.rate.per_s, settings.rate.burst, clock)

    def attempt(self, operation: Operation, progress: Progress) -> Attempt:
        """Make one attempt, redirects included; a failed one is returned, never raised."""
        refusal = self._turn(operation)
        if refusal is not None:
            return self._held(operation, progress, refusal)
        slots = self._slots
        if slots is None:
            return self._admitted(operation, progress)
        route = self._routes.get(operation.route)
        if route is None:
            route = BlockingSlots(self._settings.bulkhead.per_route, self._clock)
            route = self._routes.setdefault(operation.route, route)
        wait_s = min(self._settings.bulkhead.wait_s, self._left_s(operation))
        if not route.take(wait_s):
            return self._held(operation, progress, _FULL)
        try:
            if not slots.take(wait_s):
                return self._held(operation, progress, _FULL)
            try:
                return self._admitted(operation, progress)
            finally:
                slots.give()
        finally:
            route.give()

    def _turn(self, operation: Operation) -> Refusal | None:
        """Wait out the provider's quota and our own rate, or say why that would be too long."""
        settings = self._settings
        now_s = self._clock.monotonic()
        while (pause_s := self._gate.pause_s(now_s)) > 0:
            # the spread keeps those who waited together from starting together
            wait_s = pause_s + self._rng.random() * settings.backoff_base_s
            if pause_s > settings.retry_after_max_s or now_s + wait_s >= operation.deadline_at_s:
                return Refusal(
                    "provider_busy", "the provider has asked to wait longer", Throttled, pause_s
                )
            self._clock.sleep(wait_s)
            now_s = self._clock.monotonic()
        if self._pace is not None:
            wait_s = min(settings.rate.wait_s, operation.deadline_at_s - now_s)
            if not self._pace.take(wait_s):
                return _TOO_FAST
        return None

    def _admitted(self, operation: Operation, progress: Progress) -> Attempt:
        """Take credential and permit, and send."""
        token = self._credential.token(operation.scope, operation.correlation_id)
        if isinstance(token, Refusal):
            return self._held(operation, progress, token)
        began_s = self._clock.monotonic()
        permit = self._gate.admit(began_s)
        if isinstance(permit, Refusal):
            return self._held(operation, progress, permit)
        progress.attempts += 1
        progress.in_flight = True
        span = self._telemetry.begin_attempt(operation, progress)
        outcome: Answer | Failure | None = None
        try:
            outcome = self._follow(operation, token, span)
        finally:
            if outcome is None:
                self._cut_off(operation, permit, span, began_s)
        progress.in_flight = False
        attempt = self._account(operation, progress, outcome, permit, span, began_s)
        if attempt.failure == 401 and not progress.renewed:
            renewed = self._credential.renewed(token, operation.scope)
            progress.renewed = True
            return replace(attempt, renewed=renewed)
        return attempt

    def _account(
        self,
        operation: Operation,
        progress: Progress,
        outcome: Answer | Failure,
        permit: Permit,
        span: Span | None,
        began_s: float,
    ) -> Attempt:
        """Tell gate, log, metrics and notices how an attempt ended."""
        now_s, wall_s = self._clock.monotonic(), self._clock.wall()
        retry_after_s = None
        ok, busy = False, False
        if isinstance(outcome, Answer):
            status = outcome.status
            retry_after_s = parse_retry_after(outcome.headers.get("retry-after"), wall_s=wall_s)
            ok = (status < 500 and status != 408) or status in _NOT_BROKEN
            busy = status in _BUSY
        if isinstance(outcome, Failure) and outcome.kind == "pool":
            self._gate.abandon(permit)
        else:
            self._gate.ended(permit, now_s, ok=ok, refused=busy)
        if isinstance(outcome, Answer):
            self._heed(operation, outcome.headers, retry_after_s if busy else None, now_s, wall_s)
        attempt = Attempt(outcome, retry_after_s, wall_s)
        failure = attempt.failure
        if attempt.ok:
            word, error = "ok", None
            self._gate.succeeded(retried=progress.attempts > 1)
        else:
            assert failure is not None
            progress.effect_unknown |= may_have_effect(failure, method=operation.method)
            word, error = ("refused" if isinstance(outcome, Answer) else outcome.kind), str(failure)
        write_line(operation, progress.attempts, outcome.status, word, now_s - began_s)
        self._telemetry.finish_attempt(span, operation, outcome.status, error, now_s - began_s)
        return attempt

    def _heed(
        self,
        operation: Operation,
        headers: Mapping[str, str],
        asked_s: float | None,
        now_s: float,
        wall_s: float,
    ) -> None:
        """Take in what an answer says beside its status."""
        believed_s = self._settings.rate.believed_s
        if asked_s is not None and self._gate.coordinate:
            self._gate.hold(now_s, min(asked_s, believed_s))
        if self._settings.features.rate_limit_headers:
            wait_s = exhausted_s(headers, wall_s=wall_s)
            if wait_s is not None and wait_s <= believed_s:
                self._gate.hold(now_s, wait_s)
        if self._settings.features.notices:
            self._notices.read(f"{operation.method} {operation.route}", headers, wall_s=wall_s)

    def _held(self, operation: Operation, progress: Progress, refusal: Refusal) -> Attempt:
        """Account for an attempt that is not made."""
        self._telemetry.held(operation, refusal.code)
        write_line(operation, progress.attempts, refusal.status, refusal.code, 0.0)
        return Attempt(refusal, refusal.retry_after_s, self._clock.wall())

    def _cut_off(
        self, operation: Operation, permit: Permit, span: Span | None, began_s: float
    ) -> None:
        """Account for an attempt that was cancelled: by the deadline, or by the caller."""
        now_s = self._clock.monotonic()
        late = now_s >= operation.deadline_at_s
        if late:
            self._gate.ended(permit, now_s, ok=False, refused=False)
        else:
            self._gate.abandon(permit)
        error = "deadline_exceeded" if late else "cancelled"
        self._telemetry.finish_attempt(span, operation, None, error, now_s - began_s)

    def _follow(
        self, operation: Operation, token: Token, span: Span | None
    ) -> Answer | Failure:
        """Exchange, and follow redirects within the origin; others come back as they are."""
        followed = _REDIRECTS_OF_GET if operation.method in ("GET", "HEAD") else _REDIRECTS_OF_OTHERS
        url, hops = operation.url, 0
        while True:
            left_s = self._left_s(operation)
            outcome = self._wire.exchange(
                operation.method,
                url,
                headers=self._headers(operation, token, span, left_s, url if hops else None),
                body=operation.body,
                timeouts=timeouts_of(self._settings, left_s),
            )
            if not isinstance(outcome, Answer) or outcome.status not in followed:
                return outcome
            target = self._wire.resolve(url, outcome.headers.get("location", ""))
            if target is None or hops >= self._settings.max_redirects:
                return outcome
            url = target
            hops += 1

    def _headers(
        self, operation: Operation, token: Token, span: Span | None, left_s: float, moved: str | None
    ) -> dict[str, str]:
        """Add what belongs to this attempt; no longer-lived object holds the credential."""
        headers = dict(operation.headers)
        named = self._telemetry.traceparent(span)
        headers["traceparent"] = named or traceparent(operation.trace_id, self._rng)
        if self._settings.deadline_header is not None:
            headers[self._settings.deadline_header] = str(max(1, int(left_s * 1000)))
        # `resolve` lets no other origin through; this holds even if it did.
        if moved is None or origin_of(moved) == self._origin:
            headers["Authorization"] = f"Bearer {token.value.get_secret_value()}"
        return headers

    def _left_s(self, operation: Operation) -> float:
        return operation.deadline_at_s - self._clock.monotonic()
