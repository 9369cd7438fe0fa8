"""Driving one instance through a workload, with an observation budget for each operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from galeproof.kernel.clock import now_ns, sleep
from galeproof.kernel.recorder import Recorder
from galeproof.subject.instance import Instance
from galeproof.subject.outcome import Outcome

__all__ = ["Call", "Driven", "drive"]

_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Call:
    """One operation to do: its reference, name, kind and arguments, and after how many s its
    caller cancels it (None: never)."""

    ref: str
    operation: str
    kind: str
    args: Mapping[str, Any]
    cancel_s: float | None = None


@dataclass(slots=True)
class Driven:
    """What became of a workload: outcomes by reference, and references still stuck."""

    outcomes: dict[str, Outcome]
    stuck: list[str]


async def drive(
    instance: Instance, calls: Sequence[Call], recorder: Recorder, *, concurrent: int,
    stagger_s: float, budget_s: float, instance_number: int = 1,
    announce: Callable[[str | None], Awaitable[None]] | None,
    cut_off: Callable[[], Awaitable[None]],
) -> Driven:
    """Do the calls.

    Args:
        instance: The opened client.
        calls: In their order.
        recorder: Takes ``op_start``, ``op_end`` and ``over_budget``.
        concurrent: How many run at once.
        stagger_s: Pause between starts.
        budget_s: Observation budget of one operation.
        instance_number: Which start of the subject this is, from 1.
        announce: Names the current operation to the world before it starts (one at a time).
        cut_off: Resets the subject's connections; called when a budget is spent.

    Returns:
        The outcomes; an operation that outlived its budget is ``killed``.
    """
    driven = Driven({}, [])
    running: set[str] = set()
    limit = asyncio.Semaphore(concurrent)

    async def spent() -> None:
        """A budget is spent: cut off every operation that runs, once."""
        if driven.stuck:
            return
        driven.stuck += sorted(running)
        for ref in driven.stuck:
            recorder.add("controller", "over_budget", None, ref)
        await cut_off()

    async def one(call: Call) -> None:
        if driven.stuck:
            limit.release()
            return  # connections are cut: what would follow proves nothing
        try:
            if announce:
                await announce(call.ref)
            running.add(call.ref)
            outcome = await _observe(instance, call, recorder, budget_s, spent, driven,
                                     instance_number)
            driven.outcomes[call.ref] = outcome
            recorder.add("subject", "op_end", None, call.ref, lo_ns=outcome.end_ns,
                         outcome=outcome.outcome, value=outcome.value, error=outcome.error)
            if announce:
                await announce(None)
        finally:
            running.discard(call.ref)
            limit.release()

    tasks: list[asyncio.Future[None]] = []
    try:
        for call in calls:
            await limit.acquire()
            tasks.append(asyncio.ensure_future(one(call)))
            if stagger_s:
                await sleep(stagger_s)
        await asyncio.gather(*tasks)
    except asyncio.CancelledError:  # Ctrl-C: what ends from here on is our doing, no outcome
        for task in tasks:
            task.cancel()
        raise
    return driven


async def _observe(instance: Instance, call: Call, recorder: Recorder, budget_s: float,
                   spent: Callable[[], Awaitable[None]], driven: Driven,
                   instance_number: int) -> Outcome:
    start = now_ns()
    spec = instance.description.operations.get(call.operation)
    given = {"key": call.args["key"]} if spec and "key" in spec.takes and "key" in call.args else {}
    recorder.add("subject", "op_start", None, call.ref, lo_ns=start, name=call.operation,
                 kind=call.kind, amount=call.args.get("amount"), instance=instance_number, **given)
    task = asyncio.ensure_future(instance.call(call.operation, call.args))
    try:
        done, _ = await asyncio.wait({task}, timeout=call.cancel_s or budget_s)
        if not done and call.cancel_s is not None:
            return await _cancelled(task, call, recorder, start)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        await spent()
        done, _ = await asyncio.wait({task}, timeout=_GRACE_S)
    if done and call.ref not in driven.stuck:
        return task.result()
    if not done:
        task.cancel()
    return Outcome("killed", None, {"type": "galeproof.Killed", "text":
                   f"still running after {budget_s:g} s", "chain": []}, start, now_ns())


async def _cancelled(task: asyncio.Task[Outcome], call: Call, recorder: Recorder,
                     start_ns: int) -> Outcome:
    """The caller cancels; it has its outcome when the call is over."""
    recorder.add("subject", "op_cancel", None, call.ref)
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=_GRACE_S)
    if done and not task.cancelled():
        return task.result()  # the client swallowed the cancellation, or ended at that moment
    return Outcome("cancelled", None, None, start_ns, now_ns())
