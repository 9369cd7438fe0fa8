"""The fallback chain: declared order, marked answers, nothing hidden."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from galeproof.client import (
    BreakerOpen,
    ClientError,
    DeadlineExceeded,
    ErrorFacts,
    FallbackChain,
    InvalidArgument,
    NotFound,
    Source,
    TimedOut,
    Unavailable,
)

Reader = Callable[[float], Awaitable[str]]


def reads(asked: list[str], name: str, outcome: str | ClientError) -> Source[str]:
    async def read(left_s: float) -> str:
        asked.append(name)
        if isinstance(outcome, ClientError):
            raise outcome
        return outcome

    return Source(name, read)


def run(*outcomes: str | ClientError, **options: Any) -> tuple[Any, list[str]]:
    asked: list[str] = []
    names = ("primary", "replica", "cache")
    sources = [reads(asked, name, outcome) for name, outcome in zip(names, outcomes, strict=False)]

    async def main() -> Any:
        chain = FallbackChain(sources, deadline_s=5.0, **options)
        try:
            return await chain.read()
        except ClientError as error:
            return error

    return asyncio.run(main()), asked


def test_a_healthy_primary_is_the_only_one_asked() -> None:
    """In health nothing else is touched, and the answer is no fallback."""
    marked, asked = run("value", "other")
    assert (marked.value, marked.source, marked.fallback, asked) == ("value", "primary", False, ["primary"])


def test_a_fallback_is_marked_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The answer names its source and every failure before it; the log and a callback say so too."""
    told: list[str] = []
    down, broken = Unavailable("503"), BreakerOpen("open")
    marked, asked = run(down, broken, "stale", on_fallback=told.append)
    assert (marked.value, marked.source, marked.fallback) == ("stale", "cache", True)
    assert marked.failures == (("primary", down), ("replica", broken))
    assert (asked, told) == (["primary", "replica", "cache"], ["cache"])
    assert "fallback source=cache after=primary:Unavailable,replica:BreakerOpen" in caplog.text


def test_a_definitive_error_is_not_fallen_back_from() -> None:
    """What is not there is not looked for elsewhere."""
    error, asked = run(NotFound("404"), "stale")
    assert (type(error), asked) == (NotFound, ["primary"])


def test_an_unknown_effect_is_not_hidden() -> None:
    """An operation that may have been applied is never answered by another source."""
    error, asked = run(TimedOut("late", ErrorFacts(effect_unknown=True)), "stale")
    assert (type(error), asked) == (TimedOut, ["primary"])


def test_the_last_error_is_raised_when_all_fail() -> None:
    """When no source answers, the error is the last one's."""
    error, asked = run(Unavailable("a"), DeadlineExceeded("b"))
    assert (type(error), asked) == (DeadlineExceeded, ["primary", "replica"])


def test_each_source_gets_its_share_of_what_remains(bench: Any) -> None:
    """A slow primary leaves time for the next one; after the deadline nobody is asked."""
    given: list[float] = []

    def slow(name: str, share: float) -> Source[str]:
        async def read(left_s: float) -> str:
            given.append(left_s)
            bench.clock.now_s += left_s
            raise Unavailable(name)

        return Source(name, read, share)

    async def main() -> None:
        sources = [slow("a", 0.5), slow("b", 1.0), slow("c", 1.0)]
        with pytest.raises(Unavailable, match="b"):
            await FallbackChain(sources, deadline_s=4.0, clock=bench.clock).read()

    asyncio.run(main())
    assert given == [2.0, 2.0]


@pytest.mark.parametrize(
    ("sources", "deadline_s"),
    [([], 1.0), (["a", "a"], 1.0), (["a"], 0.0), (["a"], float("nan"))],
)
def test_a_bad_chain_is_refused(sources: list[str], deadline_s: float) -> None:
    """A chain without sources, with one name twice or without a deadline is not made."""
    with pytest.raises(InvalidArgument):
        FallbackChain([reads([], name, "v") for name in sources], deadline_s=deadline_s)
    with pytest.raises(InvalidArgument):
        FallbackChain([Source("a", reads([], "a", "v").read, share=0.0)], deadline_s=1.0)


def test_a_chain_without_time_asks_nobody() -> None:
    """The time may be over before the first source is asked; that is an error of our tree."""
    asked: list[str] = []

    async def main() -> None:
        chain = FallbackChain([reads(asked, "primary", "value")], deadline_s=1e-12)
        with pytest.raises(DeadlineExceeded):
            await chain.read()

    asyncio.run(main())
    assert asked == []
