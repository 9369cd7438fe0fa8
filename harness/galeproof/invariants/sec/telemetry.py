"""SEC003 telemetry."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._seen import LEAK, blind, sightings
from galeproof.model import Finding, Verdict

__all__ = ["SEC003"]

_TELL = Teller("SEC003", "telemetry", "critical", "sightings")
_CARRIED = frozenset({"baggage", "tracestate"})
_MEND = "label with the route's template, never the URL; put no header, query or body into a span"


def check(case: Case) -> Verdict:
    """SEC003 telemetry.

    What it does: takes the OpenTelemetry spans and metrics of the subject's process, and looks for the
    run's canary secrets in names, labels, attributes, events and links, and in the baggage on the wire.

    Why it is bad: telemetry goes to another company, is kept for months, and is read by everybody.

    Example: the raw URL as a label, with ``?api_key=`` in it; headers as span attributes.

    Use instead: ``url.template``; an allow list of attributes.

    When it is unknown: the process did not import OpenTelemetry, lacks its SDK, or set a provider of
    its own metrics, so that a planted probe was not found; the canary never went over the wire
    (capture_missing); the client measured nothing (not_exercised).

    References: OpenTelemetry, HTTP semantic conventions (url.full); OWASP Logging Cheat Sheet.
    """
    findings: list[Finding] = []
    notes: set[str] = set()
    looked = 0
    for event in case.history.of("capture"):
        if event.data.get("channel") != "telemetry":
            continue
        looked += 1
        for name, seen in sightings(case, f"{event.data.get('logger')}\n{event.data.get('text', '')}"):
            if seen.size < LEAK and not seen.whole:
                notes.add(f"{seen.size} characters of {name} were shown")
                continue
            findings.append(Finding(event.marker, (event.index,), f"{name} ({seen.form}) in a "
                                    f"{event.data.get('signal')}", _MEND))
    if looked:
        findings += _carried(case)
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0)
    why = blind(case, ("telemetry",))
    if why is None and not looked:
        why = ("not_exercised", "the client measures nothing")
    if why is not None:
        return _TELL.unknown(case, *why)
    return _TELL.passed(case, looked, observed=0, limit=0, note="; ".join(sorted(notes)))


def _carried(case: Case) -> list[Finding]:
    """Secrets in what goes along with a trace."""
    findings = []
    for attempt in case.attribution.exchanges:
        for header, value in attempt.headers:
            if header.lower() not in _CARRIED:
                continue
            findings += [Finding(attempt.marker, tuple(attempt.evidence[:1]),
                                 f"{name} ({seen.form}) in the header {header}", _MEND)
                         for name, seen in sightings(case, value) if seen.whole or seen.size >= LEAK]
    return findings


SEC003 = Invariant("SEC003", "telemetry", "SEC", "critical", check)
