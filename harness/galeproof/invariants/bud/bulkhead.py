"""BUD003 bulkhead."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["BUD003"]

_TELL = Teller("BUD003", "bulkhead", "major", "requests in flight")
_LEAST, _SOON = 0.99, 0.5
_ENOUGH = 10
_CLOSING_NS = 50_000_000  # a place may be given to the next before the old connection's end is seen
_MEND = ("a semaphore for each endpoint, held until the attempt is over, and a pool that is larger than all "
         "of them together")


def check(case: Case) -> Verdict:
    """BUD003 bulkhead.

    What it does: two hundred operations at once ask for what hangs, while another endpoint of the provider
    is well. No more requests than declared may be in flight at a time, and of the operations at the
    well endpoint 99 of 100 must succeed, in less than half of the read timeout.

    Why it is bad: one slow endpoint takes all connections and threads, and the whole program stands.

    Example: one pool of ten connections for everything; a semaphore that is released before the answer.

    Use instead: bulkheads: a limit of each endpoint's own, below that of the pool.

    When it is unknown: no limit is declared (undeclared, with the figure; it fails where the profile is
    strict); too few operations ran side by side (not_exercised).

    References: Nygard, "Release It!", bulkheads; resilience4j, Bulkhead.
    """
    hung = [a for o in case.sound() for a in o.requests if a.word.startswith("hang")]
    routes = {o.name for o in case.sound() if any(a.word.startswith("hang") for a in o.requests)}
    well = _beside(case, hung, routes)
    if len(well) < _ENOUGH:
        return _TELL.unknown(case, case.doubt())
    most, evidence = _in_flight([a for o in case.sound() for a in o.requests])
    most_hung, _ = _in_flight(hung)
    declared = case.profile.bulkhead
    figures = {"observed": most, "limit": declared.limit if declared else None}
    bad = [o for o in well if o.outcome != "ok" or not _soon(case, o)]
    told = f"{len(well) - len(bad)} of {len(well)} operations beside the hung ones succeeded soon"
    share = 1 - len(bad) / len(well)
    findings = []
    if declared and most > declared.limit:
        findings.append(Finding(None, evidence, f"{most} requests in flight, {declared.limit} are declared",
                                _MEND))
    if declared and declared.per_route and most_hung > declared.per_route:
        findings.append(Finding(None, evidence, f"{most_hung} requests to one endpoint in flight, "
                                f"{declared.per_route} are declared", _MEND))
    if share < _LEAST and (declared or case.profile.strict):
        findings.append(_starved(well, bad, most_hung))
    if findings:
        return _TELL.failed(case, findings, witnesses=len(well), **figures)
    if declared is None:
        return _TELL.unknown(case, "undeclared", f"{told}; to judge: bulkhead = {{limit = ...}}", **figures)
    return _TELL.passed(case, len(well), note=told, **figures)


def _beside(case: Case, hung: list[Exchange], routes: set[str]) -> list[Operation]:
    """Operations at other endpoints that began while requests hung."""
    if not hung:
        return []
    first = min(a.start_lo_ns for a in hung)
    last = max(a.client_left_ns or a.end_lo_ns or a.start_hi_ns for a in hung)
    return [o for o in case.sound() if o.name not in routes and first <= o.start.lo_ns <= last]


def _soon(case: Case, operation: Operation) -> bool:
    limit = _SOON * (case.profile.read_timeout_s or 2.0)
    return operation.elapsed_ns is not None and operation.elapsed_ns / 1e9 <= limit


def _in_flight(attempts: list[Exchange]) -> tuple[int, tuple[int, ...]]:
    """The most requests in flight at once, and events of some that were; one that its client left counts
    a moment shorter than it was seen."""
    edges = []
    for attempt in attempts:
        ends = [at for at in (attempt.client_left_ns, attempt.end_lo_ns) if at is not None]
        end = min(ends) if ends else None
        if end is not None and not attempt.complete:
            end -= _CLOSING_NS
        if end is None or end > attempt.start_hi_ns:
            edges.append((attempt.start_hi_ns, 1, attempt.evidence[0]))
            edges += [(end, -1, 0)] if end is not None else []
    most, now = 0, 0
    seen: tuple[int, ...] = ()
    recent: list[int] = []
    for _, step, event in sorted(edges):
        now += step
        if step > 0:
            recent.append(event)
        if now > most:
            most, seen = now, tuple(recent[-10:])
    return most, seen


def _starved(well: list[Operation], bad: list[Operation], hung: int) -> Finding:
    text = (f"{len(bad)} of {len(well)} operations at an endpoint that is well failed or came late, while "
            f"{hung} requests to another one hung")
    return Finding(bad[0].ref, tuple(o.start.index for o in bad[:10]), text, _MEND)


BUD003 = Invariant("BUD003", "bulkhead", "BUD", "major", check)
