"""Our own driver: runs ``module:attribute`` in this process, for the harness in another."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from typing import Any

from galeproof.errors import SubjectError
from galeproof.subject.capture import Capture
from galeproof.subject.description import load_target
from galeproof.subject.local import LocalInstance

__all__ = ["main"]


class _Driver:
    def __init__(self, target: str, write_fd: int) -> None:
        self._target = target
        self._out = os.fdopen(write_fd, "wb")
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._instance: LocalInstance | None = None

    def say(self, message: dict[str, Any]) -> None:
        self._out.write(json.dumps(message).encode() + b"\n")
        self._out.flush()

    async def serve(self, read_fd: int) -> None:
        lines: asyncio.Queue[bytes] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def read() -> None:
            with os.fdopen(read_fd, "rb") as stream:
                for line in stream:
                    loop.call_soon_threadsafe(lines.put_nowait, line)
            os._exit(0)  # the harness is gone: not even a blocked loop may outlive it

        threading.Thread(target=read, daemon=True).start()
        while not await self.handle(json.loads(await lines.get())):
            pass
        os._exit(0)  # threads of the subject may hang: the run is over

    async def handle(self, message: dict[str, Any]) -> bool:
        if "open" in message:
            await self.open(message["open"])
        elif "do" in message:
            task = asyncio.ensure_future(self.do(message))
            self._tasks[message["id"]] = task
        elif "rotate" in message:
            assert self._instance is not None
            taken = await self._instance.rotate(*message["rotate"])
            self.say({"id": message["id"], "ok": taken, "ns": [0, 0]})
        elif "cancel" in message:
            if task_ := self._tasks.get(message["cancel"]):
                task_.cancel()
        elif "close" in message:
            captured, probes = await self._instance.close() if self._instance else ([], [])
            self.say({"closing": {"captured": captured, "probes": probes}})
            return True
        return False

    async def open(self, given: dict[str, Any]) -> None:
        capture = Capture(given["secrets"].values())
        capture.start()  # before the import: what the subject copies of a descriptor leads to us
        try:
            instance = LocalInstance(load_target(self._target), capture=capture)
            instance.given = given["given"]
            await instance.open(given["base_url"], given["secrets"])
        except SubjectError as error:
            capture.pass_on()
            self.say({"refused": str(error)})
            os._exit(1)
        self._instance = instance
        told = instance.description
        self.say({"ready": {
            "name": told.name, "instance": told.instance, "wants": told.wants, "routes": dict(told.routes),
            "operations": {name: spec.kind for name, spec in told.operations.items()},
            "specs": {name: spec.as_dict() for name, spec in told.operations.items()},
        }})

    async def do(self, message: dict[str, Any]) -> None:
        assert self._instance is not None
        try:
            outcome = await self._instance.call(message["do"], message["args"])
        except asyncio.CancelledError:
            self.say({"id": message["id"], "error": {"type": "Cancelled", "text": ""}})
            return
        span = [outcome.start_ns, outcome.end_ns]
        if outcome.error is None:
            self.say({"id": message["id"], "ok": outcome.value, "ns": span})
        else:
            self.say({"id": message["id"], "error": outcome.error, "ns": span})


def main(target: str) -> None:
    """Move the protocol away from stdin and stdout, then serve."""
    read_fd, write_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    sys.argv[:] = [target]
    asyncio.run(_Driver(target, write_fd).serve(read_fd))
