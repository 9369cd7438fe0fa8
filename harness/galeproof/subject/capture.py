"""Everything that a process says: log records of every logger, stdout, stderr.

A probe is planted in each channel; a channel in which it is not found again proves nothing.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import IO, Any

from galeproof.kernel.clock import now_ns

__all__ = ["CHANNELS", "Capture", "Captured"]

Captured = tuple[int, dict[str, Any]]
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MOST = 5000
_LONGEST = 4096
_PROBE = "galeproof-probe-7f3a"
CHANNELS = ("log", "stdout", "stderr", "descriptor 1", "descriptor 2")


class Capture:
    """Captures between ``start`` and ``stop``.

    Log records are taken in ``Logger.handle``, so that a logger that does not propagate is
    heard too; the root logger's level is 1 meanwhile. Raw writes are taken from the file
    descriptors; what was written is passed on afterwards.
    """

    def __init__(self, *, descriptors: bool = True) -> None:
        self._descriptors = descriptors
        self._records: list[Captured] = []
        self._saved: list[tuple[int, int, IO[bytes]]] = []
        self._streams: dict[str, tuple[Any, list[str]]] = {}
        self._handle: Callable[..., Any] | None = None
        self._level = logging.WARNING
        self._disabled = 0

    def start(self) -> None:
        """Begin; plants a probe in every channel."""
        self._handle = logging.Logger.handle
        original, records = self._handle, self._records

        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            if len(records) < _MOST:
                records.append((now_ns(), _of(record)))
            if record.name != "galeproof.probe":
                original(logger, record)

        setattr(logging.Logger, "handle", handle)  # noqa: B010 - mypy refuses the plain form
        root = logging.getLogger()
        self._level, self._disabled = root.level, root.manager.disable
        root.setLevel(1)
        logging.disable(logging.NOTSET)
        for number, name in ((1, "stdout"), (2, "stderr")):
            self._redirect(number, name)
        self._plant()

    def _redirect(self, number: int, name: str) -> None:
        stream = getattr(sys, name)
        said: list[str] = []
        self._streams[name] = (stream, said)
        setattr(sys, name, _Tee(stream, said))
        if self._descriptors:
            with contextlib.suppress(Exception):
                stream.flush()
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _written
            self._saved.append((number, os.dup(number), file))
            os.dup2(file.fileno(), number)

    def _plant(self) -> None:
        probe = logging.getLogger("galeproof.probe")
        probe.propagate = False
        probe.setLevel(1)
        probe.debug(_PROBE)
        for name in ("stdout", "stderr"):
            self._streams[name][1].append(_PROBE)
        for number, _, _ in self._saved:
            os.write(number, _PROBE.encode())

    def stop(self) -> tuple[list[Captured], list[dict[str, Any]]]:
        """End; return what was captured (instant in ns, event data) and how the probes fared."""
        if self._handle:
            logging.Logger.handle = self._handle  # type: ignore[method-assign]
        root = logging.getLogger()
        root.setLevel(self._level)
        logging.disable(self._disabled)
        texts = self._written()
        captured = [item for item in self._records if item[1]["logger"] != "galeproof.probe"]
        heard = len(captured) != len(self._records)
        probes: list[dict[str, Any]] = [{"channel": "log", "found": heard}]
        now = now_ns()
        for name, text in texts.items():
            probes.append({"channel": name, "found": _PROBE in text})
            rest = text.replace(_PROBE, "")
            captured += [
                (now, {"channel": name, "level": None, "logger": None,
                       "text": rest[at : at + _LONGEST + 200]})
                for at in range(0, min(len(rest), 100 * _LONGEST), _LONGEST)
            ]
        return captured, probes

    def _written(self) -> dict[str, str]:
        texts: dict[str, str] = {}
        for name, (stream, said) in self._streams.items():
            setattr(sys, name, stream)
            texts[name] = "".join(said)
        for number, saved, file in self._saved:
            os.dup2(saved, number)
            os.close(saved)
            file.seek(0)
            data = file.read()
            file.close()
            name = f"descriptor {number}"
            texts[name] = data.decode("utf-8", "backslashreplace")
            with contextlib.suppress(OSError):
                os.write(number, data.replace(_PROBE.encode(), b""))
        self._saved.clear()
        return texts


class _Tee:
    """Passes writes on and keeps a copy."""

    def __init__(self, stream: Any, said: list[str]) -> None:
        self._stream, self._said = stream, said

    def write(self, text: str) -> int:
        self._said.append(str(text))
        return int(self._stream.write(text) or 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _of(record: logging.LogRecord) -> dict[str, Any]:
    try:
        message = record.getMessage()
    except Exception as error:
        message = f"{record.msg!r} ({error!r})"
    extras = {k: v for k, v in vars(record).items() if k not in _STANDARD}
    parts = [message]
    for more in (record.args, extras):
        if more:
            with contextlib.suppress(Exception):
                parts.append(repr(more))
    if record.exc_info and record.exc_info[0]:
        parts.append("".join(traceback.format_exception(*record.exc_info)))
    return {"channel": "log", "level": record.levelno, "logger": record.name,
            "text": "\n".join(parts)[:_LONGEST]}
