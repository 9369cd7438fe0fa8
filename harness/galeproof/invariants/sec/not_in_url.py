"""SEC008 not-in-url."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._seen import LEAK, blind, sightings
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange

__all__ = ["SEC008"]

_TELL = Teller("SEC008", "not-in-url", "major", "requests")
_MEND = "send credentials in the Authorization header, or in the body of a token request"
_HEADERS = ("referer", "host")
_LENGTHS = frozenset(map(len, _HEADERS))
_SHOWN = 20  # findings: the rest is counted


def check(case: Case) -> Verdict:
    """SEC008 not-in-url.

    What it does: looks for the run's canary secrets in the target of every request, and in its Host
    and Referer, in many encodings.

    Why it is bad: URLs stand in access logs, in proxies, in histories and in Referer headers.

    Example: ``GET /payments?access_token=...``; ``https://user:secret@host/``.

    Use instead: ``Authorization: Bearer ...``. A signature that a secret made (a presigned URL) is
    not the secret.

    When it is unknown: the canary never went over the wire (capture_missing).

    References: RFC 9700, section 4.3.2; RFC 9110, sections 4.2.4 and 17.9; OWASP REST Security
    Cheat Sheet.
    """
    found = case.attribution
    exchanges = [a for a in (*found.exchanges, *found.strays, *found.ambiguous) if a.x is not None]
    findings: list[Finding] = []
    note, count = "", 0
    # one search over all of them: most runs have nothing to find
    if sightings(case, " ".join({a.target for a in exchanges} | _said(exchanges))):
        for exchange in exchanges:
            for where, text in _places(exchange):
                for name, seen in sightings(case, text):
                    if seen.size < LEAK and not seen.whole:
                        note = f"{seen.size} characters of {name} were shown"
                        continue
                    count += 1
                    if len(findings) < _SHOWN:
                        findings.append(Finding(exchange.marker, tuple(exchange.evidence[:1]),
                                                f"{name} ({seen.form}) in the {where}", _MEND))
    if findings:
        return _TELL.failed(case, findings, observed=count, limit=0, witnesses=count)
    why = blind(case, ())
    if why is not None:
        return _TELL.unknown(case, *why)
    return _TELL.passed(case, len(exchanges), observed=0, limit=0, note=note)


def _said(exchanges: list[Exchange]) -> set[str]:
    """Every value of the headers that are looked at."""
    return {value for a in exchanges for name, value in a.headers
            if len(name) in _LENGTHS and name.lower() in _HEADERS}


def _places(exchange: Exchange) -> list[tuple[str, str]]:
    """Where a secret must not stand, with what stands there."""
    found = [("target", exchange.target)]
    for name in _HEADERS:
        if value := exchange.header(name):
            found.append((name, value))
    return found


SEC008 = Invariant("SEC008", "not-in-url", "SEC", "major", check)
