"""One wait of a client on a silent provider, held against its read timeout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["Wait", "silent"]


_WITH_NEXT_NS = 20_000_000


def silent(attempt: Exchange) -> bool:
    """Whether its fault is silence: a hang, or a lane that carries so much and no more."""
    return attempt.word.startswith("hang after") or attempt.word == "lane stall_after"


@dataclass(frozen=True, slots=True)
class _Waited:
    """Bounds of a wait, in s."""

    least_s: float
    most_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """What a client waits for in vain.

    Attributes:
        tell: Makes the verdicts.
        what: What never came, for the finding.
        mend: How to mend it.
        meets: Whether an attempt met this silence.
        since_ns: When the wait on it began.
    """

    tell: Teller
    what: str
    mend: str
    meets: Callable[[Exchange], bool]
    since_ns: Callable[[Exchange], int]

    def judge(self, case: Case) -> Verdict:
        """Hold every such wait against the declared read timeout, else the deadline."""
        limit = case.profile.read_timeout_s or case.profile.deadline_s
        findings: list[Finding] = []
        held: list[float] = []
        holding: set[str] = set()
        grey = waiting = short = 0
        for operation, index, attempt in self._met(case):
            waited = self._waited(case, operation, index, attempt)
            if waited is None:
                so_far = (case.seen_until_ns(operation) - self.since_ns(attempt)) / 1e9
                if limit is not None and so_far <= fail_beyond_s(limit):
                    short += 1
                    continue
                waiting += 1
                if limit is not None or case.profile.strict:
                    findings.append(self._still(operation, attempt, limit, so_far))
            elif limit is not None and waited.most_s > pass_up_to_s(limit) >= waited.least_s:
                continue  # its FIN came late (a pool holds the socket) and a backoff lies within
            elif limit is None or waited.most_s <= pass_up_to_s(limit):
                held.append(waited.most_s)
                holding.add(operation.ref)
            elif waited.least_s > fail_beyond_s(limit) + lagged_s(
                    case, attempt.start_lo_ns,
                    self.since_ns(attempt) + int(waited.least_s * 1e9)):
                findings.append(Finding(
                    operation.ref, tuple(attempt.evidence),
                    f"waited {waited.least_s:.2f} s for {self.what} that never came, declared "
                    f"{limit:g} s", self.mend))
            else:
                grey += 1
        if findings:
            return self.tell.failed(case, findings, limit=limit, timing=not waiting)
        return self._unbroken(case, limit, held, len(holding), (waiting, short, grey))

    def _unbroken(self, case: Case, limit: float | None, held: list[float], witnesses: int,
                  doubts: tuple[int, int, int]) -> Verdict:
        waiting, short, grey = doubts
        if waiting:
            return self.tell.unknown(
                case, "undeclared", f"still waiting after {case.budget_s():g} s; to judge: "
                "read_timeout_s = ...", observed=case.budget_s())
        if short and not held:
            return self.tell.unknown(
                case, "budget_exhausted", f"observed {case.budget_s():g} s, too short for what is "
                "declared", limit=limit)
        if grey:
            return self.tell.unknown(case, "noise", "between pass and fail zone", limit=limit)
        if not held:
            return self.tell.unknown(case, case.doubt())
        note = "" if limit is not None else f"undeclared; gave up after {max(held):.2f} s"
        return self.tell.passed(case, witnesses, observed=max(held), limit=limit, note=note)

    def _met(self, case: Case) -> list[tuple[Operation, int, Exchange]]:
        """Each silence that was met; where the caller cancelled, the wait was not the client's."""
        return [(operation, index, attempt) for operation in case.sound()
                if operation.cancel is None
                for index, attempt in enumerate(operation.attempts) if self.meets(attempt)]

    def _waited(self, case: Case, operation: Operation, index: int,
                attempt: Exchange) -> _Waited | None:
        """How long the client waited on this attempt; None where it never gave up by itself.

        Its FIN, or the operation's end, tells it. A FIN that comes with the next attempt, or after
        it, does not: the pool held the socket meanwhile, and a backoff may lie within.
        """
        ends = [attempt.client_left_ns] if attempt.client_left_ns is not None else []
        if operation.end is not None and operation.outcome != "killed":
            ends.append(operation.end.lo_ns)
        after = operation.attempts[index + 1 : index + 2]
        cut = operation.over_budget.lo_ns if operation.over_budget else None
        starts = [a.start_lo_ns for a in after]
        ends, starts = ([at for at in found if cut is None or at < cut] for found in (ends, starts))
        if not ends and not starts:
            return None
        since = self.since_ns(attempt)
        most = (min(ends + starts) - since) / 1e9
        if ends and (not starts or min(starts) - min(ends) > _WITH_NEXT_NS):
            return _Waited(most, most)
        backoff = case.profile.backoff
        return _Waited(max(0.0, most - backoff.cap_s) if backoff else 0.0, most)

    def _still(self, operation: Operation, attempt: Exchange, limit: float | None,
               waited_s: float) -> Finding:
        declared = f"declared {limit:g} s" if limit is not None else "nothing declared, strict"
        return Finding(operation.ref, tuple(attempt.evidence),
                       f"still waiting for {self.what} after {waited_s:.1f} s, {declared}",
                       self.mend)
