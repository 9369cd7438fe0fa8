"""One scenario on one subject: control in calm air, then the storm, then the history."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from galeproof.errors import EngineError, SubjectError, WorldError
from galeproof.kernel.clock import sleep
from galeproof.kernel.recorder import Recorder
from galeproof.model import History, Profile
from galeproof.runner.control import Control, check_control, check_storm
from galeproof.runner.forwarding import forwarding
from galeproof.runner.learning import learn
from galeproof.runner.provision import (
    authority_of,
    given_of,
    secrets_of,
    trust_file,
)
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.runner.work import Behind, Work, history_of, linger_s
from galeproof.runner.workload import Group, calls_of, groups_of, lacks, left_out
from galeproof.scenario import NotApplicable, Scenario, schedule_of
from galeproof.subject import Call, Instance, drive
from galeproof.subject.heartbeat import Heartbeat

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
    work = Work(station, subject, scenario, seed, schedule, scenario.observe_s or observe_s,
                 behind, starting or contextlib.nullcontext(),
                 secrets_of(subject, scenario, seed))
    try:
        with station.open_run(tls=scenario.tls) as work.room, trust_file(work.room) as work.ca_file:
            await _guarded(work)
    except (WorldError, EngineError) as error:
        fault = station.world.fault or str(error)
        return Run(scenario.name, fault=fault, expected=expected, history=history_of(work))
    except asyncio.CancelledError:
        work.interrupted = True
        salvage(history_of(work))
        raise
    if work.skipped:
        return Run(scenario.name, skipped=work.skipped, expected=expected)
    if work.control and work.control.invalid:
        return Run(scenario.name, invalid=work.control.invalid, expected=expected)
    if work.ended:
        return Run(scenario.name, history_of(work), invalid=f"{work.ended} in mid-storm",
                   expected=expected)
    history = history_of(work)
    return Run(scenario.name, history, check_storm(history), station.world.fault, expected=expected)


async def _guarded(work: Work) -> None:
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


async def _control_and_storm(work: Work) -> None:
    async with forwarding(work.subject, lambda: work.world.port) as work.proxy:
        await _both(work)
        if work.proxy and work.proxy.refused and work.control and work.control.invalid:
            asked = ", ".join(sorted(set(work.proxy.refused))[:5])
            work.control = Control(f"{work.control.invalid} (refused by the proxy: {asked}; it may answer "
                                   f"for {', '.join(work.subject.hosts)} only)")


async def _both(work: Work) -> None:
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


async def _world(work: Work, name: str, **args: Any) -> dict[str, Any]:
    call = functools.partial(work.world.call, name, **args)
    return await asyncio.get_running_loop().run_in_executor(None, call)


async def _begin(work: Work, instance: Instance, calls: list[Call], schedule: list[Any],
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


async def _rotate(work: Work, instance: Instance, name: str, recorder: Recorder) -> None:
    """Another secret from now on: the subject's file has it, and the old one is refused."""
    taken = await instance.rotate(name, work.secrets[f"{name}_next"])
    await _world(work, "rotate", old=work.secrets[name])
    recorder.add("controller", "rotated", None, None, name=name, taken=taken)


async def _calm(work: Work, instance: Instance, groups: list[Group], lanes: dict[str, int],
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


async def _announce(work: Work, ref: str | None) -> None:
    await _world(work, "operation", ref=ref)


async def _cut_off(work: Work) -> None:
    reply = await _world(work, "cut_off", move=True)
    work.world.port = reply["port"]


async def _storm(work: Work, instance: Instance, groups: list[Group], recorder: Recorder,
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


async def _side_by_side(work: Work, made: list[tuple[Group, list[Call]]],
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


async def _open(work: Work) -> Instance:
    instance = work.subject.instance()
    instance.timezone = work.scenario.timezone
    if work.proxy:
        instance.environment = work.proxy.environment()
    instance.given = given_of(work.world, work.ca_file)
    await instance.open(work.world.base_url, work.secrets)
    work.channels = instance.channels
    return instance


async def _start(work: Work, instance: Instance, made: list[tuple[Group, list[Call]]],
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
        await sleep(max(_LINGER_S, linger_s(work)))


def _rows(made: list[tuple[Group, list[Call]]], one: bool) -> list[list[tuple[Group, list[Call]]]]:
    """Groups one after the other; those that run beside the one before, with it."""
    rows: list[list[tuple[Group, list[Call]]]] = []
    for item in made:
        if item[0].beside and rows and not one:
            rows[-1].append(item)
        else:
            rows.append([item])
    return rows


async def _close(instance: Instance, recorder: Recorder) -> None:
    captured, probes = await instance.close()
    for at, data in captured:
        recorder.add("subject", "capture", None, None, lo_ns=at, **data)
    for probe in probes:
        recorder.add("subject", "probe", None, None, **probe)
