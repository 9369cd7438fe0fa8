"""A measured profile against an earlier one: a lock for resilience. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from galeproof.runner.measuring.reading import compact

__all__ = ["differences"]

_TIMES = ("read_timeout_s", "connect_timeout_s", "silence_s")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say what a client does otherwise than when it was locked.

    Counts, sets, kinds and header names are compared exactly; times within a fifth, or a quarter second;
    guesses within twice.

    Args:
        before, after: As ``Measured.as_json`` gives them.
    """
    old, new = before["values"], after["values"]
    found = []
    for name in sorted({*old, *new}):
        if name not in new:
            found.append(f"{name}: was {_shown(old[name])}, is not seen any more")
        elif name not in old:
            found.append(f"{name}: was not seen, is {_shown(new[name])}")
        elif name.endswith(_TIMES) and _within_a_guess(old[name], new[name]):
            continue
        elif not _same(name, old[name]["value"], new[name]["value"]):
            found.append(f"{name}: was {_shown(old[name])}, is {_shown(new[name])}")
    return found


def _same(name: str, old: Any, new: Any) -> bool:
    if name.endswith(_TIMES):
        return _near(old, new)
    if name.endswith("backoff"):
        return (_near(old["base_s"], new["base_s"]) and old["first_at_once"] == new["first_at_once"]
                and _same_cap(old, new)
                and _kind(old["jitter"]) == _kind(new["jitter"]))
    return bool(old == new)


def _within_a_guess(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """A time that was reckoned from a whole operation with drawn waits in it moves: only beyond twice as
    much is it another."""
    if "guess" not in (old.get("confidence"), new.get("confidence")):
        return False
    low, high = sorted((float(old["value"]), float(new["value"])))
    return high <= 2 * low


def _same_cap(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """A cap that was not reached is no more than the longest delay seen: the cap is that, or beyond."""
    shorter, longer = sorted((old, new), key=lambda told: float(told["cap_s"]))
    return _near(shorter["cap_s"], longer["cap_s"]) or not shorter["capped"]


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= max(0.25, 0.2 * max(abs(a), abs(b))) if max(a, b) > 1 else abs(a - b) <= 0.1


def _kind(jitter: Any) -> str:
    return "share" if isinstance(jitter, float) else str(jitter).split()[0]


def _shown(told: Mapping[str, Any]) -> str:
    value = told["value"]
    if isinstance(value, list) and value and all(isinstance(v, int) for v in value):
        return compact(value)
    if isinstance(value, list):
        numbers = [v for v in value if isinstance(v, int)]
        words = [v for v in value if isinstance(v, str)]
        return ", ".join([*words, *filter(None, [compact(numbers)])]) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return f"{value}"
