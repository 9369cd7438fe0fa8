"""TMO007 attempt-timeout-shrinks."""

from __future__ import annotations

import itertools
import re

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["TMO007"]

_TELL = Teller("TMO007", "attempt-timeout-shrinks", "major", "s")
_EPOCH_S, _EPOCH_MS = 1e9, 1e11
_ROUNDED_S = 0.05
_GRPC = re.compile(r"(\d{1,8})([HMSmun])")
_UNIT_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_MEND = ("keep the deadline as an instant; give each attempt min(timeout, deadline - now), and send what "
         "remains of it, not what there was at first")


def check(case: Case) -> Verdict:
    """TMO007 attempt-timeout-shrinks.

    What it does: the first attempt eats most of the declared deadline, the second hangs. The second must
    be given up when what remains is over, not after its own full timeout. Where a header tells the
    provider how long the caller will wait, its value must be what remains, and fall with each attempt.

    Why it is bad: the caller is promised six seconds and waits nine; and the provider goes on working on
    requests for which nobody waits any more.

    Example: ``timeout=self.timeout`` on each attempt; a deadline header made once and copied.

    Use instead: ``timeout=min(self.timeout, deadline - now)``, and the header made anew each time.

    When it is unknown: no deadline is declared (undeclared); the timeout of an attempt was always shorter
    than what remained, and no header tells of a deadline (not_exercised); between the zones (noise).

    References: gRPC, deadlines; ServiceTalk, deadline propagation; Google SRE book, chapter 22.
    """
    limit = case.profile.deadline_s
    retried = [o for o in case.sound() if o.cancel is None and len(o.requests) > 1]
    if limit is None:
        return _TELL.unknown(case, "undeclared" if retried else case.doubt(),
                             "to judge: deadline_s = ..." if retried else "")
    told = [_life(case, o, limit) for o in retried]
    said = [_header(case, o, limit) for o in retried] if case.profile.deadline_header else []
    findings = [found for found, _ in (*told, *said) if isinstance(found, Finding)]
    if findings:
        sure = any(sure for found, sure in (*told, *said) if isinstance(found, Finding))
        return _TELL.failed(case, findings, limit=limit, timing=not sure)
    held = [found for found, _ in (*told, *said) if found is True]
    if any(found == "grey" for found, _ in told):
        return _TELL.unknown(case, "noise", "between pass and fail zone", limit=limit)
    if held:
        return _TELL.passed(case, len(held), limit=limit,
                            note=f"by {case.profile.deadline_header}" if said and not any(
                                found is True for found, _ in told) else "")
    return _TELL.unknown(case, case.doubt(), "an attempt's timeout was never longer than what remained"
                         if retried else "", limit=limit)


def _life(case: Case, operation: Operation, limit: float) -> tuple[Finding | bool | str | None, bool]:
    """Whether the last attempt, which hung, was given up in time; and whether no clock is needed to tell,
    for it had to be cut off."""
    last = operation.requests[-1]
    if last.complete or last.closed is not None or not last.word.startswith("hang"):
        return None, False
    remaining = limit - (last.start_lo_ns - case.begun_ns(operation)) / 1e9
    local = case.profile.read_timeout_s
    if remaining <= 0 or (local is not None and local <= fail_beyond_s(remaining)):
        return None, False  # its own timeout would not have shown
    left = last.client_left_ns
    cut = operation.over_budget
    if cut is not None and (left is None or left >= cut.lo_ns):
        left = cut.lo_ns
    elif left is None:
        return None, False
    life = (left - last.start_lo_ns) / 1e9
    late = life - lagged_s(case, last.start_lo_ns, left)
    if late > fail_beyond_s(remaining):
        end = (operation.end.index,) if operation.end else ()
        return Finding(operation.ref, (operation.start.index, last.evidence[0], *end),
                       f"attempt {len(operation.requests)} lived {life:.2f} s, and {remaining:.2f} s of "
                       f"the deadline of {limit:g} s remained", _MEND), cut is not None
    return (True if life <= pass_up_to_s(remaining) else None if cut else "grey"), False


def _header(case: Case, operation: Operation, limit: float) -> tuple[Finding | bool | None, bool]:
    """Whether the header told what remained, attempt by attempt; no clock of ours is needed to tell.

    A client may stall between making a header and sending it. So a value is held against what remained
    when the attempt before had ended, counted from the first attempt on: it was made after that.
    """
    name = str(case.profile.deadline_header)
    sent = [(a, *found) for a in operation.requests if (found := _value_s(name, a)) is not None]
    if len(sent) < 2:
        return None, False
    first = sent[0][0].start_hi_ns
    wall = float(case.history.header.get("start_wall_s") or 0.0)
    ended = first
    for attempt, value, unit, absolute in sent:
        if absolute:
            over = value - (wall + first / 1e9) - limit if wall else 0.0
        else:
            over = value - (limit - (ended - first) / 1e9 + lagged_s(case, first, ended))
        if over > _ROUNDED_S + unit:
            return _wrong(operation, attempt, f"{name}: {attempt.header(name)} is {over:.2f} s more than "
                          f"what remains of {limit:g} s"), True
        ended = max(ended, attempt.end_lo_ns or attempt.client_left_ns or attempt.start_hi_ns)
    for (a, before, unit, absolute), (b, after, _, _) in itertools.pairwise(sent):
        lasted = ((a.end_lo_ns or a.client_left_ns or a.start_hi_ns) - a.start_hi_ns) / 1e9
        if not absolute and (after > before or (after == before and lasted > unit)):
            return _wrong(operation, b, f"{name} did not fall: {a.header(name)}, then {b.header(name)}"), True
    return True, False


def _wrong(operation: Operation, attempt: Exchange, text: str) -> Finding:
    return Finding(operation.ref, (operation.start.index, attempt.evidence[0]), text, _MEND)


def _value_s(name: str, attempt: Exchange) -> tuple[float, float, bool] | None:
    """A deadline header's value in s, its unit in s, and whether it is an instant of the wall clock.

    Its unit is that of ``grpc-timeout``; else milliseconds where the name ends so, else seconds.
    """
    text = (attempt.header(name) or "").strip()
    if found := _GRPC.fullmatch(text):
        return int(found[1]) * _UNIT_S[found[2]], _UNIT_S[found[2]], False
    try:
        value = float(text)
    except ValueError:
        return None
    unit = 0.001 if "." in text else 1.0
    if value >= _EPOCH_S:
        return (value / 1000, 0.001, True) if value >= _EPOCH_MS else (value, unit, True)
    return (value / 1000, 0.001, False) if name.lower().endswith(("ms", "millis")) else (value, unit, False)


TMO007 = Invariant("TMO007", "attempt-timeout-shrinks", "TMO", "major", check)
