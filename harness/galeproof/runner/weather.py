"""One scenario on one subject: control in calm air, then the storm, then the history."""

from __future__ import annotations

import asyncio
import functools
import itertools
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from galeproof import __version__
from galeproof.errors import EngineError, WorldError
from galeproof.faults.steps import Schedule
from galeproof.kernel.chance import canary, reference, stream
from galeproof.kernel.clock import now_ns, wall_s
from galeproof.kernel.recorder import RawEvent, Recorder
from galeproof.model import History, make_history
from galeproof.runner.control import Control, check_control
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.scenario import NotApplicable, Scenario, schedule_of
from galeproof.scenario.quantity import resolve
from galeproof.subject import Call, Instance, drive
from galeproof.subject.capture import CHANNELS
from galeproof.subject.heartbeat import Heartbeat

__all__ = ["OBSERVE_S", "Behind", "Run", "run_scenario"]

OBSERVE_S = 30.0
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one scenario.

    Attributes:
        scenario: Its name.
        history: The record; None where it was not run.
        invalid: Why the control failed, or None.
        fault: Why the harness is to blame, or None.
        skipped: Why the scenario does not apply to this subject, or None.
        expected: The invariants that it must exercise.
    """

    scenario: str
    history: History | None = None
    invalid: str | None = None
    fault: str | None = None
    skipped: str | None = None
    expected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Behind:
    """A Pact mock server or a real provider behind the origin: its address, and a string that
    each of its healthy answers contains (None where there is none)."""

    url: str
    value: str | None = None


@dataclass(slots=True)
class _Group:
    operation: str
    kind: str
    count: int
    concurrent: int
    stagger_s: float
    cancel_s: float | None = None


@dataclass(slots=True)
class _Work:
    """One run in the making."""

    station: Station
    subject: Subject
    scenario: Scenario
    seed: int
    schedule: Schedule
    budget_s: float
    behind: Behind | None = None
    raw: list[RawEvent] = field(default_factory=list)
    refs: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    control: Control | None = None
    sequential: bool = False
    effects: int = 0
    lag_ms: float = 0.0
    interrupted: bool = False


async def run_scenario(station: Station, subject: Subject, scenario: Scenario, seed: int,
                       observe_s: float = OBSERVE_S,
                       salvage: Callable[[History], object] = lambda history: None,
                       behind: Behind | None = None) -> Run:
    """Run one scenario.

    Args:
        station: The world that serves it.
        subject: The client under test; a fresh instance is made.
        scenario: What happens to it.
        seed: Draws references, secrets and effects.
        observe_s: Observation budget of one operation, where the scenario has none of its own.
        behind: Who gives the healthy answers in the origin's place, or None.
        salvage: Given the partial history where the run is cancelled (Ctrl-C).

    Returns:
        The run; a failed control or a harness fault is part of it, no exception.

    Raises:
        SubjectError: The instance could not be made.
    """
    schedule = schedule_of(scenario, subject.profile)
    expected = tuple(scenario.expect.exercised)
    if isinstance(schedule, NotApplicable):
        return Run(scenario.name, skipped=schedule.reason, expected=expected)
    work = _Work(station, subject, scenario, seed, schedule, scenario.observe_s or observe_s,
                 behind)
    work.secrets = {"api_key": canary(stream(seed, f"{scenario.name}/secret"))}
    try:
        skipped = await _calm(work)
        if skipped:
            return Run(scenario.name, skipped=skipped, expected=expected)
        if work.control and work.control.invalid:
            return Run(scenario.name, invalid=work.control.invalid, expected=expected)
        history = await _guarded(work)
    except (WorldError, EngineError) as error:
        fault = station.world.fault or str(error)
        return Run(scenario.name, fault=fault, expected=expected, history=_history(work))
    except asyncio.CancelledError:
        work.interrupted = True
        salvage(_history(work))
        raise
    return Run(scenario.name, history, fault=station.world.fault, expected=expected)


def _groups(work: _Work, instance: Instance) -> list[_Group]:
    groups = []
    for wanted in work.scenario.operations:
        names = instance.description.of_kind(wanted.kind)
        if wanted.name is not None:
            names = [name for name in names if name == wanted.name]
        if wanted.takes is not None:
            specs = instance.description.operations
            names = [name for name in names if wanted.takes in specs[name].takes]
        cancel_s = None
        if wanted.cancel_after_s is not None:
            cancel_s = resolve(wanted.cancel_after_s, work.subject.profile.quantities())
            names = [n for n in names if instance.description.operations[n].cancellable]
        if names:
            groups.append(_Group(names[0], wanted.kind, wanted.count, wanted.concurrent,
                                 wanted.stagger_s, cancel_s))
    return groups


def _calls(work: _Work, groups: list[_Group], label: str) -> list[tuple[_Group, list[Call]]]:
    rng = stream(work.seed, f"{work.scenario.name}/{label}")
    amounts = itertools.count(1001)
    made = []
    for group in groups:
        calls = []
        for _ in range(group.count):
            ref, amount = reference(rng), next(amounts)
            args = {"ref": ref, "amount": amount, "key": f"key-{ref}",
                    "body": _body(ref, amount),
                    "deadline_s": work.subject.profile.deadline_s or 30.0}
            calls.append(Call(ref, group.operation, group.kind, args, group.cancel_s))
        made.append((group, calls))
    return made


def _body(ref: str, amount: int) -> str:
    """A request body of exactly 64 KiB of ASCII, a different one for each operation."""
    return (f"{ref} {amount} " * 4096)[:65536]


async def _world(work: _Work, name: str, **args: Any) -> dict[str, Any]:
    call = functools.partial(work.station.world.call, name, **args)
    return await asyncio.get_running_loop().run_in_executor(None, call)


async def _begin(work: _Work, instance: Instance, calls: list[Call], schedule: list[Any],
                 lanes: dict[str, int], closing: list[str]) -> None:
    specs = instance.description.operations
    behind = work.behind
    more = {"upstream": behind.url, "value": behind.value} if behind else {}
    refs = {call.ref: {**specs[call.operation].as_dict(), "amount": call.args["amount"], **more}
            for call in calls}
    work.station.world.events.clear()
    await _world(work, "begin", refs=refs, schedule=schedule, lanes=lanes, closing=closing,
                 key_where=work.subject.profile.idempotency_key or "Idempotency-Key",
                 seed=work.seed, deduplicate=True, routes=dict(instance.description.routes))


async def _calm(work: _Work) -> str | None:
    """The control: each operation once, in calm air. Returns why nothing applies, or None."""
    with work.station.lanes({}) as (lanes, closing):
        raw: list[RawEvent] = []
        recorder = Recorder(raw.append)
        instance = await _open(work)
        try:
            groups = [_Group(g.operation, g.kind, 1, 1, 0.0) for g in _groups(work, instance)]
            if not groups:
                kinds = " or ".join(sorted({o.kind for o in work.scenario.operations}))
                return f"the subject has no {kinds} operation"
            calls = [c for _, made in _calls(work, groups, "control") for c in made]
            await _begin(work, instance, calls, [], lanes, closing)
            driven = await drive(
                instance, calls, recorder, concurrent=1, stagger_s=0, budget_s=work.budget_s,
                announce=lambda ref: _announce(work, ref), cut_off=lambda: _cut_off(work))
        finally:
            await instance.close()
            await _world(work, "end")
    work.control = check_control(calls, driven, list(work.station.world.events))
    return None


async def _announce(work: _Work, ref: str | None) -> None:
    await _world(work, "operation", ref=ref)


async def _cut_off(work: _Work) -> None:
    reply = await _world(work, "cut_off", move=True)
    work.station.world.port = reply["port"]


async def _guarded(work: _Work) -> History:
    """The storm, ended early where the world dies: what follows would prove nothing."""
    storm = asyncio.ensure_future(_storm(work))
    world = work.station.world
    try:
        while not storm.done() and not world.fault:
            await asyncio.wait({storm}, timeout=_LOOK_S)
    finally:
        if not storm.done():
            storm.cancel()
            await asyncio.wait({storm})
    if storm.cancelled():
        raise WorldError(world.fault or "the storm was cancelled")
    return storm.result()


async def _storm(work: _Work) -> History:
    steps = [step.as_dict() for step in work.schedule.steps]
    assert work.control is not None
    with work.station.lanes(work.schedule.lanes) as (lanes, closing):
        recorder = Recorder(work.raw.append)
        beat = Heartbeat(recorder)
        beat.start()
        made: list[tuple[_Group, list[Call]]] = []
        try:
            for number in range(1, work.scenario.starts + 1):
                instance = await _open(work)
                try:
                    if not made:
                        made = _calls(work, _groups(work, instance), "storm")
                        calls = [call for _, group_calls in made for call in group_calls]
                        work.refs = [call.ref for call in calls]
                        work.sequential = work.control.one_at_a_time or all(
                            group.concurrent == 1 for group, _ in made)
                        await _begin(work, instance, calls, steps, lanes, closing)
                    await _start(work, instance, made, recorder, number)
                finally:
                    await _close(instance, recorder)
        finally:
            beat.stop()
            ended = await _world(work, "end")
            work.effects, work.lag_ms = ended["effects"], ended["lag_p99_ms"]
    return _history(work)


async def _open(work: _Work) -> Instance:
    instance = work.subject.make()
    instance.timezone = work.scenario.timezone
    await instance.open(work.station.world.base_url, work.secrets)
    return instance


async def _start(work: _Work, instance: Instance, made: list[tuple[_Group, list[Call]]],
                 recorder: Recorder, number: int) -> None:
    """One start of the subject: its share of each group's operations."""
    one = work.sequential
    for group, calls in made:
        share = -(-len(calls) // work.scenario.starts)
        await drive(
            instance, calls[(number - 1) * share : number * share], recorder,
            concurrent=1 if one else group.concurrent, stagger_s=group.stagger_s,
            budget_s=work.budget_s, instance_number=number,
            announce=(lambda ref: _announce(work, ref)) if one else None,
            cut_off=lambda: _cut_off(work))


async def _close(instance: Instance, recorder: Recorder) -> None:
    captured, probes = await instance.close()
    for at, data in captured:
        recorder.add("subject", "capture", None, None, lo_ns=at, **data)
    for probe in probes:
        recorder.add("subject", "probe", None, None, **probe)


def _history(work: _Work) -> History:
    raw = work.raw + list(work.station.world.events)
    start = min((event[0] for event in raw), default=now_ns())
    return make_history(_header(work), raw, start)


def _header(work: _Work) -> Mapping[str, Any]:
    scenario = work.scenario
    return {
        "scenario": scenario.name, "seed": work.seed, "engine": work.station.engine,
        "subject": work.subject.name, "target": work.subject.target, "version": __version__,
        "profile": work.subject.profile.model_dump(mode="json", exclude_unset=True),
        "refs": work.refs, "secrets": work.secrets, "sequential": work.sequential,
        "origin": work.station.world.base_url.removeprefix("http://"),
        "expect": {"outcome": scenario.expect.outcome,
                   "exercised": list(scenario.expect.exercised)},
        "start_wall_s": round(wall_s(), 3), "lag_p99_ms": work.lag_ms,
        "budget_s": work.budget_s, "starts": scenario.starts,
        "fresh_process": not work.subject.in_process,
        "words": [step.word for step in work.schedule.steps],
        "spoiled": work.schedule.steps[-1].first - 1 if work.schedule.steps else 0,
        "channels": list(CHANNELS),
        "attribution": work.control.where if work.control else None,
        "effects": work.effects, "python": platform.python_version(),
        **({"interrupted": True} if work.interrupted else {}),
    }
