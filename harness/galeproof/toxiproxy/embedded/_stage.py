"""One toxic on one link: interprets the plans that the pure toxic returns."""

from __future__ import annotations

import asyncio
from collections import deque
from random import Random
from typing import Protocol

from galeproof.faults.toxics import TOXICS, Chunk, End, Plan, State, Step
from galeproof.toxiproxy.embedded._toxic import Toxic

__all__ = ["Stage"]

_NOOP = TOXICS["noop"]
_UNUSED = Random(0)


class _Next(Protocol):
    """Whatever a stage hands its chunks to."""

    @property
    def full(self) -> bool: ...
    def put(self, chunk: Chunk) -> None: ...
    def end(self, how: End) -> None: ...


class _Before(Protocol):
    """Whatever feeds a stage, and is told when the stage has room again."""

    def pump(self) -> None: ...


class Stage:
    """The place of one toxic in one link's chain.

    Nothing here waits or blocks: `pump` does what is due and arms at most one timer.

    Args:
        toxic: What to interpret.
        loop: Its clock and timers.
        seed: Names this stage's own source of chance.
    """

    def __init__(self, toxic: Toxic, loop: asyncio.AbstractEventLoop, seed: str) -> None:
        self.toxic = toxic
        self.next: _Next
        self.before: _Before
        self._loop = loop
        self._seed = seed
        self._dice: Random | None = None
        self._state = State()
        self._queue: deque[Chunk] = deque()
        self._steps: deque[Step] = deque()
        self._idle = False
        self._ended: End | None = None
        self._end_planned = False
        self._closed = False
        self._pumping = False
        self._timer: asyncio.TimerHandle | None = None
        self._kind = _NOOP

    @property
    def full(self) -> bool:
        """True while no more chunks should be put."""
        return len(self._queue) >= self._kind.capacity and not self._closed

    def start(self) -> None:
        """Roll the toxicity and begin."""
        self._kind = self.toxic.kind if self._rolled() else _NOOP
        self._load(self._kind.on_start(self._state, self.toxic.attributes, self._now_ns()))
        self.pump()

    def put(self, chunk: Chunk) -> None:
        """Take a chunk in."""
        if not self._closed and self._ended is None:
            self._queue.append(chunk)
            self.pump()

    def end(self, how: End) -> None:
        """Take the end of the stream in."""
        if self._ended is None:
            self._ended = how
            self.pump()

    def restart(self) -> None:
        """Interrupt: what is in flight goes out at once, the rest under a new roll."""
        if self._closed or self.busy_to_the_end:
            return
        self._pumping = True  # what comes next must not overtake what is flushed
        if self._kind.holds:
            self._take_back()
        self._flush()
        self._pumping = self._end_planned = False
        if not self._closed:
            self.start()

    def remove(self) -> None:
        """Let go of everything held: data passes on, a closing toxic closes."""
        if self._closed:
            return
        self._pumping = True  # for good: this stage does nothing by itself any more
        self._flush()
        if self._closed:
            return
        queue, self._queue = self._queue, deque()
        for chunk in queue:
            self.next.put(chunk)
        if self._ended is not None:
            self._close(self._ended)
        elif self.toxic.kind.closes_when_removed:
            self._close(End.CLOSE)

    def let_go(self) -> None:
        """End now what is held back for ever: both peers have ended."""
        if self._kind.holds and self._ended is not None and not self._closed:
            self._close(self._ended)

    def cancel(self) -> None:
        """Forget everything; nothing is passed on any more."""
        self._closed = True
        self._queue.clear()
        self._load(Plan())

    @property
    def busy_to_the_end(self) -> bool:
        """True while a plan runs that no interruption may stop."""
        return self._kind.uninterruptible and bool(self._steps)

    def pump(self) -> None:
        """Do what is due."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while not self._closed and self._advance():
                pass
        finally:
            self._pumping = False
        if not self.full:
            self.before.pump()

    def _advance(self) -> bool:
        if not self._steps or (self._idle and (self._queue or self._ended is not None)):
            return self._take()
        step = self._steps[0]
        if step.at_ns is None:
            return False
        now_ns = self._now_ns()
        if step.at_ns > now_ns:
            if self._timer is None:
                self._timer = self._loop.call_at(step.at_ns / 1e9, self._fire)
            return False
        if step.data and self.next.full:
            return False
        self._steps.popleft()
        if not self._steps:
            self._state.late_ns = now_ns - step.at_ns
        if step.data:
            self.next.put(Chunk(step.data, step.stamp_ns))
        if step.close is not None:
            self._close(step.close)
        return True

    def _take(self) -> bool:
        """Plan the next chunk, or the end; False if there is nothing to plan."""
        now_ns, attributes = self._now_ns(), self.toxic.attributes
        if self._queue:
            chunk = self._queue.popleft()
            dice = self._rng() if self._kind.draws else _UNUSED
            self._load(self._kind.on_chunk(self._state, attributes, chunk, now_ns, dice))
            return True
        if self._ended is not None and not self._end_planned:
            self._end_planned = True
            self._load(self._kind.on_end(self._state, attributes, self._ended, now_ns))
            return True
        return False

    def _load(self, plan: Plan) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._steps = deque(plan.steps)
        self._idle = plan.idle

    def _flush(self) -> None:
        """Send the data of the plan in flight now; keep a cut that it had begun."""
        steps, idle = self._steps, self._idle
        self._load(Plan())
        for step in steps:
            if step.data:
                self.next.put(Chunk(step.data, step.stamp_ns))
        cut = next((step.close for step in steps if step.close is not None), None)
        if not idle and not self._end_planned and cut is not None:
            self._close(cut)

    def _take_back(self) -> None:
        """Put what is held back in front of the queue again."""
        held = [Chunk(step.data, step.stamp_ns) for step in self._steps if step.data]
        self._queue.extendleft(reversed(held))
        self._load(Plan())

    def _fire(self) -> None:
        self._timer = None
        self.pump()

    def _close(self, how: End) -> None:
        self.cancel()
        self.next.end(how)

    def _rolled(self) -> bool:
        toxicity = self.toxic.toxicity
        if toxicity >= 1:
            return True
        return toxicity > 0 and self._rng().getrandbits(24) / (1 << 24) < toxicity

    def _rng(self) -> Random:
        # Made when first needed: to seed one costs more than the rest of a connection.
        if self._dice is None:
            self._dice = Random(self._seed)
        return self._dice

    def _now_ns(self) -> int:
        return int(self._loop.time() * 1e9)
