"""ERR005 bounded-response."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.err._redirects import chains_of
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["ERR005"]

_TELL = Teller("ERR005", "bounded-response", "major", "MB")
_MEND = ("read the body as a stream and stop at a limit of unpacked bytes (httpx: "
         "client.stream, iter_bytes; requests: stream=True); limit redirects")
_HOPS = 20
_IN_SOCKETS = 16.0  # MB that two kernels' buffers may hold unread
_PROCESS = 48.0  # MB by which a process may grow for reasons of its own
_HUGE = {"endless body": float("inf"), "gzip bomb": 100.0, "huge head": 1.0}


@dataclass(slots=True)
class _Told:
    """What was found over all operations."""

    findings: list[Finding] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    most: float = 0.0


def check(case: Case) -> Verdict:
    """ERR005 bounded-response.

    What it does: a body without end, a gzip body of 100 KB that unpacks to 100 MB (also as the body
    of a redirect), a head of 1 MB, redirects for ever. The client must end each with an error: less
    than one and a half times its declared limit read, its memory grown by less than three times
    the limit (buffers of kernels and of the process itself apart), at most 20 redirects followed.

    Why it is bad: one answer of one provider takes the memory of the whole process.

    Example: ``response.content``; ``requests.get(url)``, which follows 30 redirects.

    Use instead: ``async for chunk in response.aiter_bytes()`` with a counter.

    When it is unknown: no such answer came (not_exercised); no limit is declared and the client took
    it all (undeclared: to judge: ``max_response_bytes = ...``; FAIL under ``strict``). An operation
    that is declared a download (``operations.fetch.download = true``) is not judged for its size.

    References: RFC 9110, section 15.4; CWE-409.
    """
    told = _Told()
    limit = case.profile.max_response_bytes
    limit_mb = None if limit is None else limit / 1e6
    memory = _Memory(case)
    for operation in case.sound():
        if operation.cancel is not None:
            continue
        _hops(case, operation, told)
        met = [a for a in operation.attempts if a.word in _HUGE]
        if met and not ((own := case.profile.operations.get(operation.name)) and own.download):
            _size(case, operation, met, limit_mb, memory, told)
    if told.findings:
        return _TELL.failed(case, told.findings, observed=round(told.most, 1), limit=limit_mb)
    if told.open:
        return _TELL.unknown(case, "undeclared", f"{told.open[0]}; to judge: max_response_bytes = ...",
                             observed=round(told.most, 1))
    if not told.held:
        return _TELL.unknown(case, case.doubt(), limit=limit_mb)
    return _TELL.passed(case, len(told.held), observed=round(told.most, 1), limit=limit_mb)


def _hops(case: Case, operation: Operation, told: _Told) -> None:
    """Redirects without end: what is followed is counted for each attempt that is allowed."""
    chain = chains_of(operation)
    if chain is None or not chain.endless:
        return
    most = _HOPS * (case.profile.max_attempts or 1)
    if chain.longest - 1 > most:
        told.findings.append(Finding(
            operation.ref, tuple(a.evidence[0] for a in chain.requests[: _HOPS + 2]),
            f"{chain.longest} requests in one chain of redirects, {_HOPS} may be followed", _MEND))
    elif operation.outcome == "failed":
        told.held.add(operation.ref)


def _size(case: Case, operation: Operation, met: list[Exchange], limit_mb: float | None,
          memory: _Memory, told: _Told) -> None:
    wire = max(a.answered_bytes for a in met) / 1e6
    grown = memory.grown_mb(operation)
    told.most = max(told.most, wire, grown)
    problem = _problem(operation, met, wire, grown, limit_mb)
    if problem is None:
        if operation.outcome == "failed":
            told.held.add(operation.ref)
    elif limit_mb is None and not case.profile.strict:
        told.open.append(problem)
    else:
        told.findings.append(Finding(operation.ref, tuple(met[-1].evidence[:3]), problem, _MEND))


def _problem(operation: Operation, met: list[Exchange], wire: float, grown: float,
             limit_mb: float | None) -> str | None:
    """What was taken of too much, or None; without a limit whatever was taken whole."""
    word = met[-1].word
    limit = limit_mb or 0.0
    redirected = any(a.status is not None and 300 <= a.status < 400 for a in met)
    if operation.outcome == "ok" and not redirected and _HUGE[word] > limit:
        return f"a {word} was taken whole, {wire:.1f} MB on the wire"
    if operation.over_budget is not None and not met[-1].complete:
        return f"a {word} was still read when the observation ended, {wire:.1f} MB on the wire"
    if wire > 1.5 * limit + _IN_SOCKETS:
        return f"{wire:.0f} MB of a {word} were read, declared {limit:g} MB"
    if grown > 3 * limit + _PROCESS:
        return f"the process grew by {grown:.0f} MB on a {word}, declared {limit:g} MB"
    return None


class _Memory:
    """What the subject's process held over the run, in MB."""

    def __init__(self, case: Case) -> None:
        seen = [(e.lo_ns, float(e.data["mb"])) for e in case.history.of("memory")]
        self._at = [at for at, _ in seen]
        self._mb = [mb for _, mb in seen]

    def grown_mb(self, operation: Operation) -> float:
        """By how much it grew over an operation; 0 where nobody looked."""
        begin = bisect.bisect_right(self._at, operation.start.lo_ns)
        end = bisect.bisect_right(self._at, operation.end.lo_ns if operation.end else 1 << 63)
        if not self._at or begin == 0:
            return 0.0
        return max(self._mb[begin - 1 : end + 1]) - self._mb[begin - 1]


ERR005 = Invariant("ERR005", "bounded-response", "ERR", "major", check)
