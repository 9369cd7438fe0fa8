"""The world's process: started by ``handle``, ends when its parent does.

Commands come as JSON lines on stdin; replies, events and notices go out as
length-prefixed marshal (the same interpreter is on both sides).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import marshal
import os
import random
import signal
import struct
import sys
from pathlib import Path
from typing import Any

from galeproof.kernel.chance import stream
from galeproof.kernel.clock import now_ns, sleep
from galeproof.kernel.recorder import RawEvent, Recorder
from galeproof.origin.exchange_view import View
from galeproof.origin.origin import Origin
from galeproof.tap.tap import CLEAN, Tap
from galeproof.toxiproxy.embedded import EmbeddedServer
from galeproof.toxiproxy.server import RunningServer, start_server

_BATCH_S = 0.005
_BEAT_S = 0.01
_LAG_NS = 5_000_000


class Child:
    """Everything that lives in the world's process."""

    def __init__(self, write_fd: int, parent: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.parent = parent
        self._fd = write_fd
        self._batch: list[RawEvent] = []
        self._armed = False
        self._pipe: asyncio.WriteTransport | None = None
        self._ending = False
        self._beating: asyncio.Task[None] | None = None
        self.lags: list[int] = []
        recorder = Recorder(self.sink)
        self.recorder = recorder
        self.tap = Tap(recorder)
        self.origin = Origin(recorder, self)
        self.engine: RunningServer | EmbeddedServer | None = None
        self.engine_url = ""
        self.foreign_lanes: list[str] = []

    # -- what the origin sees -------------------------------------------------------------

    def view(self, number: int) -> View:
        """Return the exchange of that number as the schedule has it."""
        exchange = self.tap.exchanges.get(number)
        if exchange is None:
            return View(None, 0, {})
        return View(exchange.marker, exchange.attempt, exchange.step)

    def phase(self, number: int, total: int, close: str | None) -> None:
        """Pass the origin's word on to the tap."""
        self.tap.phase(number, total, close)

    # -- the pipe -------------------------------------------------------------------------

    def sink(self, event: RawEvent) -> None:
        """Queue one event; a batch leaves every 5 ms."""
        self._batch.append(event)
        if not self._armed:
            self._armed = True
            self.loop.call_later(_BATCH_S, self.flush)

    def flush(self) -> None:
        """Send the batch now."""
        self._armed = False
        if self._batch:
            batch, self._batch = self._batch, []
            self.say({"events": batch})

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
        if name == "begin":
            return await self._begin(**args)
        if name == "operation":
            await self.tap.operation(args["ref"])
            return {}
        if name == "spec":
            self.origin.operations[args["ref"]] = args["spec"]
            return {}
        if name == "end":
            return await self._end_run()
        if name == "cut_off":
            for connection in list(self.tap.connections):
                connection.end()
            return {"port": await self.tap.new_port() if args.get("move") else self.tap.port}
        if name == "lanes":
            self.foreign_lanes = args["names"]
            return {}
        if name == "lag":
            return {"p99_ms": self._lag()}
        raise ValueError(f"unknown command {name!r}")

    def _lag(self) -> float:
        ordered = sorted(self.lags) or [0]
        return round(ordered[int(len(ordered) * 0.99) - (len(ordered) > 1)] / 1e6, 2)

    async def _start(self, engine: str, path: str, log: str, seed: int) -> dict[str, Any]:
        port = await self.origin.listen()
        pid = None
        if engine == "toxiproxy":
            server = await start_server(path, Path(log))
            self.engine, self.engine_url, pid = server, server.url, server.pid
            self._watch(server.pid)
        elif engine == "embedded":
            embedded = EmbeddedServer(seed=seed)
            await embedded.start()
            self.engine, self.engine_url = embedded, embedded.url
        return {"tap": await self.tap.listen(), "origin": port, "engine_pid": pid,
                "engine_url": self.engine_url}

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

    async def _begin(self, refs: dict[str, Any], schedule: list[Any], lanes: dict[str, int],
                     closing: list[str], key_where: str, seed: int, deduplicate: bool,
                     routes: dict[str, Any]) -> dict[str, Any]:
        connection_steps = any(
            (s.get("cut") or {}).get("at") == "accept"
            or (s.get("cut") or {}).get("kind") in ("refuse", "blackhole") for s in schedule)
        rng: random.Random = stream(seed, "effects")
        self.origin.begin(refs, key_where, connection_steps, rng, deduplicate, routes)
        self.tap.begin(list(refs), schedule, lanes, closing, seed)
        self.lags.clear()
        return {"port": self.tap.port}

    async def _end_run(self) -> dict[str, Any]:
        await self.tap.settle()
        await self.tap.idle()
        self.tap.end()
        self.origin.end()
        await sleep(0.01)
        effects = len(self.origin.ledger.effects)
        self.flush()
        return {"effects": effects, "lag_p99_ms": self._lag()}

    # -- life -----------------------------------------------------------------------------

    async def beat(self) -> None:
        """Record how late this loop is."""
        while True:
            before = now_ns()
            await sleep(_BEAT_S)
            late = now_ns() - before - int(_BEAT_S * 1e9)
            self.lags.append(late)
            if late > _LAG_NS:
                self.recorder.add("world", "lag", lo_ns=before, hi_ns=now_ns(),
                                  ms=round(late / 1e6, 1))
            if os.getppid() != self.parent:
                await self.leave()

    async def leave(self) -> None:
        """End everything that we started, and this process."""
        if self._ending:
            return
        self._ending = True
        self.tap.close()
        self.tap.end()
        self.origin.close()
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
        self.say({"hello": os.getpid(), "clean": CLEAN})
        while line := await reader.readline():
            call = json.loads(line)
            try:
                reply = await self.command(call["do"], call["args"])
            except Exception as error:
                reply = {"error": f"{type(error).__name__}: {error}"}
            self.flush()
            self.say({"re": call["id"], **reply})
        await self.leave()


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
