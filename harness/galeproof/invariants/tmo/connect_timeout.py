"""TMO001 connect-timeout."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s, lagged_s, pass_up_to_s
from galeproof.model import Event, Finding, Profile, Verdict
from galeproof.model.exchange import Operation

__all__ = ["TMO001"]

_TELL = Teller("TMO001", "connect-timeout", "critical", "s")
_UNDECLARED = 5  # attempts, as RTY001 holds against where none are declared
_HOPELESS = 3
_MEND = ("give every connect a timeout (requests: timeout=(connect, read); httpx: Timeout(connect=); "
         "aiohttp: ClientTimeout(sock_connect=)), in seconds")


def check(case: Case) -> Verdict:
    """TMO001 connect-timeout.

    What it does: connecting to the provider never completes (a full accept queue, a firewall that
    drops). The client must give up within its connect timeout for each declared attempt, its
    backoffs, and the deadline, whichever comes first.

    Why it is bad: the operating system goes on trying for two minutes, and every caller with it.

    Example: ``httpx.Client(timeout=None)``; a timeout on reads only.

    Use instead: ``httpx.Timeout(connect=1, read=1, write=1, pool=1)``.

    When it is unknown: no connect hung (not_exercised); the platform could not make the fault
    (harness_fault); nothing is declared and the client was still connecting at the end of the
    observation (undeclared; FAIL under ``strict``); a declared deadline is longer than the
    observation (budget_exhausted); between the zones (noise).

    References: AWS Builders' Library, "Timeouts, retries and backoff with jitter"; grpc.io,
    deadlines.
    """
    limit, whole = _limit(case.profile)
    findings: list[Finding] = []
    held: list[float] = []
    timing, waiting, short, grey = True, 0, 0, 0
    for operation, hole in _met(case):
        seen = (case.seen_until_ns(operation) - case.begun_ns(operation)) / 1e9
        running = operation.over_budget is not None or operation.end is None
        if running and limit is not None and seen <= _hopeless_s(limit, whole):
            short += 1
        elif running:
            waiting += 1
            if limit is not None or case.profile.strict:
                timing = False
                findings.append(_finding(operation, hole, f"no connect timeout: still connecting "
                                         f"after {seen:.1f} s", limit))
        elif limit is None or not whole or seen <= pass_up_to_s(limit):
            held.append(seen)
        elif seen > fail_beyond_s(limit) + lagged_s(
                case, case.begun_ns(operation), case.seen_until_ns(operation)):
            findings.append(_finding(operation, hole, f"gave up after {seen:.2f} s", limit))
        else:
            grey += 1
    if findings:
        return _TELL.failed(case, findings, limit=limit, timing=timing)
    if waiting:
        return _TELL.unknown(case, "undeclared", f"still waiting after {case.budget_s():g} s; to "
                             "judge: connect_timeout_s = ...", observed=case.budget_s())
    if short:
        return _TELL.unknown(case, "budget_exhausted", f"observed {case.budget_s():g} s, too short "
                             "for what is declared", limit=limit)
    if grey:
        return _TELL.unknown(case, "noise", "between pass and fail zone", limit=limit)
    if not held:
        unmade = any(not event.data.get("made") for event in case.history.of("blackhole"))
        return _TELL.unknown(case, "harness_fault" if unmade else case.doubt())
    note = "" if limit is not None and whole else f"undeclared; gave up after {max(held):.2f} s"
    return _TELL.passed(case, len(held), observed=max(held), limit=limit, note=note)


def _met(case: Case) -> list[tuple[Operation, Event]]:
    """Operations that found nothing but a port where connecting hangs."""
    holes = {e.marker: e for e in case.history.of("blackhole") if e.data.get("made")}
    return [(o, holes[o.ref]) for o in case.sound()
            if o.ref in holes and o.cancel is None and not o.attempts]


def _limit(profile: Profile) -> tuple[float | None, bool]:
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


def _widest(jitter: str | float) -> float:
    return 1 + jitter if isinstance(jitter, float) else 1.0


def _hopeless_s(limit: float, whole: bool) -> float:
    return fail_beyond_s(limit) if whole else _HOPELESS * limit


def _finding(operation: Operation, hole: Event, text: str, limit: float | None) -> Finding:
    end = (operation.end or operation.over_budget or operation.start).index
    declared = f"declared {limit:g} s in all" if limit is not None else "nothing declared, strict"
    return Finding(operation.ref, (operation.start.index, hole.index, end),
                   f"{text}, {declared}", _MEND)


TMO001 = Invariant("TMO001", "connect-timeout", "TMO", "critical", check)
