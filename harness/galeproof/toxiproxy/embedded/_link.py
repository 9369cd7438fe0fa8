"""One direction of one connection: from a source through the chain to a destination."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from galeproof.faults.toxics import Chunk, End
from galeproof.toxiproxy.embedded._endpoint import Endpoint
from galeproof.toxiproxy.embedded._stage import Stage
from galeproof.toxiproxy.embedded._toxic import Toxic
from galeproof.toxiproxy.embedded._traffic import Flow

__all__ = ["Link"]


class Link:
    """Carries bytes one way. With no toxic the source writes straight to the destination.

    Also the last member of its own chain: it takes what the last stage hands on.

    Args:
        source: Where bytes come from.
        sink: Where they go.
        loop: Its clock and timers.
        seed: Names this link's sources of chance.
    """

    def __init__(
        self, source: Endpoint, sink: Endpoint, loop: asyncio.AbstractEventLoop, seed: str
    ) -> None:
        self.stages: list[Stage] = []
        self.toxic = False
        self.flow = Flow()
        self.broken = False
        self.other: Link
        self._source = source
        self._sink = sink
        self._loop = loop
        self._seed = seed
        self._ended = False
        self._finished = False

    @property
    def full(self) -> bool:
        """True while the destination takes no more."""
        return self._sink.congested and not self._finished

    def start(self, toxics: Sequence[Toxic]) -> None:
        """Build the chain of a new connection."""
        self.stages = [self._stage(toxic) for toxic in toxics]
        self._chain()
        for stage in self.stages:
            stage.start()

    def passed(self, count: int) -> None:
        """Count what the source wrote straight to the destination."""
        self.flow.received += count
        self.flow.sent += count
        if self._sink.congested:
            self._source.hold(True)

    def feed(self, data: bytes) -> None:
        """Take one read of the source into the chain."""
        self.flow.received += len(data)
        if self._finished or self._ended:
            return
        self.stages[0].put(Chunk(data, int(self._loop.time() * 1e9)))
        self.pump()

    def source_ended(self, how: End) -> None:
        """Take the end of the source's stream: by EOF, reset or our own close."""
        if not self._ended:
            self._ended = True
            first: Stage | Link = self.stages[0] if self.stages else self
            first.end(how)
        if self._source.read_ended and self._sink.read_ended:
            for link in (self, self.other):
                for stage in list(link.stages):
                    stage.let_go()

    def put(self, chunk: Chunk) -> None:
        """Write what came out of the chain."""
        if not self._finished:
            self.flow.sent += len(chunk.data)
            self._sink.write(chunk.data)

    def end(self, how: End) -> None:
        """End the destination; but for a half-close, what it would still send is not read."""
        if self._finished:
            return
        self._finished = True
        if how is End.HALF and not self.other._finished:
            self._sink.end_writing()
            return
        if how is End.RESET:
            for side in (self._sink, self._source):
                side.reset_on_close()
            self._source.close_after_flush()
        self._sink.close_after_flush()
        if self.other._finished:
            self._source.close_after_flush()  # it was only half-closed
        self.other.source_ended(End.CLOSE)

    def sink_lost(self) -> None:
        """Stop: the destination is gone."""
        self.broken = self.broken or not self._finished
        self._finished = True
        for stage in self.stages:
            stage.cancel()
        self._source.hold(False)  # so that its end is seen

    def sink_has_room(self) -> None:
        """Go on after the destination has room again."""
        (self.stages[-1] if self.stages else self).pump()

    def pump(self) -> None:
        """Read from the source only while the first member of the chain has room."""
        first: Stage | Link = self.stages[0] if self.stages else self
        self._source.hold(first.full)

    def add(self, toxic: Toxic) -> None:
        """Append a toxic to a live chain."""
        stage = self._stage(toxic)
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

    def _stage(self, toxic: Toxic) -> Stage:
        return Stage(toxic, self._loop, f"{self._seed}/{toxic.name}")

    def _chain(self) -> None:
        before: Stage | Link = self
        for stage in self.stages:
            stage.before = before
            stage.next = self
            if isinstance(before, Stage):
                before.next = stage
            before = stage
        self.toxic = bool(self.stages)
