"""ResilientClient: the base of thin vendor clients; one operation from its call to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from types import ModuleType, TracebackType
from typing import Any, Self, TypeVar

import httpx
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider
from pydantic import BaseModel

from galeproof.client.aio.credentials import Credential, StaticCredential
from galeproof.client.aio.oauth import OAuthCredential
from galeproof.client.aio.retrying import run_attempts
from galeproof.client.aio.sender import Sender
from galeproof.client.aio.transport import Wire
from galeproof.client.audit import AuditEvent, AuditLog
from galeproof.client.building import build_operation
from galeproof.client.clock import Clock, SystemClock, new_id, system_random
from galeproof.client.eligibility import may_have_effect
from galeproof.client.errors import ClientError, InvalidArgument
from galeproof.client.lines import write_line
from galeproof.client.notices import Notice, Notices
from galeproof.client.operation import Attempt, Operation, Progress
from galeproof.client.policy import policy_of, summary_of
from galeproof.client.redaction import Redactor
from galeproof.client.result import result_of
from galeproof.client.secret import StaticSecret
from galeproof.client.settings import ClientSettings
from galeproof.client.shared import SharedPolicy, dependency_of
from galeproof.client.telemetry import Telemetry

__all__ = ["ResilientClient"]

M = TypeVar("M", bound=BaseModel)


class ResilientClient:
    """Base of a thin vendor client; one instance serves many concurrent operations.

    Args:
        settings: everything that can be told.
        policy: shared with other clients, so that their retries draw on one budget.
        clock: time; the machine's by default.
        rng: dice for the jitter; the operating system's by default.
        make_id: makes idempotency keys and correlation ids; UUID4 by default.
        http: the HTTP library, `httpx` or a drop-in.
        transport: a transport of that library in place of the network, for tests.
        audit: called with every use, change and revocation of a credential.
        on_notice: called when the provider announces the end of a route.
        meter_provider: OpenTelemetry's, in place of the global one.
        tracer_provider: OpenTelemetry's, in place of the global one.

    Raises:
        SettingsError: a credential's source has no usable value; the message names the setting.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        policy: SharedPolicy | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
        make_id: Callable[[], str] = new_id,
        http: ModuleType = httpx,
        transport: Any = None,
        audit: Callable[[AuditEvent], None] | None = None,
        on_notice: Callable[[Notice], None] | None = None,
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        self._settings = settings
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._rng = rng if rng is not None else system_random()
        self._make_id = make_id
        self._redactor = Redactor()
        self._notices = Notices(on_notice, self._redactor.text)
        if policy is None:
            policy = SharedPolicy(settings.retry_budget, rng=self._rng, coordinate=False)
        self._gate = policy.gate(settings)
        self._telemetry = Telemetry(
            settings, self._gate, meter_provider=meter_provider, tracer_provider=tracer_provider
        )
        log = AuditLog(dependency_of(settings), self._clock, audit)
        secret = _secret_of(settings, self._clock, log, self._redactor)
        self._wire = Wire(settings, http=http, transport=transport)
        self._credential = self._credential_of(secret, log)
        self._sender = Sender(
            settings, self._wire, self._credential, self._gate, self._clock, self._rng,
            self._telemetry, self._notices,
        )  # fmt: skip
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
        await self._credential.close()
        await self._wire.close()
        self._redactor.remove()

    def policy(self) -> dict[str, Any]:
        """Return what this client promises, in the shape of a galeproof profile."""
        return policy_of(self._settings)

    def policy_summary(self) -> str:
        """Return what this client promises, for people."""
        return summary_of(self._settings)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The routes whose end the provider has announced."""
        return self._notices.seen

    async def revoke_credentials(self) -> None:
        """Revoke what this client holds, at the authority where it has one; it sends no more."""
        await self._credential.revoke()

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
        scope: str = "",
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
            scope: what the operation needs of an OAuth token; empty for all that we may have.

        Returns:
            The validated answer.

        Raises:
            ClientError: one of the tree in `galeproof.client.errors`.
        """
        if self._closed:
            raise InvalidArgument("the client is closed")
        operation = build_operation(
            self._settings, self._clock, self._rng, self._make_id,
            method=method, route=route, path=path or {}, query=query or {}, body=json,
            idempotency_key=idempotency_key, correlation_id=correlation_id,
            deadline_s=deadline_s, scope=scope,
        )  # fmt: skip
        progress = Progress()
        ended_as: str | None = "cancelled"
        try:
            last = await self._run(operation, progress)
            result = result_of(operation, progress, last, model, self._clock, self._redactor)
            ended_as = type(result).__name__ if isinstance(result, ClientError) else None
        finally:
            elapsed_s = self._clock.monotonic() - operation.started_s
            self._telemetry.finish(operation, ended_as, elapsed_s)
        if isinstance(result, ClientError):
            # Raised outside any except block: neither cause nor context leads to the request.
            raise result
        return result

    async def _run(self, operation: Operation, progress: Progress) -> Attempt | None:
        """Return the last attempt, or None when the deadline cut the operation off."""

        async def attempt() -> Attempt:
            return await self._sender.attempt(operation, progress)

        try:
            async with self._clock.limit(operation.deadline_at_s - self._clock.monotonic()):
                return await run_attempts(
                    attempt, operation, progress, self._settings, self._clock, self._rng, self._gate
                )
        except TimeoutError:
            pass
        if progress.in_flight:
            progress.in_flight = False
            progress.effect_unknown |= may_have_effect("timeout", method=operation.method)
            elapsed_s = self._clock.monotonic() - operation.started_s
            write_line(operation, progress.attempts, None, "deadline", elapsed_s)
        return None

    def _credential_of(self, secret: StaticSecret, log: AuditLog) -> Credential:
        oauth = self._settings.oauth
        if oauth is None:
            return StaticCredential(secret, log)
        return OAuthCredential(
            oauth, self._settings, secret, self._wire, self._clock, self._rng, log, self._redactor
        )


def _secret_of(
    settings: ClientSettings, clock: Clock, log: AuditLog, redactor: Redactor
) -> StaticSecret:
    """Return the one secret that the settings name."""
    oauth = settings.oauth
    if oauth is not None:
        return StaticSecret(
            "oauth.client_secret",
            value=oauth.client_secret,
            env=oauth.client_secret_env,
            file=oauth.client_secret_file,
            clock=clock, audit=log, redactor=redactor,
        )  # fmt: skip
    return StaticSecret(
        "api_key",
        value=settings.api_key,
        env=settings.api_key_env,
        file=settings.api_key_file,
        callback=settings.api_key_callback,
        reload_s=settings.secret_reload_s,
        clock=clock, audit=log, redactor=redactor,
    )  # fmt: skip
