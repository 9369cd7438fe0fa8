"""SEC001 logs."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._canary import find_canary
from galeproof.model import Finding, Verdict

__all__ = ["SEC001"]

_TELL = Teller("SEC001", "logs", "critical", "sightings")
_INFO = 20
_LEAK = 12
_NOT_SAID = frozenset({"repr", "state"})  # what an object shows when asked: SEC004's matter
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
    secrets: dict[str, str] = dict(case.history.header.get("secrets") or {})
    probes = [e for e in case.history.of("probe")]
    found = {str(e.data["channel"]) for e in probes if e.data.get("found")}
    wanted = [str(c) for c in case.history.header.get("channels") or ()]
    missing = [str(e.data["channel"]) for e in probes if not e.data.get("found")]
    missing += [channel for channel in wanted if channel not in found]
    findings, note, worst = [], "", _TELL.severity
    levels: list[int] = []
    for event in case.history.of("capture"):
        if event.data.get("channel") in _NOT_SAID:
            continue
        for name, secret in secrets.items():
            seen = find_canary(secret, str(event.data.get("text", "")))
            if seen is None:
                continue
            if seen.size < _LEAK and not seen.whole:
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
    if secrets and not any(True for _ in case.history.of("head", "opaque")):
        return _TELL.unknown(case, case.doubt(), "no request came through")
    if not secrets or not _sent(case, secrets):
        return _TELL.unknown(case, "capture_missing", "the canary never went over the wire: "
                             "give secrets[...] to your client")
    if not probes or missing:
        return _TELL.unknown(case, "capture_missing",
                             f"not captured: {', '.join(missing) or 'any channel'}")
    return _TELL.passed(case, len(probes), observed=0, limit=0, note=note)


def _sent(case: Case, secrets: dict[str, str]) -> bool:
    exchanges = [*case.attribution.exchanges, *case.attribution.strays,
                 *case.attribution.ambiguous]
    for exchange in exchanges:
        text = "\n".join([exchange.target, exchange.body, *(v for _, v in exchange.headers)])
        if any((s := find_canary(secret, text)) and s.whole for secret in secrets.values()):
            return True
    return False


SEC001 = Invariant("SEC001", "logs", "SEC", "critical", check)
