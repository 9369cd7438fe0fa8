"""An operation that finds nothing but a port where connecting, or the handshake, never completes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.model import Event, Finding, Profile, Verdict
from galeproof.model.exchange import Operation

__all__ = ["Connecting", "connect_limit", "total_limit"]

_UNDECLARED = 5  # attempts, as RTY001 holds against where none are declared
_HOPELESS = 3


@dataclass(slots=True)
class _Told:
    """What was found over all operations."""

    findings: list[Finding] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    timing: bool = True
    waiting: int = 0
    short: int = 0
    grey: int = 0


@dataclass(frozen=True, slots=True)
class Connecting:
    """A wait of whole operations, held against what is declared.

    Attributes:
        tell: Makes the verdicts.
        kind: The event that says that the port was such, and from when to when.
        made: The field of it that says that the fault was there.
        what: ``connect`` or ``TLS``, for the findings.
        mend: How to mend it.
        limit: The declared limit of such an operation in s, and whether it holds everything.
    """

    tell: Teller
    kind: str
    made: str
    what: str
    mend: str
    limit: Callable[[Profile], tuple[float | None, bool]]

    def judge(self, case: Case) -> Verdict:
        """Hold every such operation against the limit."""
        limit, whole = self.limit(case.profile)
        told = _Told()
        for operation, hole in self._met(case):
            self._look(case, operation, hole, (limit, whole), told)
        if told.findings:
            return self.tell.failed(case, told.findings, limit=limit, timing=told.timing)
        if told.waiting:
            return self.tell.unknown(
                case, "undeclared", f"still waiting after {case.budget_s():g} s; to judge: "
                "connect_timeout_s = ...", observed=case.budget_s())
        if told.short:
            return self.tell.unknown(case, "budget_exhausted", f"observed {case.budget_s():g} s, too "
                                     "short for what is declared", limit=limit)
        if told.grey:
            return self.tell.unknown(case, "noise", "between pass and fail zone", limit=limit)
        if not told.held:
            unmade = any(not event.data.get(self.made) for event in case.history.of(self.kind))
            return self.tell.unknown(case, "harness_fault" if unmade else case.doubt())
        note = "" if limit is not None and whole else f"undeclared; gave up after {max(told.held):.2f} s"
        return self.tell.passed(case, len(told.held), observed=max(told.held), limit=limit, note=note)

    def _look(self, case: Case, operation: Operation, hole: Event, declared: tuple[float | None, bool],
              told: _Told) -> None:
        limit, whole = declared
        seen = (case.seen_until_ns(operation) - case.begun_ns(operation)) / 1e9
        running = operation.over_budget is not None or operation.end is None
        if running and limit is not None and seen <= _hopeless_s(limit, whole):
            told.short += 1
        elif running:
            told.waiting += 1
            if limit is not None or case.profile.strict:
                told.timing = False
                told.findings.append(self._finding(
                    operation, hole, f"no {self.what} timeout: still connecting after {seen:.1f} s",
                    limit))
        elif limit is None or not whole or seen <= pass_up_to_s(limit):
            told.held.append(seen)
        elif seen > fail_beyond_s(limit) + lagged_s(
                case, case.begun_ns(operation), case.seen_until_ns(operation)):
            told.findings.append(self._finding(operation, hole, f"gave up after {seen:.2f} s", limit))
        else:
            told.grey += 1

    def _met(self, case: Case) -> list[tuple[Operation, Event]]:
        """Operations that found nothing but such a port."""
        holes = {e.marker: e for e in case.history.of(self.kind) if e.data.get(self.made)}
        return [(o, holes[o.ref]) for o in case.sound()
                if o.ref in holes and o.cancel is None and not o.attempts]

    def _finding(self, operation: Operation, hole: Event, text: str, limit: float | None) -> Finding:
        end = (operation.end or operation.over_budget or operation.start).index
        declared = f"declared {limit:g} s in all" if limit is not None else "nothing declared, strict"
        return Finding(operation.ref, (operation.start.index, hole.index, end),
                       f"{text}, {declared}", self.mend)


def connect_limit(profile: Profile) -> tuple[float | None, bool]:
    """The declared limit of an operation that cannot connect, and whether it holds everything
    (backoffs that nobody declared cannot be added)."""
    connect, deadline = profile.connect_timeout_s, profile.deadline_s
    if connect is None:
        return deadline, deadline is not None
    attempts = profile.max_attempts or _UNDECLARED
    backoff = profile.backoff
    waits = sum(min(backoff.cap_s, backoff.base_s * backoff.factor**k) * _widest(backoff.jitter)
                for k in range(attempts - 1)) if backoff else 0.0
    total = attempts * connect + waits
    if deadline is not None and deadline <= total:
        return deadline, True
    whole = attempts == 1 or (backoff is not None and profile.max_attempts is not None)
    if not whole and deadline is not None:
        return deadline, True
    return total, whole


def total_limit(profile: Profile) -> tuple[float | None, bool]:
    """The deadline where there is one; else what connecting may take."""
    if profile.deadline_s is not None:
        return profile.deadline_s, True
    return connect_limit(profile)


def _widest(jitter: str | float) -> float:
    return 1 + jitter if isinstance(jitter, float) else 1.0


def _hopeless_s(limit: float, whole: bool) -> float:
    return fail_beyond_s(limit) if whole else _HOPELESS * limit
