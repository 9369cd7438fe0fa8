"""A clock of virtual time, and clients on scripted transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import pytest
from tests.unit.client.oauth_rig import Authority

from galeproof.client import ClientError, ClientSettings, PaymentsClient

CANARY = "sk-canary/4711+secret"
PAYMENT = {
    "id": "p1",
    "amount": 500,
    "currency": "EUR",
    "status": "settled",
    "reference": "abc",
    "created_at": "2026-01-01T00:00:00Z",
}
Step = Any


class _Expired(BaseException):
    pass


class FakeClock:
    """Virtual time; sleeping past a limit ends the body of the limit, as cancellation does."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.sleeps: list[float] = []
        self.limits: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return 784111777.0 + self.now_s - 1000.0

    async def sleep(self, delay_s: float) -> None:
        self.sleeps.append(delay_s)
        await self.spend(delay_s)

    async def spend(self, delay_s: float) -> None:
        await asyncio.sleep(0)
        if self.limits and self.now_s + delay_s >= min(self.limits):
            self.now_s = min(self.limits)
            raise _Expired
        self.now_s += delay_s

    @asynccontextmanager
    async def limit(self, budget_s: float) -> AsyncIterator[None]:
        self.limits.append(self.now_s + budget_s)
        expired = False
        try:
            yield
        except _Expired:
            expired = True
        finally:
            self.limits.pop()
        if expired:
            raise TimeoutError


@dataclass
class Bench:
    """A client whose provider plays the steps; the last one is repeated."""

    clock: FakeClock = field(default_factory=FakeClock)
    requests: list[Any] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    http: Any = httpx

    async def handle(self, request: Any) -> Any:
        self.requests.append(request)
        step = self.steps[min(len(self.requests), len(self.steps)) - 1]
        if isinstance(step, Exception):
            raise step
        if callable(step):
            step = await step(request)
        assert isinstance(step, self.http.Response)
        return step

    def build_settings(self, **more: Any) -> ClientSettings:
        values = {"base_url": "http://127.0.0.1:9/base", "api_key": CANARY, **self.settings, **more}
        return ClientSettings(**values)

    def build(self, **settings: Any) -> PaymentsClient:
        """Return a client on this clock, dice and script."""
        built = self.build_settings(**settings)
        return PaymentsClient(
            built,
            clock=self.clock,
            rng=Random(1),
            http=self.http,
            transport=self.http.MockTransport(self.handle),
            **self.options,
        )

    def run(self, call: Callable[[PaymentsClient], Awaitable[Any]], *steps: Step) -> Any:
        """Return the value, or the ClientError that was raised."""
        self.steps = list(steps)

        async def main() -> Any:
            async with self.build() as client:
                try:
                    return await call(client)
                except ClientError as error:
                    return error

        return asyncio.run(main())


@pytest.fixture
def bench() -> Bench:
    """Return a fresh bench."""
    return Bench()


@pytest.fixture
def payment() -> Callable[[], httpx.Response]:
    """Return a maker of good answers."""
    return lambda: httpx.Response(200, json=PAYMENT)


@pytest.fixture
def canary() -> str:
    """Return the secret that must never be seen."""
    return CANARY


@pytest.fixture
def authority(payment: Callable[[], httpx.Response]) -> Authority:
    """Return a fresh authority."""
    return Authority(payment)
