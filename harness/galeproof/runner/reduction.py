"""Smaller versions of a scenario: pure functions on what its file says.

A step that goes leaves no hole: the later ones move forward, so that the attempt that met the next
fault still meets it. Attempts that no step names are healthy answers between two faults and go alike.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Plan", "plain", "reductions", "size_of"]

Plan = dict[str, Any]
_EXTRAS = ("together", "starts", "timezone", "linger_s", "quiet")
_PARTIAL = {"chance", "operations", "from_s", "to_s", "origin"}
_STEP_EXTRAS = ("lane", "retry_after")


def plain(plan: Mapping[str, Any], code: str) -> Plan:
    """Return a scenario's mapping with its attempts as ``[first, last]``, holes filled with healthy
    answers, and one expectation."""
    made = copy.deepcopy(dict(plan))
    steps = sorted((dict(step) for step in made.get("steps") or ()), key=lambda s: _range(s)[0])
    if any(_PARTIAL & set(step) for step in steps):  # they overlap: nothing to be moved
        made["steps"] = [{**step, "attempts": _text(_range(step))} for step in steps]
    else:
        made["steps"] = []
        at = 1
        for step in steps:
            first, last = _range(step)
            if first > at:
                made["steps"].append({"attempts": _text((at, first - 1)), "answer": "ok"})
            made["steps"].append({**step, "attempts": _text((first, last))})
            at = (last or first) + 1
    made["expect"] = {"exercised": [code]}
    return made


def size_of(plan: Plan) -> tuple[int, int, int]:
    """Return (steps, operations, the largest concurrency): what is made small, in that order."""
    operations = plan["operations"]
    return (len(plan["steps"]), sum(group["count"] for group in operations),
            max(group.get("concurrent", 1) for group in operations))


def reductions(plan: Plan) -> Iterator[Plan]:
    """Yield smaller versions, the boldest first."""
    yield from _fewer_operations(plan)
    yield from _fewer_steps(plan)
    yield from _shorter_steps(plan)
    yield from _simpler(plan)


def _fewer_operations(plan: Plan) -> Iterator[Plan]:
    groups = plan["operations"]
    for index in range(len(groups)):
        rest = groups[:index] + groups[index + 1 :]
        if rest and not rest[0].get("again") and not rest[0].get("beside") and not (
                index + 1 < len(groups) and groups[index + 1].get("again")):
            yield {**plan, "operations": rest}
    most = max(group["count"] for group in groups)
    for count in dict.fromkeys((1, most // 4, most // 2, most - 1)):
        if 1 <= count < most:
            yield {**plan, "operations": [
                {**group, "count": min(count, group["count"]),
                 "concurrent": min(count, group.get("concurrent", 1))} for group in groups]}
    if any(group.get("concurrent", 1) > 1 for group in groups):
        yield {**plan, "operations": [{**group, "concurrent": 1} for group in groups]}


def _fewer_steps(plan: Plan) -> Iterator[Plan]:
    """Leave out halves, quarters and so on, down to single steps."""
    steps = plan["steps"]
    length = len(steps) // 2
    while length >= 1:
        for begin in range(0, len(steps), length):
            yield {**plan, "steps": _moved(steps[:begin] + steps[begin + length :])}
        length //= 2


def _shorter_steps(plan: Plan) -> Iterator[Plan]:
    steps = plan["steps"]
    for index, step in enumerate(steps):
        first, last = _range(step)
        if last != first and not (last is None and index + 1 < len(steps)):
            one = {**step, "attempts": _text((first, first))}
            yield {**plan, "steps": _moved([*steps[:index], one, *steps[index + 1:]])}


def _simpler(plan: Plan) -> Iterator[Plan]:
    for key in _EXTRAS:
        if key in plan:
            yield {name: value for name, value in plan.items() if name != key}
    for index, step in enumerate(plan["steps"]):
        for key in _STEP_EXTRAS:
            if key in step:
                less = {name: value for name, value in step.items() if name != key}
                yield {**plan, "steps": [*plan["steps"][:index], less, *plan["steps"][index + 1 :]]}
        lane = step.get("lane")
        if isinstance(lane, list) and len(lane) > 1:
            for at in range(len(lane)):
                less = {**step, "lane": lane[:at] + lane[at + 1 :]}
                yield {**plan, "steps": [*plan["steps"][:index], less, *plan["steps"][index + 1 :]]}


def _moved(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Close the holes."""
    if any(step.get("chance", 1) != 1 for step in steps):
        return steps
    made, at = [], 1
    for step in steps:
        first, last = _range(step)
        end = None if last is None else at + last - first
        made.append({**step, "attempts": _text((at, end))})
        at = (end or at) + 1
    return made


def _range(step: Mapping[str, Any]) -> tuple[int, int | None]:
    found = re.fullmatch(r"\s*(\d+)\s*(-?)\s*(\d*)\s*", str(step["attempts"]))
    assert found  # the file was validated
    first = int(found[1])
    return first, int(found[3]) if found[3] else None if found[2] else first


def _text(wanted: tuple[int, int | None]) -> int | str:
    first, last = wanted
    return first if last == first else f"{first}-" if last is None else f"{first}-{last}"
