"""TMO006 deadline-covers-retries."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller, transient
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.invariants.tmo._common import tolerance_s
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["TMO006"]

_TELL = Teller("TMO006", "deadline-covers-retries", "major", "s")
_MEND = ("keep one deadline for the whole operation: give each attempt and each sleep at most "
         "what remains of it")


def check(case: Case) -> Verdict:
    """TMO006 deadline-covers-retries.

    What it does: a client that retries through a lasting outage must be done within its declared
    deadline, sleeps and attempts included, and start no attempt after it.

    Why it is bad: a caller that waits one second per layer waits minutes in all.

    Example: three attempts of 10 s each under a deadline of 10 s.

    Use instead: min(local timeout, remaining) for every attempt, and no sleep beyond the rest.

    When it is unknown: no deadline is declared (undeclared, with the worst figure seen); no
    operation met a failure (not_exercised); between the zones (noise).

    References: gRFC A6; Google SRE book, chapter 22.
    """
    limit = case.profile.deadline_s
    met = [o for o in case.sound() if o.cancel is None and _met_failure(o)]
    if not met:
        return _TELL.unknown(case, case.doubt())
    worst = max(((case.seen_until_ns(o) - case.begun_ns(o)) / 1e9 for o in met), default=0.0)
    if limit is None:
        return _TELL.unknown(case, "undeclared", f"worst seen {worst:.3g} s; to judge: "
                             "deadline_s = ...", observed=worst)
    findings, grey, held, short, timing = [], 0, 0, 0, True
    for operation in met:
        elapsed = _elapsed_s(operation)
        so_far = (case.seen_until_ns(operation) - case.begun_ns(operation)) / 1e9
        if elapsed is None and so_far <= fail_beyond_s(limit):
            short += 1
            continue
        noise = lagged_s(case, case.begun_ns(operation),
                         case.begun_ns(operation) + int(fail_beyond_s(limit) * 1e9))
        late = [a for a in operation.attempts if a.start_lo_ns > case.begun_ns(operation)
                + int((limit + tolerance_s(case)) * 1e9)]
        if elapsed is None or elapsed > fail_beyond_s(limit) + noise:
            timing &= elapsed is not None
            text = (f"took {elapsed:.2f} s" if elapsed is not None else
                    f"still running after {so_far:.1f} s")
            findings.append(Finding(operation.ref, _span(operation),
                                    f"{text}, deadline {limit:g} s, "
                                    f"{len(operation.attempts)} attempts", _MEND))
        elif late and late[0].start_lo_ns / 1e9 - case.begun_ns(operation) / 1e9 > limit + (
                tolerance_s(case) + noise):
            findings.append(_late(case, operation, late[0], limit))
        elif elapsed <= pass_up_to_s(limit):
            held += 1
        else:
            grey += 1
    if findings:
        return _TELL.failed(case, findings, observed=worst, limit=limit, timing=timing)
    if grey:
        return _TELL.unknown(case, "noise", "between pass and fail zone", observed=worst,
                             limit=limit)
    if short:
        return _TELL.unknown(case, "budget_exhausted", "still running when the observation ended, "
                             "within what is declared", observed=worst, limit=limit)
    return _TELL.passed(case, held, observed=worst, limit=limit)


def _met_failure(operation: Operation) -> bool:
    """A failure that could make the client retry or wait."""
    return any(map(transient, operation.attempts)) or bool(operation.refusals)


def _elapsed_s(operation: Operation) -> float | None:
    if operation.over_budget is not None or operation.elapsed_ns is None:
        return None
    return operation.elapsed_ns / 1e9


def _span(operation: Operation) -> tuple[int, ...]:
    indices = [operation.start.index] + [a.evidence[0] for a in operation.attempts]
    return (*indices, operation.end.index) if operation.end else tuple(indices)


def _late(case: Case, operation: Operation, attempt: Exchange, limit: float) -> Finding:
    at = (attempt.start_lo_ns - case.begun_ns(operation)) / 1e9
    return Finding(operation.ref, (operation.start.index, attempt.evidence[0]),
                   f"an attempt began at {at:.2f} s, after the deadline of {limit:g} s", _MEND)


TMO006 = Invariant("TMO006", "deadline-covers-retries", "TMO", "major", check)
