"""Credentials that followed a redirect to another origin, as the wire shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._seen import LEAK, secrets_of, sightings
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange

__all__ = ["Follow"]

_ANY = ("authorization", "proxy-authorization")  # an answer to a challenge is made of the secret


@dataclass(slots=True)
class _Met:
    """What one redirect to another origin led to."""

    redirect: Exchange
    after: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Follow:
    """What must not be carried along a redirect.

    Attributes:
        tell: Makes the verdicts.
        leaves: Whether a Location leads where credentials must not go.
        there: Whether a request reached such a place.
        mend: How to mend it.
    """

    tell: Teller
    leaves: Callable[[str], bool]
    there: Callable[[Exchange], bool]
    mend: str

    def judge(self, case: Case) -> Verdict:
        """Look at every request that came to such a place after a redirect there."""
        if not secrets_of(case):
            return self.tell.unknown(case, "capture_missing", "the run has no canary")
        findings: list[Finding] = []
        held = unsent = arrived = 0
        for met in self._met(case):
            leaks = [(a, what) for a in met.after for what in _leaks(case, a)]
            arrived += bool(met.after)
            if not leaks and not _carried(case, met.redirect):
                unsent += 1  # the first origin got no canary: nothing could follow
            elif leaks:
                first, _ = leaks[0]
                told = ", ".join(dict.fromkeys(what for _, what in leaks))
                findings.append(Finding(
                    first.marker, (met.redirect.evidence[0], first.evidence[0]),
                    f"{met.redirect.status} to {met.redirect.answer_header('location')}: {told} went "
                    "along", self.mend))
            else:
                held += 1
        if findings:
            return self.tell.failed(case, findings, observed=len(findings), limit=0)
        if not held:
            reason = "capture_missing" if unsent else case.doubt()
            return self.tell.unknown(case, reason, "the canary never went over the wire: give "
                                     "secrets[...] to your client" if unsent else "")
        note = "" if arrived else "no redirect there was followed"
        return self.tell.passed(case, held, observed=0, limit=0, note=note)

    def _met(self, case: Case) -> list[_Met]:
        """Each redirect that leaves, with the requests that may have come of it: those of the same
        operation after it, and those that nobody can be given."""
        found: list[_Met] = []
        for operation in case.operations:
            met: _Met | None = None
            for attempt in operation.requests:
                if met is not None and self.there(attempt):
                    met.after.append(attempt)
                elif met is None and attempt.complete and attempt.status in range(300, 400) and (
                        self.leaves(attempt.answer_header("location") or "")):
                    met = _Met(attempt)
            found += [met] if met else []
        lost = [a for a in (*case.attribution.strays, *case.attribution.ambiguous) if self.there(a)]
        if found and lost:
            found[0].after += lost
        return found


def _text(exchange: Exchange) -> str:
    return "\n".join([exchange.target, exchange.body, *(v for _, v in exchange.headers)])


def _carried(case: Case, exchange: Exchange) -> bool:
    return any(seen.whole for _, seen in sightings(case, _text(exchange)))


def _leaks(case: Case, exchange: Exchange) -> list[str]:
    """What of the credentials one request holds, and where."""
    found = [f"{name} in {header}" for header, value in exchange.headers
             for name, seen in sightings(case, value) if seen.whole or seen.size >= LEAK]
    for where, text in (("the target", exchange.target), ("the body", exchange.body)):
        found += [f"{name} in {where}" for name, seen in sightings(case, text)
                  if seen.whole or seen.size >= LEAK]
    told = {line.rpartition(" ")[2].lower() for line in found}
    return found + [header for header, _ in exchange.headers
                    if header.lower() in _ANY and header.lower() not in told]
