"""One wait of a client on a silent provider, held against its read timeout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["Wait"]


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
            waited = self._waited_s(operation, index, attempt)
            if waited is None:
                so_far = (case.seen_until_ns(operation) - self.since_ns(attempt)) / 1e9
                if limit is not None and so_far <= fail_beyond_s(limit):
                    short += 1
                    continue
                waiting += 1
                if limit is not None or case.profile.strict:
                    findings.append(self._still(operation, attempt, limit, so_far))
            elif limit is None or waited <= pass_up_to_s(limit):
                held.append(waited)
                holding.add(operation.ref)
            elif waited > fail_beyond_s(limit) + lagged_s(
                    case.history, attempt.start_lo_ns,
                    self.since_ns(attempt) + int(waited * 1e9)):
                findings.append(Finding(
                    operation.ref, tuple(attempt.evidence),
                    f"waited {waited:.2f} s for {self.what} that never came, declared "
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

    def _waited_s(self, operation: Operation, index: int, attempt: Exchange) -> float | None:
        """How long the client waited on this attempt; None where it never gave up by itself."""
        ends = [attempt.client_left_ns] if attempt.client_left_ns is not None else []
        if index + 1 < len(operation.attempts):
            ends.append(operation.attempts[index + 1].start_lo_ns)
        if operation.end is not None and operation.outcome != "killed":
            ends.append(operation.end.lo_ns)
        cut = operation.over_budget.lo_ns if operation.over_budget else None
        ends = [end for end in ends if cut is None or end < cut]
        return (min(ends) - self.since_ns(attempt)) / 1e9 if ends else None

    def _still(self, operation: Operation, attempt: Exchange, limit: float | None,
               waited_s: float) -> Finding:
        declared = f"declared {limit:g} s" if limit is not None else "nothing declared, strict"
        return Finding(operation.ref, tuple(attempt.evidence),
                       f"still waiting for {self.what} after {waited_s:.1f} s, {declared}",
                       self.mend)
