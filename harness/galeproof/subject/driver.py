"""A driver: one process that speaks JSON lines, for many operations; ours, or one in any language."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import galeproof
from galeproof.errors import SubjectError
from galeproof.kernel.clock import now_ns
from galeproof.subject.capture import CHANNELS, Captured
from galeproof.subject.description import SubjectDescription
from galeproof.subject.foreign import TOLD, Foreign, environment_of
from galeproof.subject.heard import Heard
from galeproof.subject.instance import patience_s
from galeproof.subject.marks import OperationSpec
from galeproof.subject.outcome import Outcome
from galeproof.subject.protocol import ProtocolError, failure, ready_of
from galeproof.subject.spoken import Spoken

__all__ = ["DriverInstance"]

_OPEN_S = 30.0
_STUCK_S = 1.0  # for the close of a driver that owes answers


class DriverInstance:
    """A driver process, or ``module:attribute`` run by ours.

    Args:
        command: Its words.
        log: Where its stderr is appended; ours if None.
        foreign: What is declared of it; None for our own driver, which captures by itself.
    """

    def __init__(self, command: list[str], *, log: Path | None = None,
                 foreign: Foreign | None = None) -> None:
        self.description = SubjectDescription(" ".join(command), {}, {}, True)
        self.timezone: str | None = None
        self.given: Mapping[str, str] = {}
        self.channels: tuple[str, ...] = ("stderr",) if foreign else CHANNELS
        self.ended: str | None = None
        self.environment: dict[str, str] = {}
        self._foreign = foreign
        self._command, self._log_path = command, log
        self._log: IO[bytes] | None = None
        self._heard: Heard | None = None
        self._process = Spoken()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._ready: asyncio.Future[dict[str, Any]] | None = None
        self._closing: dict[str, Any] = {}
        self._closed = False
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

    @classmethod
    def of_foreign(cls, foreign: Foreign, log: Path | None = None) -> DriverInstance:
        """Return an instance that runs a driver command."""
        return cls(list(foreign.command), log=log, foreign=foreign)

    async def open(self, base_url: str, secrets: Mapping[str, str]) -> None:
        """Start the process and wait for its ready line.

        Raises:
            SubjectError: It did not get ready, or said what is not of the protocol.
        """
        if self._foreign:
            self._foreign.check_command()
        self._log = self._log_path.open("ab") if self._log_path else None
        if self._foreign:
            self._heard = Heard("stderr", secrets.values(), self._log)
        try:
            await self._process.start(
                self._command, environment_of(self.timezone) | self.environment,
                self._heard.write_fd if self._heard else self._log)
        except OSError as error:
            await self._abandon()
            raise SubjectError(f"{self._who} does not start: {error}") from None
        self._ready = asyncio.get_running_loop().create_future()
        self._reader = asyncio.ensure_future(self._read())
        given = {} if self._foreign else {"given": dict(self.given)}
        self._process.say({"galeproof": 1, "open": {"base_url": base_url, "secrets": dict(secrets), **given}})
        try:
            ready = await asyncio.wait_for(self._ready, _OPEN_S)
            if "ready" not in ready:
                raise SubjectError(str(ready["refused"]))
            self._describe(ready["ready"])
        except TimeoutError:
            await self._abandon()
            raise SubjectError(f"{self._who}: no ready line within {_OPEN_S:g} s") from None
        except BaseException:
            await self._abandon()
            raise

    @property
    def pid(self) -> int | None:
        """The driver's process."""
        return self._process.pid

    @property
    def _who(self) -> str:
        return f"driver {self._foreign.line if self._foreign else self._command[0]!r}"

    def _describe(self, ready: dict[str, Any]) -> None:
        if self._foreign:
            self.description = ready_of(ready, self._foreign)
            return
        self.description = SubjectDescription(
            ready["name"], {name: OperationSpec(**spec) for name, spec in ready["specs"].items()},
            ready["routes"], ready["instance"], tuple(ready["wants"]))

    async def _read(self) -> None:
        broken = await self._process.listen(self._hear)
        if not self._closed or broken:
            self.ended = f"{self._who}: {broken}" if broken else (
                f"the subject's process ended (code {self._process.code})")
        self._give_up()

    def _give_up(self) -> None:
        """Nothing more will be heard: answer all who wait."""
        assert self._ready
        if not self._ready.done():
            self._ready.set_result({"refused": self.ended if self.ended and "stdout" in self.ended else (
                f"{self._who}: {self.ended} before it was ready: a crash, or an exit of its own, at "
                "import or in the constructor")})
        gone = {"error": {"type": "DriverEnded", "text": self.ended or "the driver process ended"}}
        for future in self._waiting.values():
            if not future.done():
                future.set_result(gone)

    def _hear(self, message: dict[str, Any]) -> None:
        assert self._ready
        if "ready" in message or "refused" in message:
            if self._ready.done():
                raise ProtocolError(f"line {self._process.lines} of its stdout says ready a second time")
            self._ready.set_result(message)
        elif "closing" in message and self._foreign is None:
            self._closing = message["closing"]
        elif "id" not in message:
            raise ProtocolError(f"line {self._process.lines} of its stdout says closing, which is ours")
        elif (future := self._waiting.pop(message["id"], None)) is None:
            known = 0 < message["id"] <= self._number
            raise ProtocolError(f"line {self._process.lines} of its stdout answers {message['id']!r}, "
                                + ("which was answered before" if known else "which was never asked"))
        elif not future.done():
            future.set_result(message)

    async def call(self, operation: str, args: Mapping[str, Any]) -> Outcome:
        """Do one operation in the driver."""
        self._number += 1
        number = self._number
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        if self._foreign:
            args = {name: value for name, value in args.items()
                    if name in (*TOLD, *self.description.operations[operation].takes)}
        start = now_ns()
        self._process.say({"id": number, "do": operation, "args": dict(args)})
        if self._reader is None or self._reader.done():
            self._give_up()
        try:
            answer = await asyncio.shield(future)
        except asyncio.CancelledError:
            self._process.say({"cancel": number})
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(future), 1)
            raise
        begin, end = answer.get("ns") or (start, now_ns())
        if "error" in answer:
            error = failure(answer["error"]) if self._foreign else answer["error"]
            return Outcome("failed", None, error, begin, end)
        return Outcome("ok", answer.get("ok"), None, begin, end)

    async def rotate(self, name: str, value: str) -> bool:
        """Put another secret into its file; a foreign driver was given none."""
        if self._foreign or self._reader is None or self._reader.done():
            return False
        self._number += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = future
        self._process.say({"id": self._number, "rotate": [name, value]})
        return bool((await future).get("ok"))

    async def close(self) -> tuple[list[Captured], list[dict[str, Any]]]:
        """Ask it to close; end it where it does not within 5 s, or one where it owes answers."""
        if self._process.pid is None:
            return [], []
        self._closed = True
        self._process.ask_to_close()
        stuck = self._foreign and self._waiting
        await self._process.gone(min(patience_s(), _STUCK_S) if stuck else patience_s())
        await self._process.end()
        if self._reader:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._reader, 1)
        found = self._closing
        captured = [(at, data) for at, data in found.get("captured", [])]
        probes = list(found.get("probes", []))
        if self._heard:
            await self._heard.finish()
            said, probe = self._heard.close()
            captured += said
            probes += [probe, {"channel": "exception", "found": True}]
        self._shut()
        return captured, probes

    async def _abandon(self) -> None:
        await self.kill()
        if self._heard:
            self._heard.close()
        self._shut()

    def _shut(self) -> None:
        if self._log:
            self._log.close()
            self._log = None

    async def kill(self) -> None:
        """End the process, and what it started."""
        self._closed = True
        await self._process.end()
