"""A provider with a token endpoint, and calls of a client that gets its tokens there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx

from galeproof.client import (
    ClientError,
    ClientSettings,
    PaymentsClient,
    SystemClock,
)

TOKENS = "https://auth.example/token"
REVOKE = "https://auth.example/revoke"
OAUTH: dict[str, Any] = {
    "token_url": TOKENS,
    "revoke_url": REVOKE,
    "client_id": "us",
    "client_secret": "sk-canary-client",
    "scopes": ["payments:read", "payments:write"],
    "refresh_every_s": 0.0,
}


class Authority:
    """A provider and its token endpoint; tokens are numbered, and may rotate."""

    def __init__(self, payment: Callable[[], httpx.Response]) -> None:
        self.payment = payment
        self.forms: list[dict[str, str]] = []
        self.revoked: list[str] = []
        self.used: list[str] = []
        self.headers: list[httpx.Headers] = []
        self.valid: set[str] = set()
        self.refresh_tokens = {"sk-canary-refresh-0"}
        self.rotates = False
        self.refusals: list[httpx.Response] = []
        self.answer: dict[str, Any] = {}

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) == REVOKE:
            self.revoked.append(parse_qs(request.content.decode())["token"][0])
            return httpx.Response(200)
        if str(request.url) == TOKENS:
            return await self.token(request)
        given = request.headers["Authorization"].removeprefix("Bearer ")
        self.used.append(given)
        return self.payment() if given in self.valid else httpx.Response(401)

    async def token(self, request: httpx.Request) -> httpx.Response:
        form = {k: v[0] for k, v in parse_qs(request.content.decode()).items()}
        self.forms.append(form)
        self.headers.append(request.headers)
        for _ in range(60):  # others come meanwhile
            await asyncio.sleep(0)
        if self.refusals:
            return self.refusals.pop(0)
        number = len(self.forms)
        answer: dict[str, Any] = {"access_token": f"sk-canary-token-{number}", "token_type": "Bearer"}
        if "refresh_token" in form:
            if form["refresh_token"] not in self.refresh_tokens:
                return httpx.Response(400, json={"error": "invalid_grant"})
            if self.rotates:
                self.refresh_tokens = {f"sk-canary-refresh-{number}"}
                answer["refresh_token"] = f"sk-canary-refresh-{number}"
        self.valid = {str(answer["access_token"])}
        return httpx.Response(200, json={**answer, "expires_in": 300, **self.answer})


class Shifted(SystemClock):
    """The machine's clock, some way ahead."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s



def run(authority: Authority, call: Any, oauth: dict[str, Any] | None = None, **options: Any) -> Any:
    settings = ClientSettings(
        base_url="https://pay.example", oauth={**OAUTH, **(oauth or {})}, backoff_base_s=0.01,
        backoff_cap_s=0.01,
    )  # fmt: skip

    async def main() -> Any:
        transport = httpx.MockTransport(authority.handle)
        async with PaymentsClient(settings, transport=transport, **options) as client:
            return await call(client)

    return asyncio.run(main())


async def get(client: PaymentsClient) -> Any:
    try:
        return await client.get_payment("p1")
    except ClientError as error:
        return error


async def fifty(client: PaymentsClient) -> list[Any]:
    return list(await asyncio.gather(*(get(client) for _ in range(50))))
