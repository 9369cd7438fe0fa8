"""TMO008 no-orphans."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller, transient
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.invariants.tmo._common import instance_of, tolerance_s, watched_until_ns
from galeproof.model import Event, Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["TMO008"]

_TELL = Teller("TMO008", "no-orphans", "major", "s")
_CLOSED_WITHIN_S = 1.0
_MEND = ("cancel the work when the caller gives up: put the deadline into the attempts themselves "
         "instead of waiting for a thread with a timeout, and do not shield or swallow a cancellation")


def check(case: Case) -> Verdict:
    """TMO008 no-orphans.

    What it does: the caller has its outcome, an error after silence or its own cancellation. No
    further attempt of that operation may start, and the connection of an attempt that was given
    up must be closed within 1 s.

    Why it is bad: an orphan applies its effect after the caller was told "failed", and a storm of
    them loads a provider that is down already.

    Example: ``executor.submit(call).result(timeout=1)``: the thread goes on retrying.

    Use instead: deadlines inside the call, structured concurrency, cancellation that is let
    through.

    When it is unknown: no operation ended with an attempt given up (not_exercised); nobody
    watched long enough after its end (budget_exhausted); between the zones (noise).

    References: grpc.io, deadlines ("cancel work"); gRFC A6.
    """
    watched_until = watched_until_ns(case)
    findings: list[Finding] = []
    held, short, grey, worst = 0, 0, 0, 0.0
    for operation in case.sound():
        over = _over(operation)
        if over is None:
            continue
        watched = watched_until[instance_of(operation)]
        late = [a for a in operation.attempts
                if over.lo_ns + int(_tolerated_s(case, over, a) * 1e9) < a.start_lo_ns < watched]
        left = [a for a in operation.attempts if _given_up(case, operation, a, over, late)]
        open_s = max((_open_s(a, over, watched) for a in left), default=0.0)
        worst = max(worst, open_s)
        if late:
            findings.append(_orphan(operation, over, late))
        elif open_s > fail_beyond_s(_CLOSED_WITHIN_S):
            findings.append(_unclosed(operation, over, max(
                left, key=lambda a: _open_s(a, over, watched)), open_s))
        elif not _abandoned(operation, over):
            continue
        elif (watched - over.lo_ns) / 1e9 < _watch_s(case):
            short += 1
        elif open_s > pass_up_to_s(_CLOSED_WITHIN_S):
            grey += 1
        else:
            held += 1
    if findings:
        return _TELL.failed(case, findings, observed=worst, limit=_CLOSED_WITHIN_S, timing=True)
    if grey:
        return _TELL.unknown(case, "noise", "between pass and fail zone", observed=worst,
                             limit=_CLOSED_WITHIN_S)
    if held:
        return _TELL.passed(case, held, observed=worst, limit=_CLOSED_WITHIN_S)
    if short and case.history.header.get("linger_s"):
        return _TELL.unknown(case, "budget_exhausted", "not watched long enough after the "
                             "operations' end")
    return _TELL.unknown(case, case.doubt())


def _tolerated_s(case: Case, over: Event, attempt: Exchange) -> float:
    """The outcome and the start have different witnesses, either of which may have been late."""
    return tolerance_s(case) + lagged_s(case, over.lo_ns, attempt.start_hi_ns)


def _over(operation: Operation) -> Event | None:
    """When the caller had its outcome, or asked for no more; None where the harness ended it."""
    if operation.over_budget is not None or operation.outcome in (None, "killed"):
        return None
    return operation.cancel or operation.end


def _abandoned(operation: Operation, over: Event) -> bool:
    """Whether the client gave up on an attempt, so that there was something to leave behind."""
    return any(a.start_lo_ns <= over.lo_ns and not a.complete and a.closed is None
               and a.x is not None for a in operation.attempts)


def _given_up(case: Case, operation: Operation, attempt: Exchange, over: Event,
              late: list[Exchange]) -> bool:
    """An attempt under way when the caller had its outcome, and no declared hedge.

    One with nothing but interim answers is left out: who took a 102 for the final answer has not
    given up.
    """
    if attempt in late or attempt.x is None or attempt.complete or attempt.closed is not None:
        return False
    if attempt.word == "drip interim":
        return False
    hedge = (case.profile.hedged and operation.kind == "read"
             and any(other is not attempt and not transient(other)
                     for other in operation.attempts))
    return attempt.start_lo_ns <= over.lo_ns + int(tolerance_s(case) * 1e9) and not hedge


def _open_s(attempt: Exchange, over: Event, watched_ns: int) -> float:
    """How long its connection stayed open after the outcome, as far as anyone watched."""
    left = attempt.client_left_ns if attempt.client_left_ns is not None else watched_ns
    return max(0, min(left, watched_ns) - over.lo_ns) / 1e9


def _watch_s(case: Case) -> float:
    """How long watching must go on before "no further attempt" is shown: the wait that an orphan
    sits in, and a backoff."""
    profile = case.profile
    wait = profile.read_timeout_s or 1.0
    backoff = profile.backoff.base_s if profile.backoff else 0.2
    return max(wait + backoff, pass_up_to_s(_CLOSED_WITHIN_S))


def _orphan(operation: Operation, over: Event, late: list[Exchange]) -> Finding:
    after = (late[0].start_lo_ns - over.lo_ns) / 1e9
    return Finding(operation.ref, (over.index, *(a.evidence[0] for a in late)),
                   f"{len(late)} attempts began after the caller had its outcome "
                   f"({over.kind}), the first {after:.2f} s later", _MEND)


def _unclosed(operation: Operation, over: Event, attempt: Exchange, open_s: float) -> Finding:
    return Finding(operation.ref, (over.index, *attempt.evidence),
                   f"an attempt was left open for {open_s:.2f} s after the caller had its outcome "
                   f"({over.kind})", _MEND)


TMO008 = Invariant("TMO008", "no-orphans", "TMO", "major", check)
