"""A scenario and a profile to a schedule: every quantity becomes a number."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from galeproof.faults.steps import CLEAN, Answer, Drip, Schedule, Step, word_of
from galeproof.model import Profile
from galeproof.scenario.lane import toxics_of
from galeproof.scenario.model import Scenario, StepSpec
from galeproof.scenario.quantity import Quantity, Unresolved, resolve

__all__ = ["NotApplicable", "schedule_of"]


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """This scenario says nothing to this profile; ``reason`` tells why."""

    reason: str


def schedule_of(scenario: Scenario, profile: Profile) -> Schedule | NotApplicable:
    """Resolve a scenario's quantities by a profile.

    Returns:
        The schedule; NotApplicable where a quantity needs what the profile does not declare.
    """
    known = profile.quantities()
    lanes: dict[str, tuple[Mapping[str, Any], ...]] = {}
    steps = []
    try:
        for wait in (scenario.linger_s, *(g.cancel_after_s for g in scenario.operations),
                     *(g.after_s for g in scenario.operations)):
            if wait is not None:
                resolve(wait, known)
        for spec in sorted(scenario.steps, key=lambda s: s.attempts[0]):
            toxics = toxics_of(spec.lane, known)
            steps.append(_step(spec, _lane(toxics, lanes), toxics, known))
    except Unresolved as error:
        return NotApplicable(str(error))
    return Schedule(tuple(steps), lanes)


def _lane(toxics: tuple[dict[str, Any], ...],
          lanes: dict[str, tuple[Mapping[str, Any], ...]]) -> str:
    """One lane for each distinct set of toxics."""
    if not toxics:
        return CLEAN
    text = json.dumps(toxics, sort_keys=True)
    for name, made in lanes.items():
        if json.dumps(made, sort_keys=True) == text:
            return name
    name = f"lane-{len(lanes) + 1}"
    lanes[name] = toxics
    return name


def _step(spec: StepSpec, lane: str, toxics: tuple[dict[str, Any], ...],
          known: Mapping[str, float]) -> Step:
    def number(quantity: Quantity | None) -> float | None:
        return None if quantity is None else resolve(quantity, known)

    given = spec.answer
    after = spec.retry_after
    drip = Drip(given.drip.part, resolve(given.drip.every_s, known)) if given.drip else None
    answer = Answer(
        status=given.status, headers=dict(given.headers), effect=given.effect,
        headers_each=dict(given.headers_each),
        # delay-seconds are whole (RFC 9110, 10.2.3): never less than what was asked for
        retry_after_s=math.ceil(number(after.seconds) or 0) if after and after.seconds else None,
        retry_after_date_s=number(after.date_in_s) if after else None,
        retry_after_form=after.date_form if after else "imf",
        drip=drip, delay_s=number(given.delay_s) or 0.0, body=given.body,
        garbage=given.garbage if isinstance(given.garbage, str) else None,
        garbages=() if isinstance(given.garbage, str) else given.garbage or (),
        framing=given.framing, bloat=given.bloat,
        location=given.location if isinstance(given.location, str) else None,
        locations=() if isinstance(given.location, str) else given.location or (),
        close=given.close, statuses=given.statuses,
        endless=given.endless, date_skew_s=given.date_skew_s)
    word = word_of(answer, spec.cut)
    if given.statuses:
        word = "statuses"
    if toxics and word == "ok":
        word = "lane " + "+".join(str(toxic["type"]) for toxic in toxics)
    first, last = spec.attempts
    return Step(first, last, lane, answer, spec.cut, word, spec.chance, spec.operations, spec.from_s,
                spec.to_s, spec.origin)
