"""Any command as a client: a process an operation."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from galeproof.errors import SubjectError
from galeproof.kernel.clock import now_ns
from galeproof.subject.capture import Captured
from galeproof.subject.description import SubjectDescription
from galeproof.subject.foreign import TOLD, Foreign, end_group, environment_of, survives
from galeproof.subject.heard import Heard
from galeproof.subject.leash import Leash
from galeproof.subject.outcome import Outcome
from galeproof.subject.protocol import shallow

__all__ = ["CommandInstance"]

_ARGUMENTS = {"ref": "REF", "amount": "AMOUNT", "key": "KEY", "deadline_s": "DEADLINE_S",
              "body": "BODY"}
_SHOWN = 4096


class CommandInstance:
    """Runs a command for each operation.

    It is told what to do in ``GALEPROOF_BASE_URL``, ``_OPERATION``, ``_REF``, ``_AMOUNT``, ``_KEY``,
    ``_DEADLINE_S``, ``_BODY`` (where the operation takes one) and ``_SECRET_<NAME>``. Exit code 0 is
    success, the last line of stdout its value (JSON, or the text). Where it fails, a last line
    ``{"error": {"type": ..., "message": ..., "effect": "unknown"}}`` says how; else stderr does.

    Args:
        foreign: The command.
        log: Where what it says is kept, or None.
    """

    def __init__(self, foreign: Foreign, log: Path | None = None) -> None:
        self.foreign = foreign
        self.timezone: str | None = None
        self.given: Mapping[str, str] = {}
        self.ended: str | None = None
        self.environment: dict[str, str] = {}
        self.channels: tuple[str, ...] = ("stdout", "stderr")
        self._log_path = log
        self._log: IO[bytes] | None = None
        self._given: dict[str, str] = {}
        self._secrets: tuple[str, ...] = ()
        self._heard: list[Heard] = []
        self._groups: set[int] = set()
        self._leash = Leash()

    @property
    def pid(self) -> int | None:
        """None: each operation has a process of its own."""
        return None

    @property
    def description(self) -> SubjectDescription:
        """What is declared, or was learned."""
        return SubjectDescription(self.foreign.line, self.foreign.operations, self.foreign.routes,
                                  instance=False)

    async def open(self, base_url: str, secrets: Mapping[str, str]) -> None:
        """Make ready; no process is started before the first operation.

        Raises:
            SubjectError: There is no such program.
        """
        self.foreign.check_command()
        self._log = self._log_path.open("ab") if self._log_path else None
        self._secrets = tuple(secrets.values())
        self._given = {
            **environment_of(self.timezone), **self.environment, **self._leash.environment(),
            "GALEPROOF_BASE_URL": base_url,
            **{f"GALEPROOF_SECRET_{name.upper()}": value for name, value in secrets.items()}}

    async def call(self, operation: str, args: Mapping[str, Any]) -> Outcome:
        """Run the command once.

        Raises:
            SubjectError: It cannot be started.
        """
        taken = self.foreign.operations[operation].takes
        told = {f"GALEPROOF_{_ARGUMENTS[name]}": str(value) for name, value in args.items()
                if name in (*TOLD, *taken)}
        out = Heard("stdout", self._secrets, self._log)
        err = Heard("stderr", self._secrets, self._log)
        self._heard += [out, err]
        start = now_ns()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.foreign.command, stdin=asyncio.subprocess.DEVNULL, stdout=out.write_fd,
                stderr=err.write_fd, env={**self._given, "GALEPROOF_OPERATION": operation, **told},
                start_new_session=True)
        except OSError as error:
            raise SubjectError(f"exec {self.foreign.line!r} does not start: {error}") from None
        self._groups.add(process.pid)
        self._leash.hold(process.pid)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            end_group(process.pid)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(process.wait(), 1)
            raise
        end = now_ns()
        if not survives(process.pid):
            self._groups.discard(process.pid)
            self._leash.let_go(process.pid)
        await out.finish()
        await err.finish()
        return _outcome(code, out.text(), err.text(), start, end)

    async def rotate(self, name: str, value: str) -> bool:
        """A command has no file of its own."""
        return False

    async def close(self) -> tuple[list[Captured], list[dict[str, Any]]]:
        """End what outlived its operation; return what was said."""
        for group in self._groups:
            end_group(group)
            self._leash.let_go(group)
        self._groups.clear()
        self._leash.end_strays()
        captured: list[Captured] = []
        found = dict.fromkeys(self.channels, bool(self._heard))
        for heard in self._heard:
            said, probe = heard.close()
            captured += said
            found[heard.channel] &= probe["found"]
        self._heard.clear()
        if self._log:
            self._log.close()
        found["exception"] = found["stderr"]  # what a command shows of its errors stands there
        return captured, [{"channel": name, "found": seen} for name, seen in found.items()]


def _outcome(code: int, out: str, err: str, start_ns: int, end_ns: int) -> Outcome:
    lines = out.rstrip().splitlines()
    value: Any = lines[-1] if lines else None
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        read = json.loads(value)
        value = read if shallow(read) else value
    if code == 0:
        return Outcome("ok", value, None, start_ns, end_ns)
    error: dict[str, Any] = {
        "type": f"signal {-code}" if code < 0 else f"exit {code}", "chain": [], "bases": [],
        "text": (err.rstrip().splitlines() or [""])[-1][:_SHOWN], "dump": f"{out[-_SHOWN:]}\n{err}"}
    if isinstance(value, Mapping) and isinstance(value.get("error"), Mapping):
        error |= {"text" if key == "message" else key: str(told)[:_SHOWN]
                  for key, told in value["error"].items() if key in ("type", "message", "effect")}
    return Outcome("failed", None, error, start_ns, end_ns)
