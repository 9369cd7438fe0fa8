"""What every checker starts from: history, profile, and operations attributed once."""

from __future__ import annotations

import bisect
import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs

from galeproof.model import Finding, History, Outcome, Profile, Verdict
from galeproof.model.attribution import Attribution, attribute
from galeproof.model.exchange import Exchange, Operation

__all__ = ["Case", "Teller", "transient"]

T = TypeVar("T")

_WARM_S = 0.05
_TIMER_S, _TIMER_SHARE = 0.02, 0.05  # how exactly a client's timer is seen from here
_CLOSED_WITHIN_NS = 250_000_000
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Lags:
    """The lags of all heartbeats: instants in ns ascending, and the sums of their lengths in ns."""

    begins: tuple[int, ...]
    begun_sums: tuple[int, ...]
    ends: tuple[int, ...]
    ended_sums: tuple[int, ...]

    @classmethod
    def of(cls, history: History) -> Lags:
        """Gather them once."""
        lags = [(e.lo_ns, e.hi_ns, int(e.data["ms"] * 1e6)) for e in history.of("lag")]
        begun = sorted((lo, ns) for lo, _, ns in lags)
        ended = sorted((hi, ns) for _, hi, ns in lags)
        return cls(tuple(lo for lo, _ in begun), (0, *itertools.accumulate(ns for _, ns in begun)),
                   tuple(hi for hi, _ in ended), (0, *itertools.accumulate(ns for _, ns in ended)))

    def within_ns(self, lo_ns: int, hi_ns: int) -> int:
        """Return how long those were, together, that touch the time between two instants."""
        begun = self.begun_sums[bisect.bisect_left(self.begins, hi_ns)]
        return max(0, begun - self.ended_sums[bisect.bisect_right(self.ends, lo_ns)])


@dataclass(frozen=True, slots=True)
class Case:
    """One history to be judged."""

    history: History
    profile: Profile
    attribution: Attribution
    lags: Lags
    whole: tuple[Operation, ...]
    derived: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, history: History, profile: Profile) -> Case:
        """Attribute the history's events."""
        attribution = attribute(history)
        _doubt_late_answers(attribution, profile)
        return cls(history, profile, attribution, Lags.of(history), tuple(
            o for o in attribution.operations if not o.ambiguous and not o.unplanned
            and not any(a.opaque or a.doubtful for a in o.attempts)))

    def once(self, name: str, made: Callable[[], T]) -> T:
        """Return what several checkers need, derived by the first that asks."""
        if name not in self.derived:
            self.derived[name] = made()
        found: T = self.derived[name]
        return found

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Operations in their order."""
        return self.attribution.operations

    def sound(self) -> Sequence[Operation]:
        """Operations whose evidence is whole: attributed for sure, every fault as planned."""
        return self.whole

    def key_of(self, attempt: Exchange) -> str | None:
        """Return an attempt's idempotency key where the profile says it stands."""
        where = self.profile.idempotency_key or "Idempotency-Key"
        if where.startswith("body:"):
            return _body_field(attempt.body, where[5:])
        value = attempt.header(where)
        return value.strip('"') if value else None

    def budget_s(self) -> float:
        """Return the observation budget of one operation."""
        return float(self.history.header.get("budget_s", 30.0))

    @property
    def cold(self) -> bool:
        """Whether each operation had a fresh process, whose start is not the client's time."""
        return bool(self.history.header.get("cold"))

    def begun_ns(self, operation: Operation) -> int:
        """Return the instant from which an operation's time counts: its call, or where that started
        a process, its first attempt on the wire."""
        if self.cold and operation.attempts:
            return operation.attempts[0].start_lo_ns
        return operation.start.lo_ns

    def call_to_wire_s(self) -> list[float]:
        """Return how long each operation took from its call to its first byte, in s: what a retry at
        once takes too. Of fresh processes nothing is known but that they are warm by then."""
        if self.cold:
            return [_WARM_S]
        return [(o.attempts[0].start_lo_ns - o.start.lo_ns) / 1e9 for o in self.sound() if o.attempts]

    def seen_until_ns(self, operation: Operation) -> int:
        """Return the last instant of an operation's undisturbed observation."""
        if operation.over_budget is not None:
            return operation.over_budget.lo_ns
        if operation.end is not None:
            return operation.end.lo_ns
        return self.history.events[-1].hi_ns

    def doubt(self) -> str:
        """Say why nothing could be judged: the first reason that applies."""
        return self.once("doubt", self._doubt)

    def _doubt(self) -> str:
        if any(o.unplanned for o in self.operations):
            return "harness_fault"
        if any(True for _ in self.history.of("opaque")):
            return "capture_missing"
        if any(o.ambiguous for o in self.operations):
            return "attribution"
        if any(a.doubtful for o in self.operations for a in o.attempts):
            return "noise"
        return "not_exercised"


def _doubt_late_answers(attribution: Attribution, profile: Profile) -> None:
    """Doubt an answer that began to come when the client's timeout was over, and on which it closed the
    connection: its timer may have fired before its reader ran, and nothing on the wire tells. Such
    operations are left out.

    Where no timeout is declared, it is the shortest after which the client was seen to give up.
    """
    exchanges = [*attribution.exchanges, *attribution.strays, *attribution.ambiguous]
    timeout_s = profile.read_timeout_s or min(
        ((a.client_left_ns - a.start_lo_ns) / 1e9 for a in exchanges
         if a.client_left_ns is not None and not a.complete), default=0.0)
    if not timeout_s:
        return
    for exchange in exchanges:
        left = exchange.client_closed_ns or exchange.client_left_ns
        if exchange.complete and left is not None and exchange.answer_ns is not None:
            took_s = (exchange.answer_ns - exchange.start_lo_ns) / 1e9
            soon = left - exchange.answer_ns <= _CLOSED_WITHIN_NS
            if soon and took_s >= timeout_s - max(_TIMER_S, _TIMER_SHARE * timeout_s):
                exchange.complete, exchange.doubtful, exchange.client_left_ns = False, True, left


def _body_field(body: str, name: str) -> str | None:
    """Read one field of a JSON or form-encoded body, also of one whose record was cut."""
    try:
        found = json.loads(body)
    except ValueError:
        form = parse_qs(body).get(name)
        cut = re.search(rf'"{re.escape(name.split(".")[-1])}"\s*:\s*"([^"\\]*)"', body)
        return form[0] if form else cut[1] if cut else None
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return str(found) if found is not None else None


def transient(attempt: Exchange) -> bool:
    """Whether an attempt failed in a way that a client may well try again: no whole answer, or a
    status that passes."""
    if attempt.word == "ok" or (attempt.word.startswith(("drip", "endless")) and not attempt.closed):
        return False
    return not attempt.complete or attempt.status in _TRANSIENT


@dataclass(frozen=True, slots=True)
class Teller:
    """Makes the verdicts of one invariant."""

    code: str
    name: str
    severity: str
    unit: str = ""

    def passed(self, case: Case, witnesses: int, **more: Any) -> Verdict:
        """The situation arose and the invariant held."""
        return self._verdict(Outcome.PASS, case, witnesses=witnesses, **more)

    def failed(self, case: Case, findings: list[Finding], **more: Any) -> Verdict:
        """The invariant is broken."""
        return self._verdict(Outcome.FAIL, case, findings=tuple(findings),
                             witnesses=more.pop("witnesses", len(findings)), **more)

    def unknown(self, case: Case, reason: str, note: str = "", **more: Any) -> Verdict:
        """The evidence does not say."""
        return self._verdict(Outcome.UNKNOWN, case, reason=reason, note=note, **more)

    def _verdict(self, outcome: Outcome, case: Case, **more: Any) -> Verdict:
        given = {"severity": self.severity, "unit": self.unit, "total": len(case.operations),
                 **more}
        return Verdict(self.code, self.name, outcome, **given)
