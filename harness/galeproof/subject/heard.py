"""One stream of a foreign process: all of it is searched for secrets, little of it is kept.

A probe is written into the pipe before the process has it and after the process is gone: where both
come out again, nothing that was written in between was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Collection
from typing import IO, Any

from galeproof.invariants.sec import shows
from galeproof.kernel.clock import now_ns, sleep
from galeproof.subject.capture import Captured

__all__ = ["Heard"]

_PROBE = b"galeproof-probe-7f3a\n"
_PIECE = 1 << 16
_OVERLAP = 1024
_KEPT = 4096
_TAIL = 1 << 16
_MOST = 1 << 24  # bytes that are searched; of what comes after nothing is known
_EMPTY_S = 0.5
_LOOK_S = 0.01


class Heard:
    """Listens to a pipe whose write end a process is given.

    Args:
        channel: Its name, ``stdout`` or ``stderr``.
        secrets: What to look for.
        log: Where the text is passed on to, or None.
    """

    def __init__(self, channel: str, secrets: Collection[str], log: IO[bytes] | None = None) -> None:
        self.channel = channel
        self._secrets = tuple(secrets)
        self._log = log
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._size = 0
        self._probes = 0
        self._begin, self._tail, self._window = b"", b"", b""
        self._found: list[Captured] = []
        self._over = asyncio.Event()
        os.write(self.write_fd, _PROBE)
        asyncio.get_running_loop().add_reader(self._read_fd, self._take)

    def _take(self) -> None:
        try:
            data = os.read(self._read_fd, _PIECE)
        except BlockingIOError:
            return
        if not data:
            self._stop()
            return
        across = self._tail[1 - len(_PROBE) :] + data  # shorter than a probe: none is counted twice
        self._probes += across.count(_PROBE)
        self._tail = (self._tail + data)[-_TAIL:]
        self._size += len(data)
        if len(self._begin) < _KEPT:
            self._begin += data
        if self._log and not self._log.closed:
            with contextlib.suppress(OSError):
                self._log.write(data.replace(_PROBE, b""))
        if self._size <= _MOST:
            self._search(data)

    def _search(self, data: bytes) -> None:
        self._window = self._window[-_OVERLAP:] + data
        text = self._window.decode("utf-8", "backslashreplace")
        if shows(self._secrets, text):
            for at in range(0, len(text), _KEPT):
                piece = text[at : at + _KEPT + _OVERLAP]
                if shows(self._secrets, piece):
                    self._found.append(self._event(piece))

    def _event(self, text: str) -> Captured:
        return now_ns(), {"channel": self.channel, "level": None, "logger": None,
                          "text": text.replace(_PROBE.decode(), "")}

    async def finish(self) -> None:
        """The process is gone: plant the last probe, and wait until the pipe is empty, or half a
        second where a child of the process holds it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EMPTY_S):
                while not select.select([], [self.write_fd], [], 0)[1]:
                    await sleep(_LOOK_S)  # full: what the process wrote last is being read
                os.write(self.write_fd, _PROBE)
                os.close(self.write_fd)
                self.write_fd = -1
                await self._over.wait()

    def text(self) -> str:
        """The last 64 KiB of what was said."""
        return self._tail.replace(_PROBE, b"").decode("utf-8", "backslashreplace")

    def close(self) -> tuple[list[Captured], dict[str, Any]]:
        """Stop; return what was captured (the beginning, and each piece that shows something of a
        secret), and how the probes fared."""
        self._stop()
        begin = self._begin[:_KEPT].decode("utf-8", "backslashreplace")
        found = self._probes >= 2 and self._size <= _MOST
        return [self._event(begin), *self._found], {"channel": self.channel, "found": found}

    def _stop(self) -> None:
        if self._read_fd >= 0:
            asyncio.get_running_loop().remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._read_fd = -1
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1
        self._over.set()
