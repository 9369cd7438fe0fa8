"""The release gate: four rules above the families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from galeproof.model import Outcome, Verdict

__all__ = ["RULES", "Gate", "gate_of"]


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule and what the verdicts say of it.

    Attributes:
        rule: In words.
        state: ``holds``, ``broken`` or ``not shown``; never ``holds`` where a limit is undeclared.
        codes: The invariants that speak for it, those that break it or leave it open first.
        why: One sentence.
    """

    rule: str
    state: str
    codes: tuple[str, ...]
    why: str


# needed: without a PASS of each the rule is not shown; others of the rule may break it
RULES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("No external call without a timeout", ("TMO001", "TMO002"), ("TMO003", "TMO004", "TMO005", "TMO006")),
    ("No mutation without an idempotency plan", ("IDM001", "IDM002"),
     ("IDM003", "IDM004", "IDM005", "IDM006", "IDM007", "IDM008", "IDM009")),
    ("No retry without cap and jitter", ("RTY001", "JIT001"), ("RTY004", "JIT002", "JIT003", "JIT004")),
    ("No integration without signals", ("OBS001", "OBS002"), ("OBS003",)),
)


def gate_of(verdicts: Sequence[Verdict]) -> list[Gate]:
    """Return the four rules, each with its state."""
    by_code = {v.code: v for v in verdicts}
    return [_rule(rule, needed, others, by_code) for rule, needed, others in RULES]


def _rule(rule: str, needed: tuple[str, ...], others: tuple[str, ...],
          by_code: dict[str, Verdict]) -> Gate:
    seen = [by_code[code] for code in (*needed, *others) if code in by_code]
    broken = [v.code for v in seen if v.outcome is Outcome.FAIL]
    if broken:
        return Gate(rule, "broken", tuple(broken), f"{', '.join(broken)} FAIL")
    missing = [code for code in needed if code not in by_code]
    open_ = [v.code for v in seen if v.outcome is Outcome.UNKNOWN and (
        v.code in needed or v.reason == "undeclared")]
    if missing or open_:
        reasons = [f"{code} {by_code[code].reason}" for code in open_]
        reasons += [f"{code} was not run" for code in missing]
        return Gate(rule, "not shown", tuple(open_ + missing), "; ".join(reasons))
    passed = tuple(v.code for v in seen if v.outcome is Outcome.PASS)
    return Gate(rule, "holds", passed, f"{', '.join(passed)} PASS")
