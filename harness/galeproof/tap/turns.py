"""What of a step differs from operation to operation: one status, one part, one kind each, in turn."""

from __future__ import annotations

from typing import Any

from galeproof.faults.steps import DATE_FORMS, DRIP_PARTS, FRAMINGS

__all__ = ["settled"]


def settled(step: dict[str, Any], turn: int) -> dict[str, Any]:
    """Return a step as it holds for one operation.

    Args:
        step: As ``faults.steps.Step.as_dict`` gives it.
        turn: Which operation of the run it is, from 0.
    """
    answer = dict(step.get("answer") or {})
    drip = answer.get("drip") or {}
    if drip.get("part") == "each":
        part = DRIP_PARTS[turn % len(DRIP_PARTS)]
        answer["drip"] = {**drip, "part": part}
        step["word"] = f"drip {part}"
    if answer.get("retry_after_form") == "each":
        answer["retry_after_form"] = DATE_FORMS[turn % len(DATE_FORMS)]
    if answer.get("framing") == "each":
        answer["framing"] = FRAMINGS[turn % len(FRAMINGS)]
    if locations := answer.get("locations"):
        at = turn // max(1, len(answer.get("statuses") or ()))  # every status meets every place
        answer["location"] = locations[at % len(locations)]
    if each := answer.get("headers_each"):
        answer["headers"] = {**(answer.get("headers") or {}),
                             **{name: values[turn % len(values)] for name, values in each.items()}}
    if statuses := answer.get("statuses"):
        answer["status"] = statuses[turn % len(statuses)]
        step["word"] = str(answer["status"])
    if garbages := answer.get("garbages"):
        answer["garbage"] = garbages[turn % len(garbages)]
        answer["garbage_nth"] = turn // len(garbages)  # of the values that can be spoilt so
        step["word"] = f"garbage {answer['garbage']}"
    step["answer"] = answer
    return step
