"""The parent's handle on the world's process."""

from __future__ import annotations

import contextlib
import itertools
import json
import marshal
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

import galeproof
from galeproof.errors import EngineError, WorldError
from galeproof.kernel.recorder import RawEvent
from galeproof.toxiproxy.server import find_server, version_of

__all__ = ["World", "WorldRun", "start_world"]

_START_S = 15.0
_REPLY_S = 10.0


class WorldRun:
    """One run in a world: a tap and an origin of its own; its events gather in ``events``.

    Attributes:
        port: The tap's port.
        origin_port: Where lanes must lead to.
        places: The address of each origin: ``first``, ``other``, ``other_host``, ``plain``.
        trust: The certificate of the test authority as PEM, where TLS is spoken.
    """

    def __init__(self, world: World, number: int, opened: dict[str, Any]) -> None:
        self.world, self.number = world, number
        self.port, self.origin_port = opened["tap"], opened["origin"]
        self.places: dict[str, str] = opened["places"]
        self.trust: str | None = opened["trust"]
        self.events: list[RawEvent] = []

    @property
    def base_url(self) -> str:
        """The address that the subject is given."""
        scheme = "https" if self.trust else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    def call(self, name: str, timeout_s: float = _REPLY_S, **args: Any) -> dict[str, Any]:
        """Send one command of this run and wait for its reply.

        Raises:
            WorldError: The process ended, did not answer in time, or refused.
        """
        return self.world.call(name, timeout_s, run=self.number, **args)

    def close(self) -> None:
        """End it: connections, ports. A dead world is no error here."""
        self.world.runs.pop(self.number, None)
        with contextlib.suppress(WorldError):
            self.call("close")


class World:
    """One world process. ``open_run`` makes room for a run; many may be open at once.

    Attributes:
        engine: What carries the lanes, for headers and reports.
        engine_url: Toxiproxy's control address.
        fault: Why the world is not to be trusted any more, or None.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[threading.Event, list[dict[str, Any]]]] = {}
        self._lock = threading.Lock()
        self._hello = threading.Event()
        self._dead = threading.Event()
        self.runs: dict[int, WorldRun] = {}
        self.fault: str | None = None
        self.engine = ""
        self.engine_url = ""
        self.engine_pid: int | None = None
        self.foreign = False
        self.pid = process.pid
        self.scratch: Path | None = None
        self.closed = False
        self._reader = threading.Thread(target=self._read, daemon=True, name="galeproof-world")
        self._reader.start()
        _worlds.add(self)

    def open_run(self, *, tls: bool = False) -> WorldRun:
        """Open a run on ports of its own; ``tls``: it speaks TLS, by a test authority.

        Raises:
            WorldError: The process ended or did not answer, or cannot speak TLS.
        """
        reply = self.call("open", tls=tls)
        run = WorldRun(self, reply["run"], reply)
        self.runs[run.number] = run
        return run

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with contextlib.suppress(OSError, ValueError):
            while head := stream.read(4):
                payload = stream.read(struct.unpack("<I", head)[0])
                self._take(marshal.loads(payload))
        if not self.closed and self.fault is None:
            self.fault = "the world process ended"
        self._dead.set()
        self._hello.set()
        for done, _ in list(self._waiting.values()):
            done.set()

    def _take(self, message: dict[str, Any]) -> None:
        if "events" in message:
            if run := self.runs.get(message["run"]):
                run.events.extend(message["events"])
        elif "fault" in message:
            self.fault = message["fault"]
        elif "hello" in message:
            self._hello.set()
        else:
            done, box = self._waiting.pop(message["re"], (None, []))
            box.append(message)
            if done:
                done.set()

    def call(self, name: str, timeout_s: float = _REPLY_S, **args: Any) -> dict[str, Any]:
        """Send one command and wait for its reply.

        Raises:
            WorldError: The process ended, did not answer in time, or refused.
        """
        number = next(self._ids)
        done, box = threading.Event(), []  # type: tuple[threading.Event, list[dict[str, Any]]]
        self._waiting[number] = (done, box)
        line = json.dumps({"id": number, "do": name, "args": args}).encode() + b"\n"
        if self._dead.is_set():
            raise WorldError(self.fault or "the world process ended")
        try:
            with self._lock:
                assert self._process.stdin is not None
                self._process.stdin.write(line)
                self._process.stdin.flush()
        except (OSError, ValueError):
            raise WorldError(self.fault or "the world process ended") from None
        if not done.wait(timeout_s):
            raise WorldError(f"the world did not answer {name!r} within {timeout_s:g} s")
        if not box:
            raise WorldError(self.fault or "the world process ended")
        if "error" in box[0]:
            raise WorldError(f"the world refused {name!r}: {box[0]['error']}")
        return box[0]

    def wait_hello(self) -> None:
        """Wait until the process is up.

        Raises:
            WorldError: It did not come up.
        """
        if not self._hello.wait(_START_S) or self._dead.is_set():
            self.close()
            raise WorldError("the world process did not start")

    def close(self) -> None:
        """End the process and what it started; safe to call twice."""
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(4)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self.engine_pid and _is_toxiproxy(self.engine_pid):
            with contextlib.suppress(OSError):
                os.kill(self.engine_pid, signal.SIGKILL)
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdout is not None
            self._process.stdout.close()
        if self.scratch:
            self.scratch.unlink(missing_ok=True)

    def forget_pipe(self) -> None:
        """In a forked child of the subject: the pipe is not ours. dup2, since a closed number
        would be given to the next file."""
        null = os.open(os.devnull, os.O_RDWR)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                assert pipe is not None
                os.dup2(null, pipe.fileno())
        os.close(null)
        self.closed = True


_worlds: weakref.WeakSet[World] = weakref.WeakSet()


def _after_fork() -> None:
    for world in list(_worlds):
        world.forget_pipe()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _is_toxiproxy(pid: int) -> bool:
    """Whether that pid is (still) a toxiproxy-server: numbers are used again."""
    try:
        return b"toxiproxy" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def start_world(engine: str = "auto", *, seed: int = 0, log: Path | None = None) -> World:
    """Start a world.

    Args:
        engine: ``auto``, ``toxiproxy`` (on PATH or built), ``embedded``, or a server's URL.
        seed: For the embedded engine's dice.
        log: Where the real Toxiproxy's log goes; a temporary file if left out.

    Raises:
        EngineError: No such engine, or an unreachable server.
        WorldError: The process did not come up.
    """
    kind, path, url = _choose(engine)
    source = str(Path(galeproof.__file__).parent.parent)
    code = f"import sys; sys.path.insert(0, {source!r}); " \
           "from galeproof.world.child import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", code, str(os.getpid())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    world = World(process)
    world.wait_hello()
    if log is None:
        handle, name = tempfile.mkstemp(prefix="galeproof-toxiproxy-", suffix=".log")
        os.close(handle)
        world.scratch = log = Path(name)
    try:
        reply = world.call("start", timeout_s=_START_S, engine=kind, path=path, log=str(log),
                           seed=seed, url=url)
    except WorldError as error:
        world.close()
        raise EngineError(str(error)) from None
    world.engine_pid = reply["engine_pid"]
    world.engine_url = url or reply["engine_url"]
    world.foreign = bool(url)
    world.engine = {"embedded": "embedded"}.get(kind, f"toxiproxy {version_of(path)}" if path
                                                else f"toxiproxy at {url}")
    return world


def _choose(engine: str) -> tuple[str, str, str]:
    if engine.startswith(("http://", "https://")):
        from galeproof.toxiproxy.control import ControlPlane  # 150 ms: only where it is needed

        ControlPlane(engine).version()
        return "foreign", "", engine
    found = find_server()
    if engine == "auto":
        engine = "toxiproxy" if found else "embedded"
    if engine == "embedded":
        return "embedded", "", ""
    if engine != "toxiproxy":
        raise EngineError(f"engine {engine!r}: allowed are auto, toxiproxy, embedded, or a URL")
    if not found:
        raise EngineError("no toxiproxy-server on PATH: put one there, give a URL, "
                          "or use --engine embedded")
    return "toxiproxy", found, ""
