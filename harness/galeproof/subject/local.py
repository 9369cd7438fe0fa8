"""An adapter class or function, run in this process."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from galeproof.errors import SubjectError
from galeproof.kernel.clock import now_ns, set_timezone
from galeproof.subject.artefacts import Artefacts
from galeproof.subject.capture import CHANNELS, Capture, Captured
from galeproof.subject.description import SubjectDescription, describe
from galeproof.subject.environment import spare_loopback, trusting
from galeproof.subject.home import Home, here
from galeproof.subject.instance import patience_s
from galeproof.subject.outcome import Outcome, failed, ok
from galeproof.subject.sealed import Secrets
from galeproof.subject.shown import probe as probe_exception
from galeproof.subject.signals import Signals
from galeproof.subject.state import probe as probe_state
from galeproof.subject.state import state_of

__all__ = ["LocalInstance"]


class LocalInstance:
    """An adapter class or function, run in this process. Blocking operations get a thread.

    Args:
        target: The class or function.
        capture: One that listens already; the instance's own from ``open`` on if None.
        workers: Threads for blocking operations.
    """

    def __init__(self, target: Any, *, capture: Capture | None = None, workers: int = 256) -> None:
        self.description: SubjectDescription = describe(target)
        self.timezone: str | None = None
        self.given: Mapping[str, str] = {}
        self.ended: str | None = None
        self.channels: tuple[str, ...] = CHANNELS
        self.home: Home = here
        self.environment: dict[str, str] = {}
        self._restore = contextlib.ExitStack()
        self._target = target
        self._object: Any = None
        self._capture = capture
        self._own_process = capture is not None  # who listens already has a process for the subject
        self._artefacts: Artefacts | None = None
        self._signals: Signals | None = None
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="galeproof-operation")
        self._given: dict[str, Any] = {}

    @property
    def pid(self) -> int | None:
        """This process."""
        return os.getpid()

    async def open(self, base_url: str, secrets: Mapping[str, str]) -> None:
        """Build the client.

        Raises:
            SubjectError: The constructor raised.
        """
        self._given = {"base_url": base_url, "secrets": Secrets(secrets), "other_url": _other(base_url),
                       "token_url": base_url + "/oauth/token", "ca_file": None,
                       "proxy_url": None, "workdir": str(Path.cwd()), **self.given}
        self._restore.callback(spare_loopback(os.environ))
        if "ca_file" in self.given:
            self._restore.callback(trusting(os.environ, self.given["ca_file"]))
        if self.timezone:
            self._restore.callback(set_timezone(self.timezone))
        if self._capture is None:
            self._capture = Capture(secrets.values())
            self._capture.start()
        self._artefacts = Artefacts(secrets.values(), own_temp=self._own_process)
        self._artefacts.start()
        self._signals = Signals(secrets.values(), len(self.description.operations))
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
        if self._signals:
            self._signals.look()
        function = getattr(self._object, operation) if self._object else self._target
        given = dict(args) if self._object else {**self._given, **args}
        wanted = _wanted(function, given)
        if inspect.iscoroutinefunction(function):
            outcome = await self.home(lambda: _timed(lambda: function(**wanted)))
        else:
            outcome = await _timed(lambda: self._threaded(lambda: function(**wanted)))
        assert isinstance(outcome, Outcome)
        return outcome

    async def rotate(self, name: str, value: str) -> bool:
        """Put another secret into its file, where the client asked for one."""
        secrets = self._given.get("secrets")
        return isinstance(secrets, Secrets) and secrets.rotate(name, value)

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
                await asyncio.wait_for(self.home(lambda: _ended(closer)), patience_s())
        except Exception as error:
            print(f"galeproof: closing the subject raised {error!r}", file=sys.stderr)
        finally:
            self._object = None
            self._pool.shutdown(wait=False, cancel_futures=True)
            left = self._artefacts.stop() if self._artefacts else ([], [])
            measured = self._signals.stop() if self._signals else ([], [])
            self._artefacts = self._signals = None
            self._restore.close()
            if self._capture:
                captured, self._capture = self._capture.stop(), None
                captured = (captured[0] + shown + left[0] + measured[0],
                            captured[1] + probes + left[1] + measured[1])
        return captured


async def _timed(function: Callable[[], Awaitable[Any]]) -> Outcome:
    """What the caller gets, stamped where the caller is."""
    start = now_ns()
    try:
        value = await function()
    except Exception as error:
        return failed(error, start, now_ns())
    return ok(value, start, now_ns())


def _other(base_url: str) -> str:
    """The same tap under another host: another origin, without DNS."""
    return base_url.replace("//127.0.0.1:", "//localhost:", 1)


async def _ended(closer: Callable[[], Any]) -> None:
    result = closer()
    if inspect.isawaitable(result):
        await result


def _wanted(function: Any, given: Mapping[str, Any], skip: int = 0) -> dict[str, Any]:
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return dict(given)
    return {p.name: given[p.name] for p in parameters if p.name in given}
