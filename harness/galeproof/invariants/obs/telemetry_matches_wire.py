"""OBS002 telemetry-matches-wire."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Event, Finding, Verdict
from galeproof.model.exchange import Exchange

__all__ = ["OBS002"]

_TELL = Teller("OBS002", "telemetry-matches-wire", "minor", "attempts")
_DURATIONS = frozenset({"http.client.request.duration", "http.client.duration"})
_METHOD = ("http.request.method", "http.method")
_STATUS = ("http.response.status_code", "http.status_code")
_RESENT = "http.request.resend_count"
_ENOUGH = 100  # operations with ids of their own: fewer show no unbounded label
_TIMES = 3  # label sets for each endpoint and status
_PLANS = ("ok", "rst after request", "rst after effect", "fin after answer", "garbage")
_MEND = ("count in the loop that sends, one span and one measurement an attempt, and label with the "
         "route's template")


@dataclass(slots=True)
class _Reported:
    """What one kind of signal says: how many attempts, by method and by status."""

    methods: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    resent: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)


def check(case: Case) -> Verdict:
    """OBS002 telemetry-matches-wire.

    What it does: a hundred calls of mixed fates. The attempts that the client's spans (of kind
    client, with a method) and its request durations report, by method and by status, must be those
    on the wire, and so must the number of resends; the sets of labels of a metric must be bounded: three
    for each endpoint and status at most.

    Why it is bad: the dashboard shows one calm call where the provider sees three; and a label for
    each path breaks the store that holds the metrics.

    Example: one measurement around the whole retry loop; ``url.path`` as a label.

    Use instead: one span and one measurement an attempt; ``url.template``.

    When it is unknown: the process did not import OpenTelemetry, or a planted probe was not found
    (capture_missing); neither such spans nor durations are reported (undeclared, under strict a failure);
    nothing was sent again, or what was planned leaves the wire without a count (not_exercised).

    References: OpenTelemetry, HTTP semantic conventions: spans, metrics, http.request.resend_count.
    """
    if not _countable(case):
        return _TELL.unknown(case, case.doubt())
    signals = [e for e in case.history.of("capture") if e.data.get("channel") == "telemetry"
               and e.lo_ns >= min(o.start.lo_ns for o in case.operations)]
    if not any(e.data.get("found") for e in case.history.of("probe") if e.data.get("channel") == "telemetry"):
        return _TELL.unknown(case, "capture_missing", "not captured: telemetry")
    wire = [a for a in [*case.attribution.exchanges, *case.attribution.strays] if a.x is not None]
    retries = sum(max(0, len(o.requests) - 1) for o in case.operations)
    reported = {name: found for name, found in _reported(signals).items() if found.methods}
    findings = [f for name, found in reported.items() for f in _differs(name, found, wire, retries)]
    findings += _unbounded(case, signals, wire)
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0)
    if not reported:
        note = "no client spans and no http.client.request.duration"
        if case.profile.strict:
            return _TELL.failed(case, [Finding(None, (case.operations[0].start.index,), note, _MEND)],
                                observed=0, limit=len(wire))
        return _TELL.unknown(case, "undeclared", f"{len(signals)} signals, {note}")
    if not retries:
        return _TELL.unknown(case, "not_exercised", "nothing was sent again")
    return _TELL.passed(case, len(wire), observed=0, limit=0,
                        note=f"reported by {', '.join(sorted(reported))}")


def _countable(case: Case) -> bool:
    """Whether every attempt of a client is one request on the wire, and one instance had them all."""
    header = case.history.header
    words = set(header.get("words") or ())
    planned = all(w.isdigit() or w.startswith(_PLANS) for w in words)
    if not planned or int(header.get("starts", 1)) != 1 or header.get("tokens") or case.attribution.ambiguous:
        return False
    ended = all(o.outcome in ("ok", "failed") and o.requests and o.over_budget is None for o in case.whole)
    return (bool(case.operations) and ended and len(case.whole) == len(case.operations)
            and not any(a.status is not None and 300 <= a.status < 400 for a in case.attribution.exchanges))


def _reported(signals: list[Event]) -> dict[str, _Reported]:
    found = {"spans": _Reported(), "durations": _Reported()}
    for event in signals:
        data = event.data
        span = data.get("signal") == "span" and data.get("kind") == "client"
        if not span and not (data.get("signal") == "metric" and data.get("logger") in _DURATIONS):
            continue
        said = _attributes(data)
        method = next((str(said[n]) for n in _METHOD if n in said), None)
        if method is None:
            continue
        into = found["spans" if span else "durations"]
        count = int(data.get("count", 1))
        into.methods[method] += count
        into.events.append(event.index)
        status = next((said[n] for n in _STATUS if n in said), None)
        if isinstance(status, int):
            into.statuses[status] += count
        if span and isinstance(said.get(_RESENT), int):
            into.resent += [said[_RESENT]] * count
    return found


def _attributes(data: Mapping[str, Any]) -> dict[str, Any]:
    try:
        said = json.loads(data.get("text") or "{}")
    except ValueError:  # cut
        return {}
    return said if isinstance(said, dict) else {}


def _differs(name: str, found: _Reported, wire: list[Exchange], retries: int) -> list[Finding]:
    """What a kind of signal says otherwise than the wire."""
    texts = []
    methods = Counter(a.method for a in wire)
    # an attempt that ended before its first byte (no connection, no time left) has no status either
    unsent = found.methods.total() - found.statuses.total()
    for method in sorted(methods | found.methods):
        if not methods[method] <= found.methods[method] <= methods[method] + unsent:
            texts.append(f"{name}: {found.methods[method]} attempts of {method}, {methods[method]} on the "
                         "wire")
    whole = Counter(a.status for a in wire if a.complete and a.status is not None)
    begun = Counter(a.status for a in wire if a.status is not None)
    for status in sorted(begun | found.statuses):
        if found.statuses and not whole[status] <= found.statuses[status] <= begun[status]:
            texts.append(f"{name}: {found.statuses[status]} answers {status}, {begun[status]} on the wire")
    resent = sum(ordinal > 0 for ordinal in found.resent)
    if found.resent and not retries <= resent <= retries + unsent:
        texts.append(f"{name}: {resent} with {_RESENT}, {retries} attempts were resends")
    return [Finding(None, tuple(found.events[:10]), text, _MEND) for text in texts]


def _unbounded(case: Case, signals: list[Event], wire: list[Exchange]) -> list[Finding]:
    """Metrics with a label set for nearly every operation."""
    if len(case.operations) < _ENOUGH:
        return []
    endpoints = len({(o.name, a.method) for o in case.operations for a in o.requests})
    limit = _TIMES * endpoints * len({a.status for a in wire})
    sets: dict[str, dict[str, int]] = {}
    for event in signals:
        if event.data.get("signal") == "metric":
            sets.setdefault(str(event.data.get("logger")), {})[str(event.data.get("text"))] = event.index
    return [Finding(None, tuple(list(found.values())[:10]),
                    f"metric {name}: {len(found)} sets of labels, {limit} are enough for {endpoints} "
                    "endpoints", _MEND) for name, found in sets.items() if len(found) > limit]


OBS002 = Invariant("OBS002", "telemetry-matches-wire", "OBS", "minor", check)
