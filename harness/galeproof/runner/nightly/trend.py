"""What a night says beside the nights before it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["KINDS", "Tally", "Trend", "trends"]

# what needs looking at first
KINDS = ("regression", "new", "known", "flake", "accepted", "mended", "sound")

_SHADES = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Tally:
    """How often an invariant was decided in one scenario in one night."""

    code: str
    scenario: str
    fails: int
    passes: int
    unknown: int

    @property
    def word(self) -> str:
        """``fails`` (whenever decided), ``mixed``, ``passes``, or ``open``."""
        if self.fails and self.passes:
            return "mixed"
        return "fails" if self.fails else "passes" if self.passes else "open"


@dataclass(frozen=True, slots=True)
class Trend:
    """One invariant over the nights.

    Attributes:
        code: The invariant.
        fails, passes, unknown: Tonight, over all scenarios and seeds.
        kind: ``regression`` (fails in a scenario where it passed the night before), ``flake`` (fails with
            some seeds only, in a scenario where it was not failing always), ``known`` (failed the night
            before too), ``new`` (no night before tells), ``accepted`` (fails, and the baseline accepts it
            there), ``mended`` (failed then, passes now), or ``sound``.
        where: The scenarios that this is about.
        line: The share of failures in each night, oldest first, as a picture of one character a night.
    """

    code: str
    fails: int
    passes: int
    unknown: int
    kind: str
    where: tuple[str, ...]
    line: str


def trends(nights: Sequence[Sequence[Tally]],
           accepted: Callable[[str, str], object] = lambda code, scenario: False) -> list[Trend]:
    """Compare.

    Args:
        nights: The tallies of each night, oldest first; the last one is tonight.
        accepted: Whether the baseline accepts a failure of an invariant in a scenario.

    Returns:
        A trend for each invariant of tonight, what needs looking at first.
    """
    tonight = nights[-1]
    before = {(t.code, t.scenario): t for t in nights[-2]} if len(nights) > 1 else {}
    found = [_trend(code, [t for t in tonight if t.code == code], before, nights,
                    accepted) for code in sorted({t.code for t in tonight})]
    return sorted(found, key=lambda t: (KINDS.index(t.kind), t.code))


def _trend(code: str, tallies: list[Tally], before: Mapping[tuple[str, str], Tally],
           nights: Sequence[Sequence[Tally]], accepted: Callable[[str, str], object]) -> Trend:
    by_kind: dict[str, list[str]] = {}
    for tally in tallies:
        kind = "accepted" if tally.fails and accepted(code, tally.scenario) else _kind(
            tally, before.get((code, tally.scenario)))
        by_kind.setdefault(kind, []).append(tally.scenario)
    kind = next((k for k in KINDS if k in by_kind), "sound")
    line = "".join(_shade([t for t in night if t.code == code]) for night in nights)
    return Trend(code, sum(t.fails for t in tallies), sum(t.passes for t in tallies),
                 sum(t.unknown for t in tallies), kind,
                 tuple(sorted(by_kind.get(kind, ()))) if kind != "sound" else (), line)


def _kind(tally: Tally, before: Tally | None) -> str:
    was = before.word if before else "open"
    if tally.word == "mixed":
        return "flake" if was in ("passes", "mixed", "open") else "known"
    if tally.word == "fails":
        return {"passes": "regression", "mixed": "known", "fails": "known"}.get(was, "new")
    return "mended" if tally.word == "passes" and was == "fails" else "sound"


def _shade(tallies: list[Tally]) -> str:
    decided = sum(t.fails + t.passes for t in tallies)
    if not decided:
        return "·"
    share = sum(t.fails for t in tallies) / decided
    return _SHADES[0] if share == 0 else _SHADES[max(1, round(share * 8))]
