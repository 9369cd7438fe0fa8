"""The blocking twin: generated, compared, and as safe as its source, on real sockets too."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from galeproof.client import (
    BlockingFallbackChain,
    BlockingOutbox,
    BlockingPaymentsClient,
    BlockingSource,
    BulkheadFull,
    ClientError,
    ClientSettings,
    Payment,
    PaymentsClient,
    Unavailable,
)
from galeproof.client.clock import BlockingSystemClock
from galeproof.client.concurrency import BlockingFlight

ROOT = Path(__file__).parents[3]
Good = Callable[[], httpx.Response]


class StillClock:
    """Virtual time for threads: sleeping moves it."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return 784111777.0 + self.now_s

    def sleep(self, delay_s: float) -> None:
        self.sleeps.append(delay_s)
        self.now_s += delay_s

    @contextmanager
    def limit(self, budget_s: float) -> Iterator[None]:
        yield


def client(answer: Callable[[httpx.Request], httpx.Response], **settings: Any) -> BlockingPaymentsClient:
    values = {"base_url": "https://pay.example", "api_key": "k", **settings}
    return BlockingPaymentsClient(
        ClientSettings(**values),
        clock=StillClock(),
        rng=Random(1),
        transport=httpx.MockTransport(answer),
    )


def get(made: BlockingPaymentsClient, **more: Any) -> Any:
    try:
        return made.get_payment("p1", **more)
    except ClientError as error:
        return error


def test_the_twin_is_what_the_source_gives() -> None:
    """`ci/unasync --check` finds no difference."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "ci" / "unasync"), "--check"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_both_clients_offer_the_same() -> None:
    """Every public name of one is a public name of the other, opening and closing apart."""
    names = [{n for n in dir(c) if not n.startswith("_")} for c in (PaymentsClient, BlockingPaymentsClient)]
    assert names[0] ^ names[1] == {"aclose", "close"}


def test_attempts_wait_and_succeed(payment: Good) -> None:
    """Retries, Retry-After, one key and one trace, as in the source."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return payment() if len(seen) == 3 else httpx.Response(503, headers={"Retry-After": "1"})

    with client(answer) as made:
        assert type(made.create_payment(5, "EUR", "r")) is Payment
        assert [1.0 <= s <= 1.4 for s in made._clock.sleeps] == [True, True]  # type: ignore[attr-defined]
    assert len({r.headers["Idempotency-Key"] for r in seen}) == 1


def test_pages_are_walked(payment: Good) -> None:
    """The generator of the twin is a plain one."""
    page = {"items": [payment().json()], "next_cursor": None}
    with client(lambda r: httpx.Response(200, json=page)) as made:
        assert [p.id for p in made.iterate_payments()] == ["p1"]


def test_the_bulkhead_holds_threads_back(payment: Good) -> None:
    """More threads than places: the rest is refused, and never more are in flight."""
    started = threading.Barrier(3)
    release = threading.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        started.wait(5)
        release.wait(5)
        return payment()

    bulkhead = {"limit": 2, "per_route": 2, "wait_s": 0.01}
    with client(answer, bulkhead=bulkhead) as made, ThreadPoolExecutor(4) as pool:
        inside = [pool.submit(get, made) for _ in range(2)]
        started.wait(5)
        outside = get(made)
        release.set()
        results = [f.result() for f in inside]
    assert (type(outside), [type(r) for r in results]) == (BulkheadFull, [Payment, Payment])


def test_chain_and_outbox_have_twins(tmp_path: Path) -> None:
    """Fallbacks are marked and calls are made later, without a loop."""

    def down(left_s: float) -> str:
        raise Unavailable("503")

    sources = [BlockingSource("a", down), BlockingSource("b", lambda left_s: "stale")]
    marked = BlockingFallbackChain(sources, deadline_s=1.0).read()
    made: list[str] = []
    with BlockingOutbox(tmp_path / "box.db", {"pay": lambda payload, key: made.append(key)}) as box:
        box.put("pay", {}, key="k")
        box.drain()
        assert (marked.source, made, box.waiting()) == ("b", ["k"], [])


@pytest.mark.parametrize("breaks", [False, True])
def test_a_flight_that_was_cut_short_is_flown_anew(breaks: bool) -> None:
    """A thread whose deadline ends, or whose flight breaks, does not decide for the others."""
    flight: BlockingFlight[str] = BlockingFlight()
    clock, away, flights = BlockingSystemClock(), threading.Event(), iter(("short", "whole"))

    def start() -> str:
        name = next(flights)
        if name == "short":
            away.set()
            time.sleep(0.2)
            if breaks:
                raise RuntimeError("it broke")
        return name

    def leader() -> None:
        with clock.limit(0.1 if not breaks else 5), contextlib.suppress(RuntimeError):
            flight.join(start)

    def follower() -> str:
        with clock.limit(5):
            return flight.join(start)

    with ThreadPoolExecutor(4) as threads:
        threads.submit(leader)
        assert away.wait(5)
        assert threads.submit(follower).result() == "whole"
