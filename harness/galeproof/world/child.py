"""The world's process: started by ``handle``, ends when its parent does.

Commands come as JSON lines on stdin; replies, events and notices go out as
length-prefixed marshal (the same interpreter is on both sides).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import marshal
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any

from galeproof.kernel.clock import now_ns, sleep
from galeproof.kernel.recorder import RawEvent
from galeproof.toxiproxy.embedded import EmbeddedServer
from galeproof.toxiproxy.server import RunningServer, start_server
from galeproof.world.run import ChildRun

_BATCH_S = 0.005
_BEAT_S = 0.01


class Child:
    """Everything that lives in the world's process: one engine, and the runs that use it."""

    def __init__(self, write_fd: int, parent: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.parent = parent
        self._fd = write_fd
        self._batches: dict[int, list[RawEvent]] = {}
        self._armed = False
        self._pipe: asyncio.WriteTransport | None = None
        self._ending = False
        self._beating: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._answering: set[asyncio.Task[None]] = set()
        self.runs: dict[int, ChildRun] = {}
        self.engine: RunningServer | EmbeddedServer | None = None
        self.engine_url = ""
        self.foreign_lanes: list[str] = []

    # -- the pipe -------------------------------------------------------------------------

    def sink(self, number: int, event: RawEvent) -> None:
        """Queue one event of a run; batches leave every 5 ms."""
        self._batches.setdefault(number, []).append(event)
        if not self._armed:
            self._armed = True
            self.loop.call_later(_BATCH_S, self.flush)

    def flush(self) -> None:
        """Send the batches now."""
        self._armed = False
        batches, self._batches = self._batches, {}
        for number, batch in batches.items():
            self.say({"run": number, "events": batch})

    def say(self, message: dict[str, Any]) -> None:
        """Write one frame."""
        payload = marshal.dumps(message)
        if self._pipe and not self._pipe.is_closing():
            self._pipe.write(struct.pack("<I", len(payload)) + payload)

    # -- commands -------------------------------------------------------------------------

    async def command(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command and return the reply."""
        if name == "start":
            return await self._start(**args)
        if name == "open":
            number = next(self._numbers)
            self.runs[number] = ChildRun(number, functools.partial(self.sink, number))
            return await self.runs[number].open(bool(args.get("tls")))
        if name == "close":
            self.runs.pop(args["run"]).close()
            return {}
        if name == "lanes":
            self.foreign_lanes = args["names"]
            return {}
        return await self.runs[args.pop("run")].command(name, args)

    async def _start(self, engine: str, path: str, log: str, seed: int,
                     url: str) -> dict[str, Any]:
        pid = None
        self.engine_url = url
        if engine == "toxiproxy":
            server = await start_server(path, Path(log))
            self.engine, self.engine_url, pid = server, server.url, server.pid
            self._watch(server.pid)
        elif engine == "embedded":
            embedded = EmbeddedServer(seed=seed)
            await embedded.start()
            self.engine, self.engine_url = embedded, embedded.url
        return {"engine_pid": pid, "engine_url": self.engine_url}

    def _watch(self, pid: int) -> None:
        try:
            fd = os.pidfd_open(pid)
        except (AttributeError, OSError):
            return

        def ended() -> None:
            self.loop.remove_reader(fd)
            os.close(fd)
            if not self._ending:
                self.say({"fault": "Toxiproxy ended"})

        self.loop.add_reader(fd, ended)

    # -- life -----------------------------------------------------------------------------

    async def beat(self) -> None:
        """Record how late this loop is."""
        while True:
            before = now_ns()
            await sleep(_BEAT_S)
            late = now_ns() - before - int(_BEAT_S * 1e9)
            for run in self.runs.values():
                run.beat(before, late)
            if os.getppid() != self.parent:
                await self.leave()

    async def leave(self) -> None:
        """End everything that we started, and this process."""
        if self._ending:
            return
        self._ending = True
        for run in self.runs.values():
            run.close()
        if self.foreign_lanes:
            await asyncio.to_thread(_delete_lanes, self.engine_url, self.foreign_lanes)
        if self.engine:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self.engine.stop(), 2)
        self.flush()
        if self._pipe:
            self._pipe.close()
        await sleep(0)
        os._exit(0)

    async def main(self, read_fd: int) -> None:
        """Serve commands until the pipe or the parent ends."""
        reader = asyncio.StreamReader(limit=1 << 26)
        await self.loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_fd, "rb"))
        pipe, _ = await self.loop.connect_write_pipe(asyncio.BaseProtocol,
                                                     os.fdopen(self._fd, "wb"))
        pipe.set_write_buffer_limits(high=1 << 30)
        self._pipe = pipe
        with contextlib.suppress(AttributeError, OSError):
            watch = os.pidfd_open(self.parent)
            self.loop.add_reader(watch, lambda: asyncio.ensure_future(self.leave()))
        self._beating = asyncio.ensure_future(self.beat())
        self.say({"hello": os.getpid()})
        while line := await reader.readline():
            task = asyncio.ensure_future(self._answer(json.loads(line)))
            self._answering.add(task)  # runs wait for themselves only
            task.add_done_callback(self._answering.discard)
        await self.leave()

    async def _answer(self, call: dict[str, Any]) -> None:
        try:
            reply = await self.command(call["do"], call["args"])
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        self.flush()
        self.say({"re": call["id"], **reply})


def _delete_lanes(url: str, names: list[str]) -> None:
    from galeproof.errors import HarnessError
    from galeproof.toxiproxy.control import ControlPlane  # 150 ms: only where it is needed

    with contextlib.suppress(HarnessError):
        plane = ControlPlane(url, timeout_s=1.0)
        for name in names:
            plane.delete(name)


async def _run(read_fd: int, write_fd: int, parent: int) -> None:
    await Child(write_fd, parent).main(read_fd)


def main() -> None:
    """Move the pipe away from stdin and stdout, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    read_fd, write_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    asyncio.run(_run(read_fd, write_fd, int(sys.argv[1])))


if __name__ == "__main__":
    main()
