"""A process that speaks lines on stdin and stdout, in a group and on a leash of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from galeproof.kernel.clock import sleep
from galeproof.subject.foreign import end_group, survives
from galeproof.subject.leash import Leash
from galeproof.subject.protocol import ProtocolError, line_of

__all__ = ["Spoken"]

_LONGEST = 1 << 24
_LOOK_S = 0.01
_REST_S = 0.5  # for what stands in the pipe at its end, or for its end once the pipe is closed
_KILL_S = 2.0


class Spoken:
    """The process of a driver.

    Attributes:
        lines: How many it has said.
    """

    def __init__(self) -> None:
        self.lines = 0
        self._leash = Leash()
        self._process: asyncio.subprocess.Process | None = None
        self._closing = False

    async def start(self, command: Sequence[str], environment: Mapping[str, str],
                    stderr: int | IO[bytes] | None) -> None:
        """Start it.

        Raises:
            OSError: It cannot be started.
        """
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=stderr,
            env={**environment, **self._leash.environment()}, limit=_LONGEST, start_new_session=True)
        self._leash.hold(self._process.pid)

    @property
    def pid(self) -> int | None:
        """Its number; None before it is started."""
        return self._process.pid if self._process else None

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.returncode if self._process else None

    def say(self, message: Mapping[str, Any]) -> None:
        """Send one line; to a process that is gone, nothing."""
        assert self._process and self._process.stdin
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    def ask_to_close(self) -> None:
        """Ask it to end; from here on its end is no surprise."""
        self._closing = True
        self.say({"close": True})

    async def listen(self, hear: Callable[[dict[str, Any]], None]) -> str | None:
        """Hand every line over until the process is gone; one that breaks the protocol is ended.

        Returns:
            How it broke the protocol, or None.
        """
        heard = asyncio.ensure_future(self._hear(hear))
        over = asyncio.ensure_future(self._over())
        try:
            await asyncio.wait({heard, over}, return_when=asyncio.FIRST_COMPLETED)
            # gone, and a child of it may hold the pipe: what it said itself stands there already
            await asyncio.wait({heard}, timeout=_REST_S)
            broken = heard.result() if heard.done() else None
            if broken is None and not self._closing and not await self.gone(_REST_S):
                broken = "it closed its stdout and went on"
            if broken is not None:
                await self.end()
            await over
        finally:
            heard.cancel()
            over.cancel()
        if self.pid and survives(self.pid):
            end_group(self.pid)
        return broken

    async def _hear(self, hear: Callable[[dict[str, Any]], None]) -> str | None:
        assert self._process and self._process.stdout
        try:
            while line := await self._process.stdout.readline():
                self.lines += 1
                hear(line_of(line, self.lines))
        except ProtocolError as error:
            return str(error)
        except ValueError:  # what asyncio raises where no line ends
            return f"line {self.lines + 1} of its stdout is longer than {_LONGEST >> 20} MiB"
        return None

    async def _over(self) -> None:
        # asyncio's own wait is over only where the pipes are, and a child may hold them for ever
        while self.code is None:
            await sleep(_LOOK_S)

    async def gone(self, within_s: float) -> bool:
        """Wait for its end, so long; tell whether it came."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over(), within_s)
        return self.code is not None

    async def end(self) -> None:
        """End it, and all that it started, wherever that went."""
        self._closing = True
        if self.pid is None:
            return
        if self.code is None:
            end_group(self.pid)
            await self.gone(_KILL_S)
        self._leash.end_strays()
        self._leash.let_go(self.pid)
