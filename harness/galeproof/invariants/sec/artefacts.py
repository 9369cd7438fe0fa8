"""SEC005 artefacts."""

from __future__ import annotations

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.sec._seen import LEAK, blind, sightings
from galeproof.model import Finding, Verdict

__all__ = ["SEC005"]

_TELL = Teller("SEC005", "artefacts", "critical", "sightings")
_CHANNELS = ("files", "arguments")
_MEND = ("filter what you record (cassettes: filter_headers), encrypt caches, and give secrets to a child "
         "by its environment or stdin")


def check(case: Case) -> Verdict:
    """SEC005 artefacts.

    What it does: looks for the run's canary secrets in every file that the subject's process wrote and
    left behind, in the working folder, the temporary folder or elsewhere, unpacked where it is gzip or
    zip; and in the command lines of the processes that it started.

    Why it is bad: cassettes and snapshots are committed, temporary files outlive the process, and
    everybody on the machine may read the arguments of a process.

    Example: a VCR cassette without a filter; ``curl -H "Authorization: ..."`` in a child.

    Use instead: ``filter_headers=["authorization"]``; an encrypted cache; secrets by environment.

    When it is unknown: a foreign process, too many files, the canary never went over the wire, or a
    planted probe was not found (capture_missing). A file that was removed again before the end is
    not seen.

    References: OWASP Secrets Management Cheat Sheet; OWASP Logging Cheat Sheet; proc(5), cmdline.
    """
    findings: list[Finding] = []
    notes: set[str] = set()
    for event in case.history.of("capture"):
        if event.data.get("channel") not in _CHANNELS:
            continue
        for name, seen in sightings(case, str(event.data.get("text", ""))):
            if seen.size < LEAK and not seen.whole:
                notes.add(f"{seen.size} characters of {name} were shown")
                continue
            findings.append(Finding(event.marker, (event.index,),
                                    f"{name} ({seen.form}) in {event.data.get('logger')}", _MEND))
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0)
    why = blind(case, _CHANNELS)
    if why is not None:
        return _TELL.unknown(case, *why)
    return _TELL.passed(case, len(_CHANNELS), observed=0, limit=0, note="; ".join(sorted(notes)))


SEC005 = Invariant("SEC005", "artefacts", "SEC", "critical", check)
