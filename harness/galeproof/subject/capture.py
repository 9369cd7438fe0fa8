"""Everything that a process says: log records of every logger, stdout, stderr.

A probe goes through each channel at the start and at the end; a channel in which one of them is
not found proves nothing, for instance because the subject replaced a stream or a descriptor.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import traceback
import weakref
from collections.abc import Collection, Iterator
from typing import IO, Any

from galeproof.invariants.sec import shows
from galeproof.kernel.clock import now_ns

__all__ = ["CHANNELS", "Capture", "Captured"]

Captured = tuple[int, dict[str, Any]]
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MOST = 5000
_PIECE = 4096
_OVERLAP = 1024
_PROBE = "galeproof-probe-7f3a"
CHANNELS = ("log", "stdout", "stderr", "descriptor 1", "descriptor 2")


class Capture:
    """Captures between ``start`` and ``stop``.

    Log records are taken where they are made (``Logger.makeRecord``) and handled, whatever level
    the subject sets and whether or not its logger propagates; what is printed of them stays as the
    subject wants it. Raw writes are taken from the file descriptors and passed on afterwards.

    Args:
        secrets: Every text is searched whole for these; where none stands in it, only its beginning
            is kept, and of log records no more than 5,000.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._secrets = tuple(secrets)
        self._records: list[Captured] = []
        self._seen: weakref.WeakSet[logging.LogRecord] = weakref.WeakSet()
        self._probes: dict[str, int] = dict.fromkeys(CHANNELS, 0)
        self._descriptors: list[_Descriptor] = []
        self._streams: dict[str, _Tee] = {}
        self._planted = 0
        self._undo = contextlib.ExitStack()

    def start(self) -> None:
        """Begin, with a probe through every channel."""
        self._listen()
        for number, name in ((1, "stdout"), (2, "stderr")):
            stream = getattr(sys, name)
            with contextlib.suppress(Exception):
                stream.flush()
            self._streams[name] = _Tee(stream)
            setattr(sys, name, self._streams[name])
            self._descriptors.append(_Descriptor(number))
        self._plant()

    def _listen(self) -> None:
        logger = logging.Logger
        enabled, make, handle = logger.isEnabledFor, logger.makeRecord, logger.handle

        def every_level(self: logging.Logger, level: int) -> bool:
            return True

        def made(*args: Any, **more: Any) -> logging.LogRecord:
            record = make(*args, **more)
            take(record)
            return record

        def handled(self: logging.Logger, record: logging.LogRecord) -> None:
            given = take(record)  # made elsewhere: no level of this logger was in its way
            if record.name != "galeproof.probe" and (given or enabled(self, record.levelno)):
                handle(self, record)

        take = self._take
        for name, ours, theirs in (("isEnabledFor", every_level, enabled),
                                   ("makeRecord", made, make), ("handle", handled, handle)):
            setattr(logger, name, ours)
            self._undo.callback(setattr, logger, name, theirs)

    def _take(self, record: logging.LogRecord) -> bool:
        """Keep a record; tell whether it is new."""
        if record in self._seen:
            return False
        self._seen.add(record)
        if record.name == "galeproof.probe":
            self._probes["log"] += 1
            return True
        told = _of(record)
        if len(self._records) < _MOST or shows(self._secrets, told["text"]):
            self._records.append((now_ns(), told))
        return True

    def _plant(self) -> None:
        logging.getLogger("galeproof.probe").debug(_PROBE)
        for name, tee in self._streams.items():
            before = tee.probes
            with contextlib.suppress(Exception):  # what the subject put there may be closed
                getattr(sys, name).write(_PROBE) if getattr(sys, name) is tee else None
            self._probes[name] += tee.probes - before
        for descriptor in self._descriptors:
            self._probes[f"descriptor {descriptor.number}"] += descriptor.probe()

    def pass_on(self) -> None:
        """Give what the descriptors have taken so far to those who listen behind them."""
        for descriptor in self._descriptors:
            descriptor.pass_on()

    def look(self) -> tuple[list[Captured], list[dict[str, Any]]]:
        """Return what was captured so far (instant in ns, event data) and how the probes fared."""
        self._planted += 1
        self._plant()
        now = now_ns()
        texts = {name: tee.text() for name, tee in self._streams.items()}
        texts |= {f"descriptor {d.number}": d.text() for d in self._descriptors}
        said = [(now, {"channel": name, "level": None, "logger": None, "text": text})
                for name, text in texts.items()]
        probes = [{"channel": name, "found": n > self._planted} for name, n in self._probes.items()]
        return list(_kept([*self._records, *said], self._secrets)), probes

    def stop(self) -> tuple[list[Captured], list[dict[str, Any]]]:
        """End; return what ``look`` would."""
        found = self.look()
        self._undo.close()
        for name, tee in self._streams.items():
            if getattr(sys, name) is tee:  # else somebody else has taken it over
                setattr(sys, name, tee.stream)
        while self._descriptors:
            self._descriptors.pop().close()
        return found


def _kept(items: list[Captured], secrets: Collection[str]) -> Iterator[Captured]:
    """Cut each text to pieces; keep the first, and each that shows something of a secret."""
    for at, data in items:
        text = data["text"]
        leaks = shows(secrets, text)
        for begin in range(0, len(text) if leaks else min(1, len(text)), _PIECE):
            piece = text[begin : begin + _PIECE + _OVERLAP]
            if begin == 0 or shows(secrets, piece):
                yield at, {**data, "text": piece}


class _Descriptor:
    """One file descriptor that leads into a file of ours meanwhile."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - in close
        self._saved = os.dup(number)
        self._passed = 0
        os.dup2(self._file.fileno(), number)

    def probe(self) -> bool:
        """Write a probe; tell whether it went into our file."""
        if not os.path.samestat(os.fstat(self.number), os.fstat(self._file.fileno())):
            return False
        os.write(self.number, _PROBE.encode())
        return True

    def pass_on(self) -> None:
        """Copy what is new to where it was meant to go."""
        size = os.fstat(self._file.fileno()).st_size
        data = os.pread(self._file.fileno(), size - self._passed, self._passed)
        self._passed = size
        data = data.replace(_PROBE.encode(), b"")
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._saved, data) :]

    def text(self) -> str:
        """All that was written so far."""
        size = os.fstat(self._file.fileno()).st_size
        data = os.pread(self._file.fileno(), size, 0)
        return data.decode("utf-8", "backslashreplace").replace(_PROBE, "")

    def close(self) -> None:
        """Put the descriptor back where it is still ours."""
        if os.path.samestat(os.fstat(self.number), os.fstat(self._file.fileno())):
            os.dup2(self._saved, self.number)
        self.pass_on()
        os.close(self._saved)
        self._file.close()


class _Tee:
    """Passes writes on and keeps a copy."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.probes = stream, 0
        self._said: list[str] = []

    def write(self, text: str) -> int:
        if text == _PROBE:
            self.probes += 1
            return len(text)
        self._said.append(str(text))
        return int(self.stream.write(text) or 0)

    def text(self) -> str:
        """All that was written."""
        return "".join(self._said)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


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
            "text": "\n".join(parts)}
