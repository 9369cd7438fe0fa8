"""Breaker, retry budget, throttle and limiter against models, step by step in virtual time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from galeproof.client import BreakerSettings, BudgetSettings
from galeproof.client.breaker import Breaker, Permit
from galeproof.client.budget import RetryBudget
from galeproof.client.concurrency import AsyncPace, BlockingPace

CALLS, PROBES, OPEN_S = 4, 2, 5.0


class BreakerMachine(RuleBasedStateMachine):
    """Never more probes than allowed, never sent while open, every permit comes back."""

    def __init__(self) -> None:
        super().__init__()
        settings = BreakerSettings(calls=CALLS, ratio=0.5, window_s=60, open_s=OPEN_S, probes=PROBES)
        self.breaker = Breaker(settings, Random(1))
        self.now_s = 0.0
        self.out: list[tuple[Permit, str]] = []
        self.opened_at_s: float | None = None
        self.ended: list[bool] = []

    @rule(step_s=st.floats(0.0, 4.0))
    def wait(self, step_s: float) -> None:
        self.now_s += step_s

    @rule()
    def ask(self) -> None:
        before = self.breaker.state
        permit = self.breaker.admit(self.now_s)
        if before == "closed":
            assert permit is not None
        if before == "open" and self.opened_at_s is not None and permit is not None:
            assert self.now_s - self.opened_at_s >= OPEN_S
        if permit is not None:
            self.out.append((permit, self.breaker.state))

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 50), how=st.sampled_from(["ok", "failed", "abandoned"]))
    def end(self, which: int, how: str) -> None:
        permit, given_in = self.out.pop(which % len(self.out))
        before = self.breaker.state
        if how == "abandoned":
            self.breaker.abandon(permit)
            assert self.breaker.state == before
            return
        self.breaker.record(permit, ok=how == "ok", now_s=self.now_s)
        after = self.breaker.state
        if after == "open" and before != "open":
            self.opened_at_s = self.now_s
            assert how == "failed"
        if before == "half_open" and after == "closed":
            assert (given_in, how) == ("half_open", "ok")

    @invariant()
    def probes_are_limited(self) -> None:
        era = self.breaker._permit.era
        probing = [1 for permit, state in self.out if state == "half_open" and permit.era == era]
        assert len(probing) <= PROBES

    def teardown(self) -> None:
        # whatever happened, a provider that is well is found to be well
        for permit, _ in self.out:
            self.breaker.abandon(permit)
        for _ in range(10 * CALLS):
            self.now_s += 2 * OPEN_S
            permit = self.breaker.admit(self.now_s)
            assert permit is not None
            self.breaker.record(permit, ok=True, now_s=self.now_s)
        assert self.breaker.state == "closed"


class BudgetMachine(RuleBasedStateMachine):
    """Retries never cost more than capacity and refunds together; tokens stay in bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = RetryBudget(BudgetSettings(capacity=20, cost=5, refund=1))
        self.model = 20.0

    @rule()
    def retry(self) -> None:
        expected = self.model >= 5
        assert expected == self.budget.take()
        self.model -= 5 if expected else 0

    @rule(retried=st.booleans())
    def succeed(self, retried: bool) -> None:
        self.budget.succeeded(retried=retried)
        self.model = min(20.0, self.model + (5 if retried else 1))

    @invariant()
    def agrees(self) -> None:
        assert self.model == self.budget.left
        assert 0 <= self.budget.left <= 20


class PaceMachine(RuleBasedStateMachine):
    """In any window of w seconds at most burst + per_s * w start, for threads."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.starts: list[float] = []
        machine = self

        class Time:
            def monotonic(self) -> float:
                return machine.now_s

            def sleep(self, delay_s: float) -> None:
                machine.now_s += delay_s

        clock: Any = Time()
        self.pace = BlockingPace(2.0, 3, clock)

    @rule(step_s=st.floats(0.0, 2.0))
    def wait(self, step_s: float) -> None:
        self.now_s += step_s

    @rule(wait_s=st.floats(0.0, 1.0))
    def take(self, wait_s: float) -> None:
        before = self.now_s
        if self.pace.take(wait_s):
            self.starts.append(self.now_s)
            assert self.now_s - before <= wait_s + 1e-9
        else:
            assert self.now_s == before

    @invariant()
    def keeps_the_rate(self) -> None:
        for first, begin in enumerate(self.starts):
            for count, end in enumerate(self.starts[first:], 1):
                assert count <= 3 + 2.0 * (end - begin) + 1e-6


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        loop: Any = self
        while loop._scheduled and loop._scheduled[0]._cancelled:
            heapq.heappop(loop._scheduled)._scheduled = False
        if not loop._ready and loop._scheduled:
            self.now_s = max(self.now_s, loop._scheduled[0]._when)
        super()._run_once()  # type: ignore[misc]


def in_virtual_time(main: Callable[[VirtualLoop], Any]) -> Any:
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()


class LoopTime:
    """The clock of a virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return self._loop.time()

    def limit(self, budget_s: float) -> Any:
        return asyncio.timeout(budget_s)


def test_the_async_limiter_keeps_its_rate() -> None:
    """aiolimiter lets the burst start at once and then keeps the rate, first come first served."""

    async def main(loop: VirtualLoop) -> list[float]:
        clock: Any = LoopTime(loop)
        pace = AsyncPace(2.0, 3, clock)
        starts: list[float] = []

        async def one() -> None:
            assert await pace.take(60.0)
            starts.append(loop.time())

        await asyncio.gather(*(one() for _ in range(9)))
        return starts

    starts = in_virtual_time(main)
    assert [round(s, 6) for s in starts] == [0, 0, 0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]


def test_the_async_limiter_gives_up_in_time() -> None:
    """Who cannot start within its budget is told so when the budget ends, and takes no turn."""

    async def main(loop: VirtualLoop) -> tuple[list[bool], float]:
        clock: Any = LoopTime(loop)
        pace = AsyncPace(1.0, 1, clock)
        told = [await pace.take(9.0), await pace.take(0.25), await pace.take(9.0)]
        return told, loop.time()

    told, now_s = in_virtual_time(main)
    assert (told, round(now_s, 6)) == ([True, False, True], 1.0)


TestBreaker = BreakerMachine.TestCase
TestBudget = BudgetMachine.TestCase
TestPace = PaceMachine.TestCase
for case in (TestBreaker, TestBudget, TestPace):
    case.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
