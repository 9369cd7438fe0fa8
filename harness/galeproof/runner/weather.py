"""One scenario on one subject: control in calm air, then the storm, then the history."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import platform
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from galeproof import __version__
from galeproof.errors import EngineError, SubjectError, WorldError
from galeproof.faults.steps import Schedule
from galeproof.kernel.clock import now_ns, sleep, wall_at_s
from galeproof.kernel.recorder import RawEvent, Recorder
from galeproof.model import History, Profile, make_history
from galeproof.runner.control import Control, check_control, check_storm
from galeproof.runner.forwarding import forwarding
from galeproof.runner.learning import learn
from galeproof.runner.provision import (
    authority_of,
    given_of,
    secrets_of,
    trust_file,
    words_of,
)
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.runner.workload import Group, calls_of, groups_of, lacks, left_out
from galeproof.scenario import NotApplicable, Scenario, schedule_of
from galeproof.scenario.quantity import resolve
from galeproof.subject import Call, Instance, drive
from galeproof.subject.heartbeat import Heartbeat
from galeproof.tap.forward import ForwardProxy
from galeproof.world import WorldRun

__all__ = ["OBSERVE_S", "Behind", "Run", "run_scenario"]

OBSERVE_S = 30.0
_LOOK_S = 0.2
_LINGER_S = 0.1  # what a timer of the subject says just after its last operation is heard


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
class _Work:
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


async def run_scenario(station: Station, subject: Subject, scenario: Scenario, seed: int,
                       observe_s: float = OBSERVE_S,
                       salvage: Callable[[History], object] = lambda history: None,
                       behind: Behind | None = None,
                       starting: AbstractAsyncContextManager[object] | None = None) -> Run:
    """Run one scenario.

    Args:
        station: The world that serves it.
        subject: The client under test; a fresh instance is made, its control included.
        scenario: What happens to it.
        seed: Draws references, secrets and effects.
        observe_s: Observation budget of one operation, where the scenario has none of its own.
        salvage: Given the partial history where the run is cancelled (Ctrl-C).
        behind: Who gives the healthy answers in the origin's place, or None.
        starting: Held while the subject starts and shows itself in calm air (a semaphore, where
            several scenarios run at once), or None.

    Returns:
        The run; a failed control or a harness fault is part of it, no exception.

    Raises:
        SubjectError: The instance could not be made.
    """
    await learn(station, subject, seed)
    schedule = schedule_of(scenario, subject.profile)
    expected = tuple(scenario.expect.exercised)
    if isinstance(schedule, NotApplicable):
        return Run(scenario.name, skipped=schedule.reason, expected=expected)
    unable = station.unable(schedule.lanes)
    if scenario.tls and importlib.util.find_spec("trustme") is None:
        unable = "TLS needs trustme: pip install 'galeproof[tls]'"
    if unable:
        return Run(scenario.name, skipped=unable, expected=expected)
    work = _Work(station, subject, scenario, seed, schedule, scenario.observe_s or observe_s,
                 behind, starting or contextlib.nullcontext(),
                 secrets_of(subject, scenario, seed))
    try:
        with station.open_run(tls=scenario.tls) as work.room, trust_file(work.room) as work.ca_file:
            await _guarded(work)
    except (WorldError, EngineError) as error:
        fault = station.world.fault or str(error)
        return Run(scenario.name, fault=fault, expected=expected, history=_history(work))
    except asyncio.CancelledError:
        work.interrupted = True
        salvage(_history(work))
        raise
    if work.skipped:
        return Run(scenario.name, skipped=work.skipped, expected=expected)
    if work.control and work.control.invalid:
        return Run(scenario.name, invalid=work.control.invalid, expected=expected)
    if work.ended:
        return Run(scenario.name, _history(work), invalid=f"{work.ended} in mid-storm",
                   expected=expected)
    history = _history(work)
    return Run(scenario.name, history, check_storm(history), station.world.fault, expected=expected)


async def _guarded(work: _Work) -> None:
    """Control and storm, ended early where the world dies: what follows would prove nothing."""
    storm = asyncio.ensure_future(_control_and_storm(work))
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
    storm.result()
    if world.fault:
        raise WorldError(world.fault)


async def _control_and_storm(work: _Work) -> None:
    async with forwarding(work.subject, lambda: work.world.port) as work.proxy:
        await _both(work)
        if work.proxy and work.proxy.refused and work.control and work.control.invalid:
            asked = ", ".join(sorted(set(work.proxy.refused))[:5])
            work.control = Control(f"{work.control.invalid} (refused by the proxy: {asked}; it may answer "
                                   f"for {', '.join(work.subject.hosts)} only)")


async def _both(work: _Work) -> None:
    recorder = Recorder(work.raw.append)
    with work.station.lanes(work.world, work.schedule.lanes) as (lanes, closing):
        async with work.starting:
            instance = await _open(work)
            try:
                work.skipped = lacks(work.scenario, instance.description)
                groups = groups_of(work.scenario, instance.description, work.subject.profile)
                _check_operations(work.subject.profile, instance)
                work.lacking = left_out(work.scenario, instance.description)
                if work.skipped:
                    pass
                elif not groups:
                    work.skipped = f"the subject has no {' or '.join(work.lacking)}"
                else:
                    await _calm(work, instance, groups, lanes, closing)
            except BaseException:
                await instance.close()
                raise
        if work.skipped or (work.control and work.control.invalid):
            await instance.close()
            return
        await _storm(work, instance, groups, recorder, lanes, closing)


def _check_operations(profile: Profile, instance: Instance) -> None:
    unknown = sorted(set(profile.operations) - set(instance.description.operations))
    if unknown:
        raise SubjectError(f"profile: operations.{unknown[0]}: the subject has no such operation; it "
                           f"has {', '.join(instance.description.operations)}")


async def _world(work: _Work, name: str, **args: Any) -> dict[str, Any]:
    call = functools.partial(work.world.call, name, **args)
    return await asyncio.get_running_loop().run_in_executor(None, call)


async def _begin(work: _Work, instance: Instance, calls: list[Call], schedule: list[Any],
                 lanes: dict[str, int], closing: list[str], calm: bool = False) -> None:
    specs = instance.description.operations
    behind = work.behind
    more: dict[str, Any] = {"upstream": behind.url, "value": behind.value} if behind else {}
    typed = work.subject.profile.typed_answers
    more["fields"] = list(typed) if isinstance(typed, tuple) else []
    refs = {call.ref: {**specs[call.operation].as_dict(), "amount": call.args["amount"], **more}
            for call in calls}
    work.world.events.clear()
    await _world(work, "begin", refs=refs, schedule=schedule, lanes=lanes, closing=closing,
                 key_where=work.subject.profile.idempotency_key or "Idempotency-Key",
                 seed=work.seed, deduplicate=True, calm=calm, **authority_of(
                     work.scenario, instance.description, work.secrets))


async def _rotate(work: _Work, instance: Instance, name: str, recorder: Recorder) -> None:
    """Another secret from now on: the subject's file has it, and the old one is refused."""
    taken = await instance.rotate(name, work.secrets[f"{name}_next"])
    await _world(work, "rotate", old=work.secrets[name])
    recorder.add("controller", "rotated", None, None, name=name, taken=taken)


async def _calm(work: _Work, instance: Instance, groups: list[Group], lanes: dict[str, int],
                closing: list[str]) -> None:
    """The control: each operation once, in calm air."""
    once = [Group(g.operation, g.kind, 1, 1, 0.0) for g in groups]
    calls = [c for _, made in calls_of(work.scenario, once, work.subject.profile, work.seed,
                                       "control") for c in made]
    recorder = Recorder(lambda event: None)
    await _begin(work, instance, calls, [], lanes, closing, calm=True)
    try:
        driven = await drive(
            instance, calls, recorder, concurrent=1, stagger_s=0, budget_s=work.budget_s,
            announce=lambda ref: _announce(work, ref), cut_off=lambda: _cut_off(work))
    finally:
        await _world(work, "end")
    work.control = check_control(calls, driven, list(work.world.events))


async def _announce(work: _Work, ref: str | None) -> None:
    await _world(work, "operation", ref=ref)


async def _cut_off(work: _Work) -> None:
    reply = await _world(work, "cut_off", move=True)
    work.world.port = reply["port"]


async def _storm(work: _Work, instance: Instance, groups: list[Group], recorder: Recorder,
                 lanes: dict[str, int], closing: list[str]) -> None:
    assert work.control is not None
    made = calls_of(work.scenario, groups, work.subject.profile, work.seed, "storm")
    calls = [call for _, group_calls in made for call in group_calls]
    work.refs = [call.ref for call in calls]
    # in one process two instances would listen to each other's descriptors
    together = work.scenario.together and not (work.control.one_at_a_time or work.subject.in_process)
    work.sequential = work.control.one_at_a_time or (not together and all(
        g.concurrent == 1 and not g.beside for g in groups))
    beat = Heartbeat(recorder, instance.pid)
    beat.start()
    try:
        steps = [step.as_dict() for step in work.schedule.steps]
        try:
            await _begin(work, instance, calls, steps, lanes, closing)
            if not together:
                await _start(work, instance, made, recorder, 1)
        finally:
            work.ended = instance.ended
            await _close(instance, recorder)
        if together:
            await _side_by_side(work, made, recorder)
        for number in range(2, 1 if together else work.scenario.starts + 1):
            fresh = await _open(work)
            try:
                await _start(work, fresh, made, recorder, number)
            finally:
                work.ended = work.ended or fresh.ended
                await _close(fresh, recorder)
    finally:
        beat.stop()
        ended = await _world(work, "end")
        work.effects, work.lag_ms = ended["effects"], ended["lag_p99_ms"]


async def _side_by_side(work: _Work, made: list[tuple[Group, list[Call]]],
                        recorder: Recorder) -> None:
    """All starts of the subject in one moment, as a fleet starts; then each its own share."""
    opened = await asyncio.gather(*(_open(work) for _ in range(work.scenario.starts)),
                                  return_exceptions=True)
    fresh = [found for found in opened if not isinstance(found, BaseException)]
    try:
        for failure in (found for found in opened if isinstance(found, BaseException)):
            raise failure
        await asyncio.gather(*(_start(work, instance, made, recorder, number)
                               for number, instance in enumerate(fresh, 1)))
    finally:
        for instance in fresh:
            work.ended = work.ended or instance.ended
            await _close(instance, recorder)


async def _open(work: _Work) -> Instance:
    instance = work.subject.instance()
    instance.timezone = work.scenario.timezone
    if work.proxy:
        instance.environment = work.proxy.environment()
    instance.given = given_of(work.world, work.ca_file)
    await instance.open(work.world.base_url, work.secrets)
    work.channels = instance.channels
    return instance


async def _start(work: _Work, instance: Instance, made: list[tuple[Group, list[Call]]],
                 recorder: Recorder, number: int) -> None:
    """One start of the subject: its share of each group's operations."""
    one = work.sequential
    stuck = False

    async def group_of(group: Group, calls: list[Call]) -> bool:
        if group.rotate:
            await _rotate(work, instance, group.rotate, recorder)
        if group.after_s:
            await sleep(group.after_s)
        share = -(-len(calls) // work.scenario.starts)
        driven = await drive(
            instance, calls[(number - 1) * share : number * share], recorder,
            concurrent=1 if one else group.concurrent, stagger_s=group.stagger_s,
            budget_s=work.budget_s, instance_number=number,
            announce=(lambda ref: _announce(work, ref)) if one else None,
            cut_off=lambda: _cut_off(work))
        return bool(driven.stuck)

    for row in _rows(made, one):
        stuck |= any(await asyncio.gather(*(group_of(group, calls) for group, calls in row)))
    if not stuck:  # connections were cut otherwise: what comes after says nothing
        await sleep(max(_LINGER_S, _linger_s(work)))


def _rows(made: list[tuple[Group, list[Call]]], one: bool) -> list[list[tuple[Group, list[Call]]]]:
    """Groups one after the other; those that run beside the one before, with it."""
    rows: list[list[tuple[Group, list[Call]]]] = []
    for item in made:
        if item[0].beside and rows and not one:
            rows[-1].append(item)
        else:
            rows.append([item])
    return rows


def _linger_s(work: _Work) -> float:
    """How long the instance stays open after its last operation, so that orphans are seen."""
    wanted = work.scenario.linger_s
    return resolve(wanted, work.subject.profile.quantities()) if wanted is not None else 0.0


async def _close(instance: Instance, recorder: Recorder) -> None:
    captured, probes = await instance.close()
    for at, data in captured:
        recorder.add("subject", "capture", None, None, lo_ns=at, **data)
    for probe in probes:
        recorder.add("subject", "probe", None, None, **probe)


def _history(work: _Work) -> History:
    raw = work.raw + (list(work.room.events) if work.room else [])
    start = min((event[0] for event in raw), default=now_ns())
    # the wall clock at the history's instant 0: dates are measured against it
    return make_history(_header(work, wall_at_s(start)), raw, start)


def _header(work: _Work, began_s: float) -> Mapping[str, Any]:
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
        "budget_s": work.budget_s, "linger_s": _linger_s(work), "starts": scenario.starts,
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
        **({"interrupted": True} if work.interrupted else {}),
    }
