"""A long outage: when the provider was ill, which operations began, and what of them was sent.

rho is attempts over operations within a window of time: 1 where each is sent once, more with retries,
less where a breaker or a throttle holds them back.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from galeproof.invariants._case import Case
from galeproof.model.exchange import Operation

__all__ = ["Outage", "outage_of", "sole_outage"]

_WINDOW_S, _STEP_S = 2.0, 0.25


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage; instants in ns.

    Attributes:
        begin_ns, end_ns: When the provider fell ill, and was well again (the last start of an
            operation where it never was).
        recovers: Whether it was well again.
        operations: All of the run, in the order of their starts.
        starts: When they began, ascending.
        sent: When attempts began, ascending; ``evidence`` are their events.
        hosts: Whom they were sent to.
    """

    begin_ns: int
    end_ns: int
    recovers: bool
    operations: tuple[Operation, ...]
    starts: tuple[int, ...]
    sent: tuple[int, ...]
    evidence: tuple[int, ...]
    hosts: frozenset[str]

    @property
    def late_ns(self) -> tuple[int, int]:
        """The last third of the outage."""
        return self.end_ns - (self.end_ns - self.begin_ns) // 3, self.end_ns

    @property
    def lasted_s(self) -> float:
        """How long it was."""
        return (self.end_ns - self.begin_ns) / 1e9

    def begun(self, lo_ns: int, hi_ns: int) -> tuple[Operation, ...]:
        """Return the operations that began between two instants."""
        first = bisect.bisect_left(self.starts, lo_ns)
        return self.operations[first : bisect.bisect_left(self.starts, hi_ns)]

    def offered(self, lo_ns: int, hi_ns: int) -> int:
        """Return how many operations began between two instants."""
        return bisect.bisect_left(self.starts, hi_ns) - bisect.bisect_left(self.starts, lo_ns)

    def admitted(self, lo_ns: int, hi_ns: int) -> int:
        """Return how many attempts began between two instants."""
        return bisect.bisect_left(self.sent, hi_ns) - bisect.bisect_left(self.sent, lo_ns)

    def rho(self, lo_ns: int, hi_ns: int) -> float:
        """Return attempts over operations between two instants."""
        return self.admitted(lo_ns, hi_ns) / max(1, self.offered(lo_ns, hi_ns))

    def seen(self, lo_ns: int, hi_ns: int) -> tuple[int, ...]:
        """Return the events of up to ten attempts that began between two instants."""
        first = bisect.bisect_left(self.sent, lo_ns)
        return self.evidence[first : min(first + 10, bisect.bisect_left(self.sent, hi_ns))]

    def back_after_s(self, share: float) -> float | None:
        """Return how long after the recovery a window of 2 s began in which that share was sent; None
        where there was none as long as operations began."""
        at = self.end_ns
        while at + _WINDOW_S * 1e9 <= self.starts[-1]:
            if self.rho(at, at + int(_WINDOW_S * 1e9)) >= share:
                return (at - self.end_ns) / 1e9
            at += int(_STEP_S * 1e9)
        return None

    @property
    def watched_s(self) -> float:
        """How long after the recovery operations began."""
        return max(0.0, (self.starts[-1] - self.end_ns) / 1e9)


def outage_of(case: Case) -> Outage | None:
    """Find the run's outage, by the window of a step that ails the provider; None where there is none,
    or no operation began in it."""
    return case.once("outage", lambda: _outage(case))


def sole_outage(case: Case) -> Outage | None:
    """Return the outage of a run in which one provider was called; None where another was beside it."""
    outage = outage_of(case)
    return outage if outage is not None and len(outage.hosts) < 2 else None


def _outage(case: Case) -> Outage | None:
    window = next((e for e in case.history.of("window") if e.data.get("word") != "ok"), None)
    if window is None:
        return None
    operations = sorted(case.sound(), key=lambda o: o.start.lo_ns)
    starts = tuple(o.start.lo_ns for o in operations)
    sent = sorted((a.start_lo_ns, a.evidence[0]) for o in operations for a in o.requests)
    if not starts or not sent:
        return None
    end = starts[-1] if window.data.get("open_ended") else min(window.hi_ns, starts[-1])
    recovers = end == window.hi_ns and not window.data.get("open_ended")
    found = Outage(window.lo_ns, end, recovers, tuple(operations), starts,
                   tuple(at for at, _ in sent), tuple(event for _, event in sent),
                   frozenset(a.header("host") or "" for o in operations for a in o.requests))
    return found if found.offered(found.begin_ns, found.end_ns) else None
