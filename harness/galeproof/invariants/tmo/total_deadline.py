"""TMO004 total-deadline."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["TMO004"]

_TELL = Teller("TMO004", "total-deadline", "major", "s")
_MEND = ("bound the whole operation, not each read (aiohttp: ClientTimeout(total=); httpx: "
         "asyncio.timeout around the call; blocking clients: min(timeout, remaining) on every read)")
_PIECES = 3  # fewer, and the client did not wait through the drip: nothing is shown


def check(case: Case) -> Verdict:
    """TMO004 total-deadline.

    What it does: an answer comes so slowly that no single read times out (body, headers or 1xx
    answers in drips), or its body never ends. The whole operation must be over within the
    declared deadline all the same.

    Why it is bad: a provider that trickles holds its callers far longer than one that is down,
    and no alarm about timeouts goes off.

    Example: a read timeout of 1 s on an answer of ten drips, 0.4 s apart: ten seconds of success;
    a deadline that is looked at between attempts only.

    Use instead: ``aiohttp.ClientTimeout(total=...)``, ``asyncio.timeout`` around the whole call,
    or the time that remains as the timeout of every single read.

    When it is unknown: the client never waited through such an answer, for instance because its
    library took a 102 for the final answer (not_exercised); no deadline is declared and none was
    seen (undeclared, with the figure; FAIL under ``strict``); the observation was shorter than
    the deadline (budget_exhausted); between the zones (noise).

    References: gRFC A6 (a deadline applies across the call); httpx issue 1450.
    """
    met = _met(case)
    if not met:
        took = any(a.word == "drip interim" for o in case.sound() for a in o.attempts)
        note = "an interim answer was taken for the final one" if took else ""
        return _TELL.unknown(case, case.doubt(), note)
    limit = case.profile.deadline_s
    return _undeclared(case, met) if limit is None else _declared(case, met, limit)


def _declared(case: Case, met: list[tuple[Operation, Exchange]], limit: float) -> Verdict:
    findings: list[Finding] = []
    timing, held, short, grey = True, 0, 0, 0
    worst = max(_seen_s(case, operation) for operation, _ in met)
    for operation, attempt in met:
        seen = _seen_s(case, operation)
        if _running(operation):
            if seen <= fail_beyond_s(limit):
                short += 1
                continue
            timing = False
            findings.append(_finding(operation, attempt, f"still running after {seen:.1f} s", limit))
        elif seen > fail_beyond_s(limit) + lagged_s(
                case, case.begun_ns(operation), case.seen_until_ns(operation)):
            findings.append(_finding(operation, attempt, f"{operation.outcome} after {seen:.2f} s",
                                     limit))
        elif seen <= pass_up_to_s(limit):
            held += 1
        else:
            grey += 1
    if findings:
        return _TELL.failed(case, findings, observed=worst, limit=limit, timing=timing)
    if short:
        return _TELL.unknown(case, "budget_exhausted", "still running when the observation ended, "
                             "within what is declared", observed=worst, limit=limit)
    if grey:
        return _TELL.unknown(case, "noise", "between pass and fail zone", observed=worst, limit=limit)
    return _TELL.passed(case, held, observed=worst, limit=limit)


def _undeclared(case: Case, met: list[tuple[Operation, Exchange]]) -> Verdict:
    """Ended by itself while the answer still came: a bound that nobody wrote down."""
    unbounded = [(o, a) for o, a in met if _running(o) or any(b.complete for b in o.attempts)]
    worst = max(_seen_s(case, operation) for operation, _ in met)
    if not unbounded:
        return _TELL.passed(case, len(met), observed=worst,
                            note=f"undeclared; gave up after {worst:.2f} s")
    if case.profile.strict:
        return _TELL.failed(case, [_finding(o, a, f"no total deadline <= {_seen_s(case, o):.1f} s "
                                            "seen", None) for o, a in unbounded], observed=worst)
    return _TELL.unknown(case, "undeclared", f"no total deadline <= {worst:.1f} s seen; to judge: "
                         "deadline_s = ...", observed=worst)


def _met(case: Case) -> list[tuple[Operation, Exchange]]:
    """Operations that waited through a slow or endless answer, each with the attempt that did."""
    found = []
    for operation in case.sound():
        waited = [a for a in operation.attempts
                  if a.word.startswith("drip ") or a.word == "endless body"]
        until = case.seen_until_ns(operation)
        through = [a for a in waited if _pieces(case, a, until) >= _PIECES]
        if through and operation.cancel is None:
            found.append((operation, through[-1]))
    return found


def _pieces(case: Case, attempt: Exchange, until_ns: int) -> int:
    events = (case.history.events[index] for index in attempt.evidence)
    return sum(event.kind == "answer" and event.lo_ns <= until_ns for event in events)


def _running(operation: Operation) -> bool:
    return operation.over_budget is not None or operation.end is None


def _seen_s(case: Case, operation: Operation) -> float:
    return (case.seen_until_ns(operation) - case.begun_ns(operation)) / 1e9


def _finding(operation: Operation, attempt: Exchange, text: str, limit: float | None) -> Finding:
    declared = f"deadline {limit:g} s" if limit is not None else "nothing declared, strict"
    end = (operation.end or operation.over_budget or operation.start).index
    return Finding(operation.ref, (operation.start.index, attempt.evidence[0],
                                   attempt.evidence[-1], end),
                   f"{attempt.word}: {text}, {declared}", _MEND)


TMO004 = Invariant("TMO004", "total-deadline", "TMO", "major", check)
