"""A fallback chain, declared beforehand: its answers say where they come from."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from galeproof.client.clock import Clock, SystemClock
from galeproof.client.errors import (
    ClientError,
    CredentialUnavailable,
    DeadlineExceeded,
    InvalidArgument,
    NotSent,
    RateLimited,
    TransportError,
    Unavailable,
)

__all__ = ["FallbackChain", "Marked", "Source"]

T = TypeVar("T")
_LOG = logging.getLogger("galeproof.client")
_FALL_ON: tuple[type[ClientError], ...] = (
    TransportError, Unavailable, RateLimited, NotSent, DeadlineExceeded, CredentialUnavailable,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source(Generic[T]):
    """One link of a chain.

    Args:
        name: how its answers are marked.
        read: reads the value within the seconds that it is given.
        share: the part of the remaining budget that it may use, above 0 to 1.
    """

    name: str
    read: Callable[[float], Awaitable[T]]
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Marked(Generic[T]):
    """A value and where it comes from.

    Args:
        value: the value.
        source: the name of the link that gave it.
        fallback: True when it is not the first link's.
        failures: name of each link that failed before, and its error.
    """

    value: T
    source: str
    fallback: bool
    failures: tuple[tuple[str, ClientError], ...] = ()


class FallbackChain(Generic[T]):
    """Asks its sources in the order in which they are declared, each only after the one before.

    It is for reads. An error that leaves an effect unknown is raised at once, as is a definitive
    one (not found, rejected, bad argument): another source would not know better.

    Args:
        sources: the primary first; at least one, with names of their own.
        deadline_s: the budget of the whole chain, in seconds.
        fall_on: the errors after which the next source is asked.
        clock: time; the machine's by default.
        on_fallback: called with the source's name when a fallback answered.

    Raises:
        InvalidArgument: there is no source, a name twice, or a share or deadline out of range.
    """

    def __init__(
        self,
        sources: Sequence[Source[T]],
        *,
        deadline_s: float,
        fall_on: tuple[type[ClientError], ...] = _FALL_ON,
        clock: Clock | None = None,
        on_fallback: Callable[[str], None] | None = None,
    ) -> None:
        names = [source.name for source in sources]
        if not names or len(set(names)) != len(names):
            raise InvalidArgument("sources: must be one or more, with names of their own")
        if any(not 0 < source.share <= 1 for source in sources):
            raise InvalidArgument("share: must be above 0 and at most 1")
        if not isinstance(deadline_s, (int, float)) or not 0 < deadline_s < float("inf"):
            raise InvalidArgument("deadline_s: must be a finite number above 0")
        self._sources = tuple(sources)
        self._deadline_s = deadline_s
        self._fall_on = fall_on
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._on_fallback = on_fallback

    async def read(self) -> Marked[T]:
        """Return the first value that a source gives, marked with its name.

        Raises:
            ClientError: a definitive error, or the last source's when all failed.
        """
        until_s = self._clock.monotonic() + self._deadline_s
        failures: list[tuple[str, ClientError]] = []
        for source in self._sources:
            left_s = until_s - self._clock.monotonic()
            if left_s <= 0:
                break
            failure = None
            try:
                value = await source.read(left_s * source.share)
            except self._fall_on as error:
                if error.effect_unknown:
                    raise
                failure = error
            if failure is None:
                return self._marked(source.name, value, failures)
            failures.append((source.name, failure))
        if not failures:
            raise DeadlineExceeded("the deadline passed before a source was asked")
        raise failures[-1][1]

    def _marked(self, name: str, value: T, failures: list[tuple[str, ClientError]]) -> Marked[T]:
        if failures:
            shown = ",".join(f"{failed}:{type(error).__name__}" for failed, error in failures)
            _LOG.warning("fallback source=%s after=%s", name, shown)
            if self._on_fallback is not None:
                self._on_fallback(name)
        return Marked(value, name, bool(failures), tuple(failures))
