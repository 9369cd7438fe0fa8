"""SEC001 logs."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._seen import LEAK, blind, probes, sightings
from galeproof.model import Finding, Verdict

__all__ = ["SEC001"]

_TELL = Teller("SEC001", "logs", "critical", "sightings")
_INFO = 20
# what an object shows when asked, what is left behind, what is measured: SEC004, SEC005 and SEC003
_NOT_SAID = frozenset({"repr", "state", "files", "arguments", "telemetry"})
_OTHERS = _NOT_SAID | {"exception"}  # SEC002's
_MEND = "log names of headers, never values; redact case-insensitively, third-party loggers too"


def check(case: Case) -> Verdict:
    """SEC001 logs.

    What it does: looks for the run's canary secrets in everything that the subject's process
    said: log records of every logger at every level, stdout and stderr, in many encodings.

    Why it is bad: logs are copied, kept and read by many.

    Example: ``log.debug("headers=%s", headers)``.

    Use instead: a redacting filter on the root of your loggers, and httpx's and urllib3's.

    When it is unknown: the canary never went over the wire, or a planted probe was not found
    in a channel (capture_missing).

    References: OWASP Logging Cheat Sheet; OWASP Secrets Management Cheat Sheet.
    """
    channels = [str(c) for c in case.history.header.get("channels") or ()]
    channels += [str(e.data["channel"]) for e in probes(case) if e.data["channel"] not in _OTHERS]
    channels = list(dict.fromkeys(channels)) or ["any channel"]
    findings, note, worst = [], "", _TELL.severity
    levels: list[int] = []
    for event in case.history.of("capture"):
        if event.data.get("channel") in _NOT_SAID:
            continue
        for name, seen in sightings(case, str(event.data.get("text", ""))):
            if seen.size < LEAK and not seen.whole:
                note = f"{seen.size} characters of {name} were shown"
                continue
            level = event.data.get("level")
            levels.append(_INFO if level is None else int(level))
            where = event.data.get("logger") or event.data.get("channel")
            findings.append(Finding(event.marker, (event.index,),
                                    f"{name} ({seen.form}) in {where}"
                                    + (f" at level {level}" if level is not None else ""), _MEND))
    if findings:
        worst = "critical" if max(levels) >= _INFO else "major"
        return _TELL.failed(case, findings, observed=len(findings), limit=0, severity=worst)
    why = blind(case, channels)
    if why is not None:
        return _TELL.unknown(case, *why)
    return _TELL.passed(case, len(channels), observed=0, limit=0, note=note)


SEC001 = Invariant("SEC001", "logs", "SEC", "critical", check)
