"""A command of which nothing is declared is done once in calm air: does it read or write?"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from galeproof.kernel.chance import canary, reference, stream
from galeproof.runner.forwarding import forwarding
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.subject import Instance
from galeproof.subject.foreign import TAKES
from galeproof.subject.marks import OperationSpec

__all__ = ["learn"]

_NAME = "run"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_WITHIN_S = 30.0
_AMOUNT = 1001


async def learn(station: Station, subject: Subject, seed: int) -> None:
    """Give a command without declared operations the one that it is seen to have: ``run``, a read
    where its first request has a safe method, else a write. Other subjects are left as they are."""
    foreign = subject.foreign
    if foreign is None or not subject.cold or foreign.operations:
        return
    rng = stream(seed, "learning")
    ref, amount = reference(rng), _AMOUNT
    foreign.operations[_NAME] = OperationSpec("write", takes=TAKES)
    with station.open_run() as room, station.lanes(room, {}) as (lanes, closing):
        async def world(name: str, **args: Any) -> None:
            call = functools.partial(room.call, name, **args)
            await asyncio.get_running_loop().run_in_executor(None, call)

        spec = {**foreign.operations[_NAME].as_dict(), "amount": amount}
        await world("begin", refs={ref: spec}, schedule=[], lanes=lanes, closing=closing,
                    key_where="Idempotency-Key", seed=seed, deduplicate=True,
                    routes=dict(foreign.routes), calm=True)
        await world("operation", ref=ref)
        instance = subject.instance()
        async with forwarding(subject, lambda: room.port) as proxy:
            if proxy:
                instance.environment = proxy.environment()
            await _once(instance, room.base_url, {name: canary(rng) for name in foreign.secrets}, ref)
        await world("end")
        heads = [event[6] for event in room.events if event[3] == "head"]
    if heads and str(heads[0].get("method")) in _SAFE:
        foreign.operations[_NAME] = OperationSpec("read", effect=False, takes=TAKES)


async def _once(instance: Instance, base_url: str, secrets: dict[str, str], ref: str) -> None:
    await instance.open(base_url, secrets)
    try:
        async with asyncio.timeout(_WITHIN_S):
            await instance.call(_NAME, {"ref": ref, "amount": _AMOUNT, "key": f"key-{ref}",
                                        "deadline_s": _WITHIN_S})
    except TimeoutError:
        pass  # the control of the first scenario says so
    finally:
        await instance.close()
