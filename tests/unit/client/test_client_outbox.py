"""The outbox: stored before it is sent, sent until it is done or dead, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from galeproof.client import (
    AuthenticationFailed,
    Entry,
    ErrorFacts,
    InvalidArgument,
    Outbox,
    Rejected,
    Unavailable,
)
from galeproof.client.outbox_store import OutboxStore


class Calls:
    """A handler that plays its outcomes; the last one is repeated."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.made: list[tuple[Mapping[str, Any], str]] = []

    async def __call__(self, payload: Mapping[str, Any], key: str) -> None:
        self.made.append((payload, key))
        outcome = self.outcomes[min(len(self.made), len(self.outcomes)) - 1]
        if outcome is not None:
            raise outcome


def outbox(path: Path, calls: Any, bench: Any, **options: Any) -> Outbox:
    return Outbox(path / "box.db", {"pay": calls}, clock=bench.clock, rng=Random(1), **options)


def test_a_call_is_made_later_and_once(tmp_path: Path, bench: Any) -> None:
    """What was put is done after draining, with its payload and one key; nothing waits."""
    calls = Calls(None)

    async def main() -> list[Any]:
        async with outbox(tmp_path, calls, bench) as box:
            await box.put("pay", {"amount": 5}, key="k1")
            assert calls.made == []
            await box.drain()
            await box.drain()
            return [await box.waiting(), await box.dead_letter()]

    assert asyncio.run(main()) == [[], []]
    assert calls.made == [({"amount": 5}, "k1")]


def test_a_failed_call_is_tried_again_under_the_same_key(tmp_path: Path, bench: Any) -> None:
    """Waits grow with jitter and heed the provider's; the key stays."""
    busy = Unavailable("503", ErrorFacts(status=503, retry_after_s=7.0))
    calls = Calls(busy, busy, None)

    async def main() -> None:
        async with outbox(tmp_path, calls, bench) as box:
            await box.put("pay", {})
            await box.drain()

    asyncio.run(main())
    assert len({key for _, key in calls.made}) == 1
    assert [7.0 <= s <= 7.0 + ceiling for s, ceiling in zip(bench.clock.sleeps, (1, 2), strict=True)] == [
        True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "tries", "text"),
    [
        (Rejected("422: no such currency"), 1, "Rejected: 422: no such currency"),
        (Unavailable("503"), 3, "Unavailable: 503"),
        (AuthenticationFailed("401"), 3, "AuthenticationFailed: 401"),
        (Rejected("409", ErrorFacts(effect_unknown=True)), 3, "Rejected: 409"),
        (RuntimeError("sk-canary"), 3, "RuntimeError"),
    ],
)
def test_what_fails_for_good_is_in_the_dead_letter(
    tmp_path: Path, bench: Any, outcome: Exception, tries: int, text: str
) -> None:
    """Definitive errors end at once, others after the last try; the error stands beside it."""
    calls = Calls(outcome)

    async def main() -> list[Entry]:
        async with outbox(tmp_path, calls, bench, tries=3) as box:
            await box.put("pay", {"n": 1})
            await box.drain()
            return await box.dead_letter()

    (dead,) = asyncio.run(main())
    unknown = isinstance(outcome, RuntimeError) or "409" in str(outcome)
    assert (dead.tries, dead.last_error, dead.effect_unknown) == (tries, text, unknown)
    assert (dead.payload, dead.state, len(calls.made)) == ({"n": 1}, "dead", tries)


def test_a_dead_entry_can_be_revived_under_its_key(tmp_path: Path, bench: Any) -> None:
    """After the cause is mended the same call is made again, with the same key."""
    calls = Calls(Rejected("422"), None)

    async def main() -> list[Any]:
        async with outbox(tmp_path, calls, bench) as box:
            number = await box.put("pay", {})
            await box.drain()
            revived = [await box.revive(number), await box.revive(number)]
            await box.drain()
            return [*revived, await box.dead_letter(), await box.forget_done()]

    assert asyncio.run(main()) == [True, False, [], 1]
    assert len({key for _, key in calls.made}) == 1


def test_the_same_key_is_stored_once(tmp_path: Path, bench: Any) -> None:
    """A caller that puts a call twice makes one; another call under that key is refused."""
    calls = Calls(None)

    async def main() -> None:
        async with outbox(tmp_path, calls, bench) as box:
            assert await box.put("pay", {"a": 1}, key="k") == await box.put("pay", {"a": 1}, key="k")
            with pytest.raises(InvalidArgument, match="^key:"):
                await box.put("pay", {"a": 2}, key="k")
            with pytest.raises(InvalidArgument, match="^kind:"):
                await box.put("fly", {})
            with pytest.raises(InvalidArgument, match="^payload:"):
                await box.put("pay", {"a": float("nan")})
            await box.drain()

    asyncio.run(main())
    assert len(calls.made) == 1


def test_an_entry_whose_handler_is_gone_is_not_lost(tmp_path: Path, bench: Any) -> None:
    """After a change of the program, an entry of an old kind ends in the dead letter."""

    async def main() -> list[Entry]:
        async with outbox(tmp_path, Calls(None), bench) as box:
            await box.put("pay", {})
        async with Outbox(tmp_path / "box.db", {}, clock=bench.clock) as box:
            await box.drain()
            return await box.dead_letter()

    (dead,) = asyncio.run(main())
    assert dead.last_error == "InvalidArgument: kind: there is no handler for 'pay'"


def test_two_workers_never_hold_the_same_entry(tmp_path: Path) -> None:
    """A lease keeps an entry from the other worker until it is over; a late report is ignored."""
    first, second = (OutboxStore(tmp_path / "box.db") for _ in range(2))
    first.put("pay", {}, "k", due_s=0.0)
    held = first.claim(now_s=1.0, lease_s=10.0)
    assert held is not None
    assert second.claim(now_s=10.9, lease_s=10.0) is None
    taken = second.claim(now_s=11.0, lease_s=10.0)
    assert taken is not None
    assert (taken.key, taken.tries) == (held.key, 2)
    first.bury(held, "late", effect_unknown=False)
    second.done(taken)
    assert (first.entries("dead"), len(first.entries("done"))) == ([], 1)
    for store in (first, second):
        store.close()


def test_an_entry_that_kills_the_process_ends_in_the_dead_letter(tmp_path: Path, bench: Any) -> None:
    """Tries are counted before they are made, so that a deadly entry is given up as well."""
    store = OutboxStore(tmp_path / "box.db")
    store.put("pay", {}, "k", due_s=0.0)
    for now_s in (1.0, 2.0):
        store.claim(now_s, lease_s=0.5)
    store.close()
    calls = Calls(None)

    async def main() -> list[Entry]:
        async with outbox(tmp_path, calls, bench, tries=2) as box:
            await box.drain()
            return await box.dead_letter()

    (dead,) = asyncio.run(main())
    assert (calls.made, dead.last_error, dead.effect_unknown) == ([], "every try was cut off", True)


@pytest.mark.parametrize("option", [
    {"tries": 0}, {"tries": float("nan")}, {"tries": "8"}, {"lease_s": 0}, {"base_s": -1}, {"base_s": "1"},
    {"base_s": 9, "cap_s": 1},
])  # fmt: skip
def test_bad_numbers_are_refused(tmp_path: Path, bench: Any, option: dict[str, Any]) -> None:
    """A number out of range is named."""
    with pytest.raises(InvalidArgument):
        outbox(tmp_path, Calls(None), bench, **option)


def test_what_waits_and_what_is_dead_is_observed(tmp_path: Path, bench: Any) -> None:
    """As the file says, also after another process changed it; nothing once it is closed."""
    reader = InMemoryMetricReader()

    def seen() -> dict[str, int]:
        data = reader.get_metrics_data()
        return {
            metric.name.rpartition(".")[2]: point.value
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }

    async def main() -> list[dict[str, int]]:
        calls = Calls(Rejected("422"), None)
        found = []
        async with outbox(tmp_path, calls, bench, meter_provider=MeterProvider([reader])) as box:
            await box.put("pay", {"amount": 1})
            found.append(seen())
            await box.drain()
            found.append(seen())
            await box.revive((await box.dead_letter())[0].id)
            found.append(seen())
        return [*found, seen()]

    assert asyncio.run(main()) == [
        {"waiting": 1, "dead": 0}, {"waiting": 0, "dead": 1}, {"waiting": 1, "dead": 0}, {}]


def test_a_conflict_with_a_try_that_was_cut_off_is_asked_again(tmp_path: Path, bench: Any) -> None:
    """The process was killed in mid-try: the provider answers 409 until that try is over."""
    store = OutboxStore(tmp_path / "box.db")
    store.put("pay", {}, "k", due_s=0.0)
    store.claim(1.0, lease_s=0.5)
    store.close()
    calls = Calls(Rejected("in progress", ErrorFacts(status=409)), None)

    async def main() -> list[Entry]:
        async with outbox(tmp_path, calls, bench) as box:
            await box.drain()
            return await box.dead_letter()

    assert asyncio.run(main()) == []
    assert [key for _, key in calls.made] == ["k", "k"]


def test_a_first_conflict_is_definitive(tmp_path: Path, bench: Any) -> None:
    """Nothing of ours can be in progress then."""
    calls = Calls(Rejected("taken", ErrorFacts(status=409)))

    async def main() -> list[Entry]:
        async with outbox(tmp_path, calls, bench) as box:
            await box.put("pay", {})
            await box.drain()
            return await box.dead_letter()

    (dead,) = asyncio.run(main())
    assert (dead.tries, dead.effect_unknown) == (1, False)


def test_no_retry_after_parks_an_entry_for_ever(tmp_path: Path, bench: Any) -> None:
    """A day is waited at most, whatever the provider asks for."""
    calls = Calls(Unavailable("503", ErrorFacts(status=503, retry_after_s=99_999_999_999.0)))

    async def main() -> float:
        async with outbox(tmp_path, calls, bench) as box:
            await box.put("pay", {})
            await box.run_due()
            (waiting,) = await box.waiting()
            return waiting.due_s - bench.clock.wall()

    assert 86_400 <= asyncio.run(main()) <= 86_401


@pytest.mark.parametrize("key", ["", "two words", 7])
def test_a_key_that_no_header_takes_is_not_stored(tmp_path: Path, bench: Any, key: Any) -> None:
    """It would only be found out in the dead letter."""

    async def main() -> None:
        async with outbox(tmp_path, Calls(None), bench) as box:
            with pytest.raises(InvalidArgument, match="^key: "):
                await box.put("pay", {}, key=key)

    asyncio.run(main())


@pytest.mark.parametrize("name", ["nowhere/box.db", ".", "text"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    """One error of our tree, when the outbox is made."""
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(InvalidArgument, match="^path: "):
        Outbox(tmp_path / name, {})
