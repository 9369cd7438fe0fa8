"""The routes: who may, how often, and what a request must be before anything is done."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from contracts.provider.callers import Caller, Rates, caller_of
from contracts.provider.oauth import Authority, OAuthRefused
from contracts.provider.once import Once, checked_key, fingerprint
from contracts.provider.payments import PaymentOrder, Payments, RefundOrder, parsed
from contracts.provider.problems import Refused, problem
from contracts.provider.settings import ProviderSettings
from contracts.provider.store import Store
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["PaymentsApi"]

_LOG = logging.getLogger("payments_api")
Serve = Callable[[Request, Caller], Awaitable[Response]]


class PaymentsApi:
    """All routes of the API on one database.

    Args:
        settings: limits, lives and dates.
        store: the database.
        now: time in seconds since the Unix epoch.
        monotonic: time in seconds for the rates.

    Attributes:
        once: the idempotency keys.
        rates: the accounts' rates.
    """

    def __init__(
        self, settings: ProviderSettings, store: Store, *, now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._store, self._now = settings, store, now
        self._payments = Payments(store, now)
        self.once = Once(store, settings.keys_kept_s, now)
        self.rates = Rates(settings.rate_per_s, settings.rate_burst, monotonic)
        self._authority = Authority(
            store, access_s=settings.access_token_s, refresh_s=settings.refresh_token_s,
            leeway_s=settings.refresh_leeway_s, now=now)

    def routes(self) -> list[Route]:
        """Return the routes."""
        serve = self._guarded
        return [
            Route("/payments", serve("payments:read", self._list), methods=["GET"]),
            Route("/payments", serve("payments:write", self._create), methods=["POST"]),
            Route("/payments/{id}", serve("payments:read", self._get), methods=["GET"]),
            Route("/payments/{id}/refunds", serve("refunds:write", self._refund), methods=["POST"]),
            Route("/charges/{id}", serve("payments:read", self._charge), methods=["GET"]),
            Route("/oauth/token", self._answered(partial(self._oauth, self._authority.token)),
                  methods=["POST"]),
            Route("/oauth/revoke", self._answered(partial(self._oauth, self._authority.revoke)),
                  methods=["POST"]),
        ]

    def _guarded(self, scope: str, serve: Serve) -> Callable[[Request], Awaitable[Response]]:
        """Serve only who may, and within the rate of the account."""

        async def allowed(request: Request) -> Response:
            caller = await run_in_threadpool(
                caller_of, self._store, request.headers.get("Authorization"), self._now())
            quota = self.rates.take(caller.account)
            try:
                if not quota.ok:
                    raise Refused(429, "rate-exceeded", "the account's rate is used up")
                if scope not in caller.scopes:
                    raise Refused(403, "scope-missing", "the token lacks the scope of the operation", {
                        "WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'})
                answer = await serve(request, caller)
            except Refused as refused:
                answer = refused.answer()
            answer.headers.update(self.rates.headers(quota))
            return answer

        return self._answered(allowed)

    def _answered(
        self, serve: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Make every failure an answer; none tells more than its kind."""

        async def answer(request: Request) -> Response:
            try:
                return await serve(request)
            except (Refused, OAuthRefused) as refused:
                return refused.answer()
            except ClientDisconnect:
                # nobody hears it; what matters is that nothing was done for half a request
                return problem(400, "body-incomplete", "the body ended early")
            except SQLAlchemyError as error:
                _LOG.error("database: %s", type(error).__name__)
                return problem(503, "database-unavailable", "try again", {"Retry-After": "1"})

        return answer

    async def _get(self, request: Request, caller: Caller) -> Response:
        return JSONResponse(
            await run_in_threadpool(self._payments.get, caller.account, request.path_params["id"]))

    async def _charge(self, request: Request, caller: Caller) -> Response:
        """The old route of a payment, whose end is announced (RFC 9745, RFC 8594)."""
        answer = await self._get(request, caller)
        settings = self._settings
        answer.headers["Deprecation"] = f"@{int(settings.charges_deprecated_at.timestamp())}"
        answer.headers["Sunset"] = format_datetime(settings.charges_sunset_at, usegmt=True)
        answer.headers["Link"] = (
            f'<{settings.charges_link}>; rel="deprecation"; type="text/html", '
            f'</payments/{request.path_params["id"]}>; rel="successor-version"')
        return answer

    async def _list(self, request: Request, caller: Caller) -> Response:
        text = request.query_params.get("limit", str(self._settings.page_size))
        if not re.fullmatch("[0-9]{1,6}", text) or not 1 <= int(text) <= self._settings.page_most:
            raise Refused(400, "limit-invalid", f"limit: 1 to {self._settings.page_most}")
        cursor = request.query_params.get("cursor")
        return JSONResponse(await run_in_threadpool(self._payments.page, caller.account, cursor, int(text)))

    async def _create(self, request: Request, caller: Caller) -> Response:
        order = parsed(PaymentOrder, await self._json(request))
        key, seen = self._once_for(request, order.model_dump())
        return await run_in_threadpool(
            self.once.run, caller.account, key, seen,
            lambda connection: self._payments.create(connection, caller.account, key, order))

    async def _refund(self, request: Request, caller: Caller) -> Response:
        order = parsed(RefundOrder, await self._json(request))
        key, seen = self._once_for(request, order.model_dump())
        payment = request.path_params["id"]
        return await run_in_threadpool(
            self.once.run, caller.account, key, seen,
            lambda connection: self._payments.refund(connection, caller.account, key, payment, order))

    def _once_for(self, request: Request, body: Mapping[str, Any]) -> tuple[str, str]:
        key = checked_key(request.headers.get("Idempotency-Key"))
        return key, fingerprint(request.method, request.url.path, body)

    async def _oauth(
        self, serve: Callable[[str | None, Mapping[str, str]], Response], request: Request
    ) -> Response:
        pairs = parse_qsl((await self._body(request)).decode("utf-8", "replace"), keep_blank_values=True)
        if len(dict(pairs)) != len(pairs):
            raise OAuthRefused("invalid_request")
        return await run_in_threadpool(serve, request.headers.get("Authorization"), dict(pairs))

    async def _json(self, request: Request) -> Any:
        media = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise Refused(415, "media-type", "send application/json")
        try:
            return json.loads(await self._body(request))
        except (ValueError, RecursionError):
            raise Refused(400, "body-malformed", "the body is not JSON") from None

    async def _body(self, request: Request) -> bytes:
        """Return the whole body; half a body raises, and nothing is done for it."""
        whole = bytearray()
        async for part in request.stream():
            whole += part
            if len(whole) > self._settings.body_most:
                raise Refused(413, "body-too-large", "the body is larger than allowed")
        return bytes(whole)
