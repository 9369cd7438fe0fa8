"""Breaker, budget, throttle, quota, rate, bulkhead and the shared policy in whole clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import httpx
import pytest

from galeproof.client import (
    BreakerOpen,
    BudgetSettings,
    BulkheadFull,
    ClientError,
    ClientSettings,
    Payment,
    PaymentsClient,
    SharedPolicy,
    Throttled,
    ThrottleSettings,
    Unavailable,
)
from galeproof.client.rate_limit import exhausted_s
from galeproof.client.throttle import Throttle

Good = Callable[[], httpx.Response]
SMALL = {"calls": 4, "ratio": 0.5, "open_s": 5.0, "probes": 1}


async def get(client: PaymentsClient) -> Any:
    try:
        return await client.get_payment("p1")
    except ClientError as error:
        return error


def times(count: int) -> Callable[[PaymentsClient], Any]:
    async def call(client: PaymentsClient) -> list[Any]:
        return [await get(client) for _ in range(count)]

    return call


def test_the_breaker_stops_sending_and_fails_fast(bench: Any) -> None:
    """After enough failures nothing is sent; the error says when it is worth asking again."""
    bench.settings = {"breaker": SMALL, "max_attempts": 1}
    results = bench.run(times(6), httpx.Response(500))
    assert [type(r) for r in results] == [Unavailable] * 4 + [BreakerOpen] * 2
    last = results[-1]
    assert (last.attempts, last.code, last.effect_unknown, last.status) == (0, "breaker_open", False, None)
    assert 5.0 <= last.retry_after_s <= 5.5
    assert len(bench.requests) == 4


def test_the_breaker_probes_and_closes(bench: Any, payment: Good) -> None:
    """After the open period one probe goes out; its success closes the breaker."""
    bench.settings = {"breaker": SMALL, "max_attempts": 1}

    async def call(client: PaymentsClient) -> list[Any]:
        await times(5)(client)
        bench.clock.now_s += 6
        return await times(3)(client)

    async def heal(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500) if len(bench.requests) <= 4 else payment()

    assert [type(r) for r in bench.run(call, heal)] == [Payment] * 3


def test_after_the_probes_nothing_of_the_storm_is_held_against_the_provider(
    bench: Any, payment: Good
) -> None:
    """Breaker and throttle recover together: no operation is held back once the breaker closes."""
    bench.settings = {"breaker": {**SMALL, "calls": 20}, "throttle": {"calls": 20}, "max_attempts": 1}

    async def call(client: PaymentsClient) -> list[Any]:
        await times(60)(client)
        bench.clock.now_s += 6
        bench.steps = [payment()]
        return await times(30)(client)

    results = bench.run(call, httpx.Response(503))
    assert {type(r) for r in results} == {Payment}


def test_a_cancelled_probe_gives_its_place_back(bench: Any, payment: Good) -> None:
    """A caller that gives up on a probe does not keep the breaker open for ever."""
    bench.settings = {"breaker": SMALL, "max_attempts": 1}

    async def call(client: PaymentsClient) -> Any:
        await times(4)(client)
        bench.clock.now_s += 6
        task = asyncio.create_task(client.get_payment("p1"))
        while len(bench.requests) < 5:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return await get(client)

    async def hang_once(request: httpx.Request) -> httpx.Response:
        if len(bench.requests) == 5:
            await asyncio.Event().wait()
        return httpx.Response(500) if len(bench.requests) <= 4 else payment()

    assert type(bench.run(call, hang_once)) is Payment


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429, 501])
def test_what_is_no_breakdown_does_not_trip(bench: Any, status: int) -> None:
    """Client errors, and 429, leave the breaker closed."""
    bench.settings = {"breaker": SMALL, "max_attempts": 1}
    bench.run(times(8), httpx.Response(status))
    assert len(bench.requests) == 8


def test_operations_cut_off_by_their_deadline_trip_the_breaker(bench: Any) -> None:
    """A provider that hangs is broken, even when the deadline comes before the timeout."""
    bench.settings = {"breaker": SMALL, "max_attempts": 1}

    async def hang(request: httpx.Request) -> httpx.Response:
        await bench.clock.spend(99.0)
        raise AssertionError

    results = bench.run(times(5), hang)
    assert [type(r).__name__ for r in results] == ["DeadlineExceeded"] * 4 + ["BreakerOpen"]


def test_the_retry_budget_ends_the_retries_of_an_outage(bench: Any) -> None:
    """In a total outage retries stop when the tokens are spent; first attempts go on."""
    bench.settings = {"retry_budget": {"capacity": 20, "cost": 5}, "features": {"breaker": False}}
    results = bench.run(times(10), httpx.Response(503))
    assert [r.attempts for r in results] == [3, 3] + [1] * 8


def test_successes_refill_the_budget(bench: Any, payment: Good) -> None:
    """A retry that succeeds gives its tokens back."""
    bench.settings = {"retry_budget": {"capacity": 5, "cost": 5}}

    async def flaky(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503) if len(bench.requests) % 2 else payment()

    assert [type(r) for r in bench.run(times(10), flaky)] == [Payment] * 10


def test_a_retry_that_we_hold_back_leaves_the_providers_error(bench: Any) -> None:
    """When the breaker opens between two attempts, the error is still the provider's."""
    bench.settings = {"breaker": {**SMALL, "calls": 2}}
    result = bench.run(get, httpx.Response(500))
    assert (type(result), result.status, result.attempts) == (Unavailable, 500, 2)


def test_the_throttle_sheds_and_lets_some_pass() -> None:
    """While nearly all are refused most are held back, some pass, and health brings all back."""
    throttle = Throttle(ThrottleSettings(calls=20, window_s=30), Random(3))
    now_s, sent = 0.0, 0
    for _ in range(400):
        now_s += 0.01
        if throttle.admit(now_s):
            sent += 1
            throttle.refused(now_s)
    assert 20 <= sent < 100
    now_s += 31
    assert all(throttle.admit(now_s + i) for i in range(50))


def test_a_throttled_operation_says_so(bench: Any) -> None:
    """Under elevated 429 the client holds back by itself, and the error is its own."""
    bench.settings = {"throttle": {"calls": 10}, "max_attempts": 1}
    results = bench.run(times(100), httpx.Response(429))
    held = [r for r in results if type(r) is Throttled]
    assert len(bench.requests) + len(held) == 100
    assert len(held) > 50
    assert {(r.code, r.attempts) for r in held} == {("throttled", 0)}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ratelimit": '"default";r=0;t=2'}, 2.0),
        ({"ratelimit": '"a";r=5;t=9, "b";r=0;t=3'}, 3.0),
        ({"ratelimit": '"default";r=1;t=2'}, None),
        ({"ratelimit": '"default";r=0'}, None),
        ({"ratelimit": "nonsense=;;"}, None),
        ({"ratelimit": '"default";r=-1;t=2'}, None),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "4"}, 4.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000010"}, 10.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, None),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "1"}, None),
        ({}, None),
    ],
)
def test_rate_limit_fields_are_read(headers: dict[str, str], expected: float | None) -> None:
    """An empty quota gives its wait, in the draft's form and the older ones; garbage gives none."""
    assert exhausted_s(headers, wall_s=1_700_000_000.0) == expected


def test_an_empty_quota_is_waited_out(bench: Any, payment: Good) -> None:
    """After r=0 the next operation starts t seconds later, plus a spread."""
    answer = payment()
    answer.headers["RateLimit"] = '"default";r=0;t=2'
    bench.run(times(2), answer, payment())
    assert [2.0 <= s <= 2.2 for s in bench.clock.sleeps] == [True]


def test_a_quota_beyond_the_budget_fails_at_once(bench: Any, payment: Good) -> None:
    """A wait that does not fit is refused with the time to come back."""
    answer = payment()
    answer.headers["RateLimit"] = '"default";r=0;t=30'
    _, second = bench.run(times(2), answer, payment())
    assert (type(second), second.code, second.retry_after_s) == (Throttled, "provider_busy", 30.0)


def test_the_own_rate_refuses_what_would_wait_too_long(payment: Good) -> None:
    """An operation that does not get its turn in time is not sent, and says why."""
    asked = 0

    async def provider(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return payment()

    async def main() -> list[Any]:
        settings = ClientSettings(
            base_url="https://pay.example", api_key="k",
            rate={"per_s": 0.001, "burst": 2, "wait_s": 0.01},
        )  # fmt: skip
        async with PaymentsClient(settings, transport=httpx.MockTransport(provider)) as client:
            return [await get(client) for _ in range(3)]

    results = asyncio.run(main())
    assert [type(r) for r in results] == [Payment, Payment, Throttled]
    assert (results[2].code, results[2].attempts, asked) == ("rate_limited_here", 0, 2)


def test_a_hung_route_does_not_starve_another(payment: Good) -> None:
    """With a route's places taken, more of that route are refused and another route is served."""
    most = 0

    async def provider(request: httpx.Request) -> httpx.Response:
        nonlocal most
        if request.method == "POST":
            most += 1
            await asyncio.Event().wait()
        return payment()

    async def main() -> tuple[list[Any], Any]:
        settings = ClientSettings(
            base_url="https://pay.example", api_key="k", deadline_s=0.5,
            bulkhead={"limit": 4, "per_route": 2, "wait_s": 0.05},
        )  # fmt: skip
        async with PaymentsClient(settings, transport=httpx.MockTransport(provider)) as client:
            posts = [asyncio.create_task(client.create_payment(1, "EUR", "r")) for _ in range(6)]
            await asyncio.sleep(0.01)
            read = await client.get_payment("p1")
            return await asyncio.gather(*posts, return_exceptions=True), read

    posts, read = asyncio.run(main())
    assert (most, type(read)) == (2, Payment)
    assert sorted(type(p).__name__ for p in posts) == ["BulkheadFull"] * 4 + ["DeadlineExceeded"] * 2
    assert {p.attempts for p in posts if type(p) is BulkheadFull} == {0}


def test_several_clients_share_one_budget(bench: Any) -> None:
    """What one vendor's outage has spent, another vendor's client cannot spend."""
    policy = SharedPolicy(BudgetSettings(capacity=10, cost=5), rng=Random(1))
    bench.options = {"policy": policy}
    bench.steps = [httpx.Response(503)]

    async def main() -> list[int]:
        one = bench.build()
        other = bench.build(base_url="https://other.example")
        return [(await get(client)).attempts for client in (one, other)]

    assert asyncio.run(main()) == [3, 1]


def test_clients_of_one_dependency_wait_together(bench: Any, payment: Good) -> None:
    """One client's Retry-After holds back the others of its dependency, and nobody else."""
    bench.options = {"policy": SharedPolicy(rng=Random(1))}
    busy = httpx.Response(429, headers={"Retry-After": "3"})
    bench.steps = [busy, payment()]

    async def main() -> list[float]:
        one = bench.build(max_attempts=1)
        same, other = bench.build(), bench.build(base_url="https://other.example")
        await get(one)
        await get(other)
        alone = list(bench.clock.sleeps)
        await get(same)
        return [len(alone), *bench.clock.sleeps]

    none, waited = asyncio.run(main())
    assert none == 0
    assert 3.0 <= waited <= 3.2


def test_a_client_of_its_own_keeps_its_operations_apart(bench: Any, payment: Good) -> None:
    """Without a shared policy an operation keeps to its own Retry-After only."""
    busy = httpx.Response(429, headers={"Retry-After": "3"})
    bench.settings = {"max_attempts": 1}
    bench.run(times(2), busy, payment())
    assert bench.clock.sleeps == []


def test_in_progress_is_waited_for_only_after_a_lost_answer(bench: Any, payment: Good) -> None:
    """409 means "still at work" for a key whose first answer was lost; else it is definitive."""

    async def create(client: PaymentsClient) -> Payment:
        return await client.create_payment(1, "EUR", "r")

    lost = bench.run(create, httpx.ReadTimeout("x"), httpx.Response(409), payment())
    assert (type(lost), len(bench.requests)) == (Payment, 3)


def test_an_open_breaker_of_one_dependency_blocks_no_other(bench: Any, payment: Good) -> None:
    """Under one policy each dependency has a breaker of its own."""
    bench.options = {"policy": SharedPolicy(rng=Random(1))}
    bench.settings = {"breaker": SMALL, "max_attempts": 1}

    async def provider(request: httpx.Request) -> httpx.Response:
        return payment() if request.url.host == "well.example" else httpx.Response(500)

    bench.steps = [provider]

    async def main() -> list[Any]:
        ill = bench.build(base_url="https://ill.example")
        well = bench.build(base_url="https://well.example")
        again = bench.build(base_url="https://ill.example")
        return [*await times(5)(ill), await get(again), await get(well)]

    results = asyncio.run(main())
    assert [type(r) for r in results[-3:]] == [BreakerOpen, BreakerOpen, Payment]
