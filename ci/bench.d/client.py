"""`ci/bench client`: the reference client against bare httpx and what people put around it.

Calm: one GET after another on a kept loopback connection, every client in turn, in rounds; the
figure is the median over the rounds of the ratio to bare httpx in the same round. Storm: every
request is answered 503 for a while; attempts of each operation, and how long after the end of the
storm the first operation succeeds again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import importlib.util
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "harness"))

import httpx  # noqa: E402
import tenacity  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import (  # noqa: E402
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from galeproof.client import ClientSettings, Payment, PaymentsClient  # noqa: E402

Call = Callable[[], Awaitable[object]]
_BARS = {"reference, telemetry off": 1.15, "reference, everything on": 1.25}
_TRIES = 3
LOG = logging.getLogger("galeproof.client")

_SERVER = '''
import asyncio, json, sys
BODY = json.dumps({"id": "p1", "amount": 500, "currency": "EUR", "status": "settled", "reference": "r",
                   "created_at": "2026-01-01T00:00:00Z"}).encode()
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n"
OK = HEAD % len(BODY) + BODY
BUSY = b"HTTP/1.1 503 Service Unavailable\\r\\nContent-Length: 0\\r\\n\\r\\n"
state = {"ill": False, "seen": 0}
class Provider(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.held = transport, b""
    def data_received(self, data):
        self.held += data
        while b"\\r\\n\\r\\n" in self.held:
            head, _, self.held = self.held.partition(b"\\r\\n\\r\\n")
            state["seen"] += 1
            self.transport.write(BUSY if state["ill"] else OK)
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "seen":
            print(state["seen"], flush=True)
            state["seen"] = 0
        else:
            state["ill"] = line.strip() == "ill"
            print("ok", flush=True)
asyncio.run(main())
'''


class Provider:
    """The provider: a process of its own, well or ill as it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = f"http://127.0.0.1:{self._line()}"

    def tell(self, word: str) -> str:
        """Send a word and return the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self._line()

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


class Nowhere(SpanExporter):
    """Takes spans and drops them."""

    def export(self, spans: Any) -> SpanExportResult:
        """Drop them."""
        return SpanExportResult.SUCCESS


async def _get(client: httpx.AsyncClient) -> object:
    """What a program does with bare httpx: ask, check, read."""
    response = await client.get("/payments/p1", headers={"Authorization": "Bearer k"})
    response.raise_for_status()
    return response.json()


@contextlib.asynccontextmanager
async def bare(url: str) -> AsyncIterator[Call]:
    """httpx alone: no retry, no key, no check of the value."""
    async with httpx.AsyncClient(base_url=url, timeout=1.0) as client:
        yield functools.partial(_get, client)


@contextlib.asynccontextmanager
async def by_hand(url: str) -> AsyncIterator[Call]:
    """httpx with tenacity, a value that is validated, and nothing else."""
    async with httpx.AsyncClient(base_url=url, timeout=1.0) as client:

        @tenacity.retry(
            stop=tenacity.stop_after_attempt(_TRIES),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=2),
            reraise=True,
        )
        async def call() -> object:
            return Payment.model_validate(await _get(client))

        yield call


@contextlib.asynccontextmanager
async def httpx_retries(url: str) -> AsyncIterator[Call]:
    """httpx with the transport of httpx-retries."""
    from httpx_retries import Retry, RetryTransport

    retry = Retry(total=_TRIES - 1, backoff_factor=0.2)
    async with httpx.AsyncClient(base_url=url, transport=RetryTransport(retry=retry), timeout=1.0) as client:
        yield functools.partial(_get, client)


@contextlib.asynccontextmanager
async def stamina(url: str) -> AsyncIterator[Call]:
    """httpx with stamina."""
    import stamina

    async with httpx.AsyncClient(base_url=url, timeout=1.0) as client:

        @stamina.retry(on=httpx.HTTPError, attempts=_TRIES, wait_initial=0.2, wait_max=2.0)
        async def call() -> object:
            return await _get(client)

        yield call


@contextlib.asynccontextmanager
async def aiohttp_retry(url: str) -> AsyncIterator[Call]:
    """aiohttp with aiohttp-retry: another library altogether."""
    from aiohttp_retry import JitterRetry, RetryClient

    options = JitterRetry(attempts=_TRIES, start_timeout=0.2, max_timeout=2.0, statuses={503})
    async with RetryClient(base_url=url, retry_options=options) as client:

        async def call() -> object:
            async with client.get("/payments/p1", headers={"Authorization": "Bearer k"}) as response:
                response.raise_for_status()
                return await response.json()

        yield call


@contextlib.asynccontextmanager
async def reference(url: str, *, on: bool) -> AsyncIterator[Call]:
    """The reference client: every part at its default, telemetry off, or an SDK that records."""
    settings = ClientSettings(base_url=url, api_key="k", features={"telemetry": on})
    options: dict[str, Any] = {}
    tracers = TracerProvider()
    if on:
        tracers.add_span_processor(BatchSpanProcessor(Nowhere()))
        options = {"meter_provider": MeterProvider([InMemoryMetricReader()]), "tracer_provider": tracers}
    async with PaymentsClient(settings, **options) as client:
        yield functools.partial(client.get_payment, "p1")
    tracers.shutdown()


CLIENTS: dict[str, tuple[Callable[[str], Any], str | None]] = {
    "bare httpx": (bare, None),
    "reference, telemetry off": (functools.partial(reference, on=False), None),
    "reference, everything on": (functools.partial(reference, on=True), None),
    "httpx, tenacity by hand": (by_hand, None),
    "httpx-retries": (httpx_retries, "httpx_retries"),
    "stamina": (stamina, "stamina"),
    "aiohttp-retry": (aiohttp_retry, "aiohttp_retry"),
}


@dataclass(frozen=True, slots=True)
class Calm:
    """Time of a call in calm air, and its ratio to bare httpx."""

    client: str
    us: float
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Storm:
    """Behaviour in a storm of 503."""

    client: str
    operations: int
    attempts_per_operation: float
    last_third: float
    recovery_s: float


async def calm(url: str, names: list[str], rounds: int, calls: int) -> list[Calm]:
    """Time the clients in turn; a round that begins with another client each time."""
    times: dict[str, list[float]] = {name: [] for name in names}
    async with contextlib.AsyncExitStack() as stack:
        made = {n: await stack.enter_async_context(CLIENTS[n][0](url)) for n in names}
        for number in range(rounds + 1):
            at = number % len(names)
            for name in [*names[at:], *names[:at]]:
                call = made[name]
                # a line for each attempt and each use of the credential, formatted by nobody
                LOG.setLevel(logging.INFO if name == "reference, everything on" else logging.WARNING)
                began = time.perf_counter()
                for _ in range(calls):
                    await call()
                times[name].append((time.perf_counter() - began) / calls * 1e6)
    base = times["bare httpx"][1:]
    found = []
    for name in names:
        ratios = sorted(mine / other for mine, other in zip(times[name][1:], base, strict=True))
        quarter = len(ratios) // 4
        found.append(Calm(name, statistics.median(times[name][1:]), statistics.median(ratios),
                          ratios[quarter], ratios[-1 - quarter]))
    return found


async def storm(provider: Provider, name: str, operations: int, concurrent: int) -> Storm:
    """Run operations into 503, then heal the provider and wait for the first success."""
    async with CLIENTS[name][0](provider.url) as call:
        await call()
        provider.tell("seen")
        provider.tell("ill")
        third: list[int] = []
        for part in range(3):
            share, gate = operations // 3, asyncio.Semaphore(concurrent)

            async def one(gate: asyncio.Semaphore = gate) -> None:
                async with gate:
                    with contextlib.suppress(Exception):
                        await call()

            await asyncio.gather(*(one() for _ in range(share)))
            third.append(int(provider.tell("seen")))
            del part
        provider.tell("well")
        began = time.perf_counter()
        while time.perf_counter() - began < 30:
            with contextlib.suppress(Exception):
                await call()
                break
            await asyncio.sleep(0.05)
        recovery_s = time.perf_counter() - began
    return Storm(name, operations, sum(third) / operations, third[-1] / (operations // 3), recovery_s)


def quiet() -> None:
    """Let log lines be made and go nowhere."""
    LOG.addHandler(logging.NullHandler())
    LOG.propagate = False
    logging.getLogger("stamina").setLevel(logging.CRITICAL)


def main() -> int:
    """Print the tables; 1 when the reference client is over its bars."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=100, help="calls a client and round")
    parser.add_argument("--operations", type=int, default=600, help="operations of the storm; 0 for none")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    names = [n for n, (_, needs) in CLIENTS.items() if needs is None or importlib.util.find_spec(needs)]
    missing = sorted(set(CLIENTS) - set(names))
    quiet()
    provider = Provider()
    try:
        calms = asyncio.run(calm(provider.url, names, options.rounds, options.calls))
        storms = []
        if options.operations:
            storms = [asyncio.run(storm(provider, n, options.operations, 50)) for n in names]
    finally:
        provider.close()
    held = all(c.ratio <= _BARS.get(c.client, float("inf")) for c in calms)
    if options.json:
        print(json.dumps({"calm": [asdict(c) for c in calms], "storm": [asdict(s) for s in storms],
                          "missing": missing, "held": held}))
        return 0 if held else 1
    print(f"{'calm':<28}{'us a call':>10}{'ratio':>8}{'quartiles':>16}{'bar':>7}")
    for c in calms:
        bar = f"{_BARS[c.client]:.2f}" if c.client in _BARS else ""
        print(f"{c.client:<28}{c.us:>10.0f}{c.ratio:>8.3f}{f'{c.low:.3f} {c.high:.3f}':>16}{bar:>7}")
    if storms:
        print(f"\n{'503 storm':<28}{'attempts/op':>12}{'last third':>12}{'back after s':>14}")
        for s in storms:
            print(f"{s.client:<28}{s.attempts_per_operation:>12.2f}{s.last_third:>12.2f}{s.recovery_s:>14.2f}")
    for name in missing:
        print(f"not installed: {name}")
    print("within its bars" if held else "over its bars")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
