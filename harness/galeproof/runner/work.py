"""One run in the making: what its parts share, and the history that is left of it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from galeproof import __version__
from galeproof.faults.steps import Schedule
from galeproof.kernel.clock import now_ns, wall_at_s
from galeproof.kernel.recorder import RawEvent
from galeproof.model import History, make_history
from galeproof.runner.control import Control
from galeproof.runner.provision import words_of
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.scenario import Scenario
from galeproof.scenario.quantity import resolve
from galeproof.tap.forward import ForwardProxy
from galeproof.world import WorldRun

__all__ = ["Behind", "Work", "history_of", "linger_s"]


@dataclass(frozen=True, slots=True)
class Behind:
    """A Pact mock server or a real provider behind the origin: its address, and a string that
    each of its healthy answers contains (None where there is none)."""

    url: str
    value: str | None = None


@dataclass(slots=True)
class Work:
    """One run in the making."""

    station: Station
    subject: Subject
    scenario: Scenario
    seed: int
    schedule: Schedule
    budget_s: float
    behind: Behind | None
    starting: AbstractAsyncContextManager[object]
    secrets: dict[str, str]
    room: WorldRun | None = None
    ca_file: str | None = None
    raw: list[RawEvent] = field(default_factory=list)
    refs: list[str] = field(default_factory=list)
    control: Control | None = None
    skipped: str | None = None
    ended: str | None = None
    lacking: list[str] = field(default_factory=list)
    sequential: bool = False
    effects: int = 0
    lag_ms: float = 0.0
    channels: tuple[str, ...] = ()
    interrupted: bool = False
    proxy: ForwardProxy | None = None

    @property
    def world(self) -> WorldRun:
        """The run's own tap and origin."""
        assert self.room is not None
        return self.room


def linger_s(work: Work) -> float:
    """How long the instance stays open after its last operation, so that orphans are seen."""
    wanted = work.scenario.linger_s
    return resolve(wanted, work.subject.profile.quantities()) if wanted is not None else 0.0


def history_of(work: Work) -> History:
    """Return the history of what was recorded so far."""
    raw = work.raw + (list(work.room.events) if work.room else [])
    start = min((event[0] for event in raw), default=now_ns())
    # the wall clock at the history's instant 0: dates are measured against it
    return make_history(_header(work, wall_at_s(start)), raw, start)


def _header(work: Work, began_s: float) -> Mapping[str, Any]:
    scenario = work.scenario
    return {
        "scenario": scenario.name, "seed": work.seed, "engine": work.station.engine,
        "subject": work.subject.name, "target": work.subject.target, "version": __version__,
        "profile": work.subject.profile.model_dump(mode="json", exclude_unset=True),
        "refs": work.refs, "secrets": work.secrets, "sequential": work.sequential,
        "origin": work.room.base_url.partition("://")[2] if work.room else "",
        "expect": {"outcome": scenario.expect.outcome,
                   "exercised": list(scenario.expect.exercised)},
        "start_wall_s": round(began_s, 3), "lag_p99_ms": work.lag_ms,
        "budget_s": work.budget_s, "linger_s": linger_s(work), "starts": scenario.starts,
        "fresh_process": not work.subject.in_process,
        "words": words_of(work.scenario, work.schedule),
        "lanes": {name: list(toxics) for name, toxics in work.schedule.lanes.items()},
        "spoiled": work.schedule.steps[-1].first - 1 if work.schedule.steps else 0,
        "channels": list(work.channels),
        **({"rests": True} if any(g.after_s for g in scenario.operations) else {}),
        **({"tokens": scenario.tokens.model_dump()} if scenario.tokens else {}),
        **({"tls": True} if scenario.tls else {}),
        **({"cold": True} if work.subject.cold else {}),
        **({"foreign": True} if work.subject.foreign else {}),
        "left_out": work.lacking,
        "attribution": work.control.where if work.control else None,
        "effects": work.effects, "python": platform.python_version(),
        **({"distrusted": dict(work.station.distrusted)} if work.station.distrusted else {}),
        **({"interrupted": True} if work.interrupted else {}),
    }
