"""The control: does the subject work in calm air, and where does the reference arrive?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from galeproof.kernel.recorder import RawEvent
from galeproof.model import History
from galeproof.model.attribution import attribute
from galeproof.runner.firing import planned
from galeproof.subject import Call, Driven

__all__ = ["Control", "check_control", "check_storm"]


@dataclass(frozen=True, slots=True)
class Control:
    """What the control showed.

    Attributes:
        invalid: Why this subject cannot be judged, or None.
        where: ``head`` or ``body``: where references arrive.
    """

    invalid: str | None
    where: str = "head"

    @property
    def one_at_a_time(self) -> bool:
        """References in bodies only: operations run one at a time."""
        return self.where == "body"


def check_control(calls: Sequence[Call], driven: Driven, events: Sequence[RawEvent]) -> Control:
    """Judge the control of one run.

    Args:
        calls: What was called, one after another.
        driven: What came of it.
        events: The world's events.
    """
    where = "head"
    for call in calls:
        outcome = driven.outcomes.get(call.ref)
        if outcome is None or outcome.outcome != "ok":
            error = outcome.error if outcome and outcome.error else {"type": "?", "text": "?"}
            return Control(f"{call.operation} fails in calm air: {error.get('type')}: "
                           f"{error.get('text') or error.get('message')}")
        heads = [e for e in events if e[3] == "head" and e[5] == call.ref]
        if not heads:
            return Control(f"{call.operation} succeeds without touching the tap: "
                           "is base_url used, and does nothing answer from a cache?")
        if any(e[6]["by"] == "head" for e in heads):
            continue
        bodies = [e for e in events if e[3] == "request_end" and e[5] == call.ref]
        if not any(call.ref in e[6]["body"].lower() for e in bodies):
            return Control(f"{call.operation}: its reference reaches neither head nor body of any "
                           "request: pass ref in the path, or by a per-call header option "
                           "(extra_headers, options.headers), or by a transport hook")
        where = "body"
    for call in calls:
        lost = _value_lost(call, driven, events)
        if lost:
            return Control(lost)
    return Control(None, where)


def check_storm(history: History) -> str | None:
    """Say why a storm does not count although the control was sound: an operation succeeded that no
    attempt was seen of, or failed where no fault was planned."""
    attribution = attribute(history)
    operations = attribution.operations
    calm = not planned(history)
    if history.header.get("rests") and operations and operations[0].outcome == "ok":
        calm = False  # what fails after a rest is CON001's matter
    if calm and (bad := [o for o in operations if o.outcome == "failed"]):
        error = (bad[0].error or {}).get("type")
        return f"{len(bad)} of {len(operations)} operations fail in calm air, the first with {error}"
    if any(e.by != "route" for e in [*attribution.strays, *attribution.ambiguous]):
        return None  # some request named no operation: it may have been theirs
    idle = [o for o in operations if o.outcome == "ok" and not o.attempts and not o.refusals]
    if idle:
        return (f"{len(idle)} of {len(operations)} operations succeeded without touching the tap: "
                "does something answer from a cache?")
    return None


def _value_lost(call: Call, driven: Driven, events: Sequence[RawEvent]) -> str | None:
    values = [e[6]["value"] for e in events if e[3] == "answered" and e[5] == call.ref]
    value = next((v for v in reversed(values) if v), None)
    if value and value not in json.dumps(driven.outcomes[call.ref].value):
        return (f"{call.operation} returns nothing of the provider's answer in calm air "
                f"(expected {value!r} in it): return what your caller gets")
    return None
