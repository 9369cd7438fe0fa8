"""One client instance that serves many operations: here, or in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import galeproof
from galeproof.errors import SubjectError
from galeproof.kernel.clock import now_ns, set_timezone
from galeproof.subject.capture import Capture, Captured
from galeproof.subject.description import SubjectDescription, describe
from galeproof.subject.environment import spare_loopback
from galeproof.subject.home import Home, here
from galeproof.subject.outcome import Outcome, failed, ok
from galeproof.subject.sealed import Secrets
from galeproof.subject.shown import probe as probe_exception
from galeproof.subject.state import probe as probe_state
from galeproof.subject.state import state_of

__all__ = ["DriverInstance", "Instance", "LocalInstance"]

_CLOSE_S = 5.0
_OPEN_S = 30.0
_INTERRUPTED_S = 0.7


class Instance(Protocol):
    """One client instance, opened against one base URL."""

    description: SubjectDescription
    timezone: str | None
    ended: str | None  # why it is gone although nobody closed it

    async def open(self, base_url: str, secrets: Mapping[str, str]) -> None:
        """Build the client."""

    async def call(self, operation: str, args: Mapping[str, Any]) -> Outcome:
        """Do one operation; a failure of the client is an outcome, not an exception."""

    async def close(self) -> tuple[list[Captured], list[dict[str, Any]]]:
        """Close the client; return what was captured, and the probes."""


class LocalInstance:
    """An adapter class or function, run in this process. Blocking operations get a thread.

    Args:
        target: The class or function.
        capture: One that listens already; the instance's own from ``open`` on if None.
        workers: Threads for blocking operations.
    """

    def __init__(self, target: Any, *, capture: Capture | None = None, workers: int = 64) -> None:
        self.description = describe(target)
        self.timezone: str | None = None
        self.ended: str | None = None
        self.home: Home = here
        self._restore = contextlib.ExitStack()
        self._target = target
        self._object: Any = None
        self._capture = capture
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="galeproof-operation")
        self._given: dict[str, Any] = {}

    async def open(self, base_url: str, secrets: Mapping[str, str]) -> None:
        """Build the client.

        Raises:
            SubjectError: The constructor raised.
        """
        self._given = {"base_url": base_url, "secrets": Secrets(secrets), "other_url": base_url,
                       "token_url": base_url + "/oauth/token", "ca_file": None,
                       "proxy_url": None, "workdir": str(Path.cwd())}
        self._restore.callback(spare_loopback(os.environ))
        if self.timezone:
            self._restore.callback(set_timezone(self.timezone))
        if self._capture is None:
            self._capture = Capture(secrets.values())
            self._capture.start()
        if not self.description.instance:
            return
        try:
            self._object = await self.home(self._build)
        except Exception as error:
            await self.close()
            raise SubjectError(f"subject {self.description.name}: its constructor raised "
                               f"{type(error).__name__}: {error}") from None

    async def _build(self) -> Any:
        takes = self._target.__init__ is not object.__init__
        return self._target(**(_wanted(self._target.__init__, self._given, skip=1) if takes else {}))

    async def call(self, operation: str, args: Mapping[str, Any]) -> Outcome:
        """Do one operation."""
        function = getattr(self._object, operation) if self._object else self._target
        given = dict(args) if self._object else {**self._given, **args}
        wanted = _wanted(function, given)
        if inspect.iscoroutinefunction(function):
            outcome = await self.home(lambda: _timed(lambda: function(**wanted)))
        else:
            outcome = await _timed(lambda: self._threaded(lambda: function(**wanted)))
        assert isinstance(outcome, Outcome)
        return outcome

    async def _threaded(self, function: Callable[[], Any]) -> Any:
        value = await asyncio.get_running_loop().run_in_executor(self._pool, function)
        return await value if inspect.isawaitable(value) else value

    async def close(self) -> tuple[list[Captured], list[dict[str, Any]]]:
        """Close the client; its own close is allowed to be missing, sync or async."""
        captured: tuple[list[Captured], list[dict[str, Any]]] = ([], [])
        shown = state_of(self._object) if self._object else []
        probes = [probe_exception(), *probe_state()]
        closer = getattr(self._object, "close", None) or getattr(self._object, "aclose", None)
        try:
            if closer:
                await asyncio.wait_for(self.home(lambda: _ended(closer)), _patience())
        except Exception as error:
            print(f"galeproof: closing the subject raised {error!r}", file=sys.stderr)
        finally:
            self._object = None
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._restore.close()
            if self._capture:
                captured, self._capture = self._capture.stop(), None
                captured = (captured[0] + shown, captured[1] + probes)
        return captured


async def _timed(function: Callable[[], Awaitable[Any]]) -> Outcome:
    """What the caller gets, stamped where the caller is."""
    start = now_ns()
    try:
        value = await function()
    except Exception as error:
        return failed(error, start, now_ns())
    return ok(value, start, now_ns())


async def _ended(closer: Callable[[], Any]) -> None:
    result = closer()
    if inspect.isawaitable(result):
        await result


def _wanted(function: Any, given: Mapping[str, Any], skip: int = 0) -> dict[str, Any]:
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(given)
    return {p.name: given[p.name] for p in parameters if p.name in given}


class DriverInstance:
    """A driver process that speaks JSON lines, or ``module:attribute`` run by ours."""

    def __init__(self, command: list[str], *, log: Path | None = None,
                 env: Mapping[str, str] | None = None) -> None:
        self.description = SubjectDescription(" ".join(command), {}, {}, True)
        self.timezone: str | None = None
        self._command, self._env, self._log = command, env, log
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._ready: asyncio.Future[dict[str, Any]] | None = None
        self._closing: dict[str, Any] = {}
        self._asked_to_close = False
        self.ended: str | None = None
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    def of_target(cls, target: str, log: Path | None = None) -> DriverInstance:
        """Return an instance that runs ``module:attribute`` in a process of its own.

        Args:
            target: ``module:attribute``.
            log: Where its stderr is appended; ours if None.
        """
        source = str(Path(galeproof.__file__).parent.parent)
        code = (f"import sys; sys.path[:0] = [{str(Path.cwd())!r}, {source!r}]; "
                "from galeproof.subject.pydriver import main; main(sys.argv[1])")
        return cls([sys.executable, "-c", code, target], log=log)

    async def open(self, base_url: str, secrets: Mapping[str, str]) -> None:
        """Start the process and wait for its ready line.

        Raises:
            SubjectError: It did not get ready.
        """
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(self._log.open("ab")) if self._log else None
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=log, env=self._environment(), limit=1 << 24,
                start_new_session=True)
        self._ready = asyncio.get_running_loop().create_future()
        self._reader = asyncio.ensure_future(self._read())
        self._say({"galeproof": 1, "open": {"base_url": base_url, "secrets": dict(secrets)}})
        try:
            ready = await asyncio.wait_for(self._ready, _OPEN_S)
        except TimeoutError:
            await self.kill()
            raise SubjectError(f"driver {self._command[0]!r}: no ready line within "
                               f"{_OPEN_S:g} s") from None
        except asyncio.CancelledError:
            await self.kill()
            raise
        if "refused" in ready:
            await self.kill()
            raise SubjectError(ready["refused"])
        from galeproof.subject.marks import OperationSpec

        specs = ready.get("specs") or {n: {"kind": k} for n, k in ready["operations"].items()}
        self.description = SubjectDescription(
            ready.get("name") or self._command[0],
            {name: OperationSpec(**spec) for name, spec in specs.items()},
            ready.get("routes") or {}, ready.get("instance", True))

    def _environment(self) -> dict[str, str]:
        given = dict(os.environ if self._env is None else self._env)
        spare_loopback(given)
        return given | ({"TZ": self.timezone} if self.timezone else {})

    def _say(self, message: dict[str, Any]) -> None:
        assert self._process and self._process.stdin
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process and self._process.stdout and self._ready
        while line := await self._process.stdout.readline():
            try:
                message = json.loads(line)
            except ValueError:
                continue  # not a protocol line: a driver's slip, its log belongs on stderr
            if "ready" in message or "refused" in message:
                if not self._ready.done():
                    self._ready.set_result(message.get("ready") or message)
            elif "closing" in message:
                self._closing = message["closing"]
            elif (future := self._waiting.pop(message.get("id"), None)) and not future.done():
                future.set_result(message)
        code = await self._process.wait()
        self.ended = None if self._asked_to_close else f"the subject's process ended (code {code})"
        gone = {"error": {"type": "DriverEnded", "message": "the driver process ended"}}
        if not self._ready.done():
            self._ready.set_result({"refused": f"driver {self._command[0]!r}: {self.ended} before it "
                                               "was ready: a crash, or an exit of its own, at import "
                                               "or in the constructor"})
        for future in self._waiting.values():
            if not future.done():
                future.set_result(gone)

    def _number_of(self, future: asyncio.Future[dict[str, Any]]) -> int | None:
        return next((n for n, f in self._waiting.items() if f is future), None)

    async def call(self, operation: str, args: Mapping[str, Any]) -> Outcome:
        """Do one operation in the driver."""
        self._number += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = future
        start = now_ns()
        self._say({"id": self._number, "do": operation, "args": dict(args)})
        try:
            answer = await asyncio.shield(future)
        except asyncio.CancelledError:
            self._say({"cancel": self._number_of(future)})
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(future, 1)
            raise
        begin, end = answer.get("ns") or (start, now_ns())
        if "error" in answer:
            return Outcome("failed", None, answer["error"], begin, end)
        return Outcome("ok", answer.get("ok"), None, begin, end)

    async def close(self) -> tuple[list[Captured], list[dict[str, Any]]]:
        """Ask it to close; end it where it does not within 5 s."""
        if not self._process:
            return [], []
        self._asked_to_close = True
        self._say({"close": True})
        try:
            await asyncio.wait_for(self._process.wait(), _patience())
        except TimeoutError:
            await self.kill()
        if self._reader:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._reader, 1)
        found = self._closing
        return ([(at, data) for at, data in found.get("captured", [])],
                list(found.get("probes", [])))

    async def kill(self) -> None:
        """End the process, and what it started in its session."""
        self._asked_to_close = True
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


def _patience() -> float:
    """How long a close may take: not long where Ctrl-C was pressed."""
    task = asyncio.current_task()
    return _INTERRUPTED_S if task and task.cancelling() else _CLOSE_S
