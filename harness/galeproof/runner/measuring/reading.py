"""What histories of the measuring schedules say of a client's policy. Pure."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from galeproof.model import History
from galeproof.model.attribution import attribute
from galeproof.model.exchange import Exchange, Operation
from galeproof.runner.measuring.delays import Backoff, backoff_of, layers_of

__all__ = ["Measured", "Value", "compact", "read_busy", "read_hang", "read_key", "read_retry_after",
           "read_retried", "read_statuses", "slept_s"]


@dataclass(frozen=True, slots=True)
class Value:
    """One measured value: what it is, how sure, and on what evidence.

    ``confidence`` is ``exact`` (a count), ``measured`` (a time), ``at least`` (the watch ended first), or
    ``guess``.
    """

    value: Any
    confidence: str
    evidence: str


@dataclass(slots=True)
class Measured:
    """Values by name; of each kind of operation where they may differ (``read.retry_on``)."""

    subject: str
    values: dict[str, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the form that a lock file holds."""
        return {"schema": 1, "subject": self.subject, "notes": self.notes, "values": {
            name: {"value": v.value, "confidence": v.confidence, "evidence": v.evidence}
            for name, v in sorted(self.values.items())}}


def _operations(history: History) -> list[Operation]:
    return [o for o in attribute(history).operations if not o.ambiguous and not o.unplanned]


def slept_s(history: History) -> float:
    """Return how long an operation of an endless 503 waits between its attempts, on average, in s."""
    sums = [sum(_gaps(o)) for o in _operations(history) if o.requests]
    return statistics.mean(sums) if sums else 0.0


def read_busy(history: History) -> tuple[Value | None, Backoff | None, tuple[int, int] | None]:
    """Read an endless 503: attempts, backoff, layers."""
    operations = [o for o in _operations(history) if o.requests]
    if not operations:
        return None, None, None
    counts = sorted({len(o.requests) for o in operations})
    over = any(o.over_budget for o in operations)
    mixed = "" if len(counts) == 1 else "; a budget that operations share, or a deadline, cut some short"
    value = Value(counts[-1], "at least" if over else "exact",
                  f"{len(operations)} operations under an endless 503 made {compact(counts)} attempts{mixed}")
    gaps: dict[int, list[float]] = {}
    for operation in operations:
        for number, gap in enumerate(_gaps(operation), 1):
            gaps.setdefault(number, []).append(gap)
    medians = [statistics.median(values) for _, values in sorted(gaps.items())]
    layers = layers_of(medians) if len(counts) == 1 else None
    if layers:  # the inner layer's delays are the policy that was typed
        gaps = {number: values for number, values in gaps.items() if number < layers[1]}
    return value, backoff_of(gaps), layers


def _gaps(operation: Operation) -> list[float]:
    return [max(0.0, (b.start_lo_ns - (a.end_hi_ns or a.start_hi_ns)) / 1e9)
            for a, b in itertools.pairwise(operation.requests)]


def read_statuses(history: History) -> Value | None:
    """Read which statuses are tried again."""
    seen: dict[int, bool] = {}
    for operation in _operations(history):
        if operation.requests and operation.requests[0].status is not None:
            seen[operation.requests[0].status] = len(operation.requests) > 1
    if not seen:
        return None
    again = sorted(status for status, retried in seen.items() if retried)
    return Value(again, "exact", f"of {len(seen)} statuses ({compact(sorted(seen))}) tried again: "
                 f"{compact(again) or 'none'}")


def read_retried(history: History) -> bool | None:
    """Read whether a failure of the first attempt is tried again; None where it never happened."""
    operations = [o for o in _operations(history) if o.attempts or o.refusals]
    if not operations:
        return None
    return sum(len(o.attempts) + len(o.refusals) > 1 for o in operations) * 2 > len(operations)


def read_hang(history: History) -> tuple[Value | None, Value | None]:
    """Read an endless silence: the wait of one attempt, and of the whole operation."""
    waits, wholes, over = [], [], False
    for operation in _operations(history):
        over |= operation.over_budget is not None
        # some libraries hold the connection through the wait that follows: the soonest tells
        given_up = [w for a in operation.requests if (w := _waited(a)) is not None]
        waits += [min(given_up)] if given_up else []
        if operation.end is not None and operation.over_budget is None and operation.outcome != "killed":
            wholes.append((operation.end.lo_ns - operation.start.lo_ns) / 1e9)
    budget = float(history.header.get("budget_s") or 0)
    wait = Value(round(statistics.median(waits), 3), "measured",
                 f"attempts of {len(waits)} operations were given up after {min(waits):.2f} to "
                 f"{max(waits):.2f} s"
                 ) if waits and not over else Value(
        budget, "at least", f"still waiting after {budget:g} s") if over else None
    whole = Value(round(max(wholes), 3), "measured",
                  f"{len(wholes)} operations ended after {max(wholes):.2f} s of silence") if wholes else None
    return wait, whole


def _waited(attempt: Exchange) -> float | None:
    if attempt.client_left_ns is None or attempt.complete:
        return None
    return (attempt.client_left_ns - attempt.start_lo_ns) / 1e9


def read_retry_after(runs: Mapping[int, History]) -> tuple[Value | None, list[str]]:
    """Read how a Retry-After of so many seconds is treated.

    Returns:
        The largest that is waited for (0: none; None: never tried again), and notes.
    """
    obeyed, refused, shown, longest = [], [], [], 0
    for seconds, history in sorted(runs.items()):
        waits = [gaps[0] for o in _operations(history) if (gaps := _gaps(o))]
        over = any(o.over_budget for o in _operations(history))
        if waits and statistics.median(waits) >= seconds * 0.97 - 0.05:
            obeyed.append(seconds)
        elif over and not waits:
            longest = max(longest, seconds)
        else:
            refused.append(seconds)
            shown.append(f"{seconds} s: " + (f"tried again after {statistics.median(waits):.2f} s"
                                             if waits else "gave up"))
    if not obeyed and not refused:
        return None, []
    least = min((s for s in refused if s > max(obeyed, default=0)), default=None)
    if obeyed:
        sure = "exact" if least is not None else "at least"
        more = f"; {least} s is not" if least else f"; {longest} s was still waited for" if longest else ""
        value = Value(max(obeyed), sure, f"a Retry-After of {max(obeyed)} s is waited for{more}")
    else:
        value = Value(0, "exact", f"not waited for: {'; '.join(shown[:3])}")
    return value, shown


def read_key(history: History) -> Value | None:
    """Read which header carries an idempotency key: one value an operation, another in each."""
    seen: dict[str, list[set[str]]] = {}
    for operation in _operations(history):
        if len(operation.requests) < 2:
            continue
        for name in {n.lower() for a in operation.requests for n, _ in a.headers}:
            seen.setdefault(name, []).append({a.header(name) or "" for a in operation.requests})
    for name in sorted(seen, key=lambda n: ("idempotency" not in n, n)):
        values = seen[name]
        one_each = all(len(v) == 1 for v in values)
        apart = len({next(iter(v)) for v in values}) == len(values)
        if len(values) > 1 and "idempoten" in name and apart:
            return Value(name.title(), "exact" if one_each else "guess",
                         f"{len(values)} operations: " + ("one value over all attempts of each" if one_each
                                                          else "another value in each attempt"))
    return None


def compact(numbers: Iterable[int]) -> str:
    """Return numbers as people write them: ``408, 429, 500-599``."""
    parts: list[str] = []
    run: list[int] = []
    for number in [*sorted(numbers), None]:
        if run and (number is None or number != run[-1] + 1):
            parts += [str(n) for n in run] if len(run) < 3 else [f"{run[0]}-{run[-1]}"]
            run = []
        if number is not None:
            run.append(number)
    return ", ".join(parts)
