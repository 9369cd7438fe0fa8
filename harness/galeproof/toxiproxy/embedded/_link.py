"""One direction of one connection: from a source through the chain to a destination."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from galeproof.faults.toxics import Chunk
from galeproof.toxiproxy.embedded._stage import Stage, Toxic

__all__ = ["Link"]

_READ_MAX = 32 * 1024


class _Peer(Protocol):
    """An end of the connection, as a link sees it."""

    @property
    def congested(self) -> bool: ...
    def write(self, data: bytes) -> None: ...
    def close_after_flush(self) -> None: ...
    def hold(self, held: bool) -> None: ...


class Link:
    """Carries bytes one way. With no toxic it writes straight to the destination.

    Also the last member of its own chain: it takes what the last stage hands on.
    """

    def __init__(
        self, source: _Peer, sink: _Peer, loop: asyncio.AbstractEventLoop, rng: Random
    ) -> None:
        self.stages: list[Stage] = []
        self.other: Link
        self._source = source
        self._sink = sink
        self._loop = loop
        self._rng = rng
        self._ended = False
        self._finished = False

    @property
    def full(self) -> bool:
        """True while the destination takes no more."""
        return self._sink.congested and not self._finished

    def start(self, toxics: Sequence[Toxic]) -> None:
        """Build the chain of a new connection."""
        self.stages = [Stage(toxic, self._loop, self._rng) for toxic in toxics]
        self._chain()
        for stage in self.stages:
            stage.start()

    def feed(self, data: bytes) -> None:
        """Take bytes from the source."""
        if self._finished or self._ended:
            return
        if not self.stages:
            self._sink.write(data)
            return
        now_ns = int(self._loop.time() * 1e9)
        for start in range(0, len(data), _READ_MAX):
            # A removal inside put() may empty the chain, never within this loop.
            self.stages[0].put(Chunk(data[start : start + _READ_MAX], now_ns))
        self.pump()

    def source_ended(self) -> None:
        """Take the end of the source's stream: by EOF, error or our own close."""
        if self._ended:
            return
        self._ended = True
        if self.stages:
            self.stages[0].end()
        else:
            self.end()

    def put(self, chunk: Chunk) -> None:
        """Write what came out of the chain."""
        if not self._finished:
            self._sink.write(chunk.data)

    def end(self) -> None:
        """Close the destination; what it would still send is not read any more."""
        if not self._finished:
            self._finished = True
            self._sink.close_after_flush()
            self.other.source_ended()

    def cancel(self) -> None:
        """Stop: the destination is gone."""
        self._finished = True
        for stage in self.stages:
            stage.cancel()

    def room(self) -> None:
        """Go on after the destination has room again."""
        (self.stages[-1] if self.stages else self).pump()

    def pump(self) -> None:
        """Read from the source only while the first member of the chain has room."""
        first: Stage | Link = self.stages[0] if self.stages else self
        self._source.hold(first.full)

    def add(self, toxic: Toxic) -> None:
        """Append a toxic to a live chain."""
        stage = Stage(toxic, self._loop, self._rng)
        self.stages.append(stage)
        self._chain()
        if self._ended and len(self.stages) == 1:
            return
        stage.start()
        self._restart_at(len(self.stages) - 2)

    def update(self, toxic: Toxic) -> None:
        """Start the stage of a changed toxic afresh."""
        self._each(toxic, lambda index, stage: stage.restart())

    def remove(self, toxic: Toxic) -> None:
        """Take a toxic out of a live chain; a reset under way stays until done."""

        def take_out(index: int, stage: Stage) -> None:
            if stage.busy_to_the_end:
                return
            stage.remove()
            del self.stages[index]
            self._chain()
            self._restart_at(index - 1)
            self.pump()

        self._each(toxic, take_out)

    def _each(self, toxic: Toxic, act: Callable[[int, Stage], None]) -> None:
        for index, stage in reversed(list(enumerate(self.stages))):
            if stage.toxic is toxic:
                act(index, stage)

    def _restart_at(self, index: int) -> None:
        # Toxiproxy starts a stage afresh, dice included, when its successor changes.
        if index >= 0:
            self.stages[index].restart()

    def _chain(self) -> None:
        before: Stage | Link = self
        for stage in self.stages:
            stage.before = before
            stage.next = self
            if isinstance(before, Stage):
                before.next = stage
            before = stage
