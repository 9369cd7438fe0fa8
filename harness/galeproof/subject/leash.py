"""What ends a subject's processes whatever they do, and whatever becomes of this process.

Each instance marks the environment of what it starts; children inherit the mark, also where they leave
their process group or their session. A watcher holds a pipe of ours: where it closes because we were
killed, it ends every group that it was told of and, on Linux, every process that bears a mark of ours.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path

from galeproof.subject import watcher

__all__ = ["Leash"]

_NAME = "GALEPROOF_LEASH"
_WAIT_S = 5.0


class _Watcher:
    """The watcher of this process, started with the first leash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token = ""
        self._pid = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it, once in a process (a fork has none); return what its marks begin with."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._token = os.getpid(), secrets.token_hex(8)
                # where a subject runs a harness of its own, the outer one ends it, and its watcher the rest
                unmarked = {name: value for name, value in os.environ.items() if name != _NAME}
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(Path(watcher.__file__)), f"{_NAME}={self._token}-"],
                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    env=unmarked, start_new_session=True, bufsize=0)
                atexit.register(self._stop, self._pid)
            return self._token

    def tell(self, sign: str, group: int) -> None:
        """Say that a group was started (``+``), or is over (``-``)."""
        with self._lock, contextlib.suppress(OSError):
            if self._pid == os.getpid() and self._process and self._process.stdin:
                self._process.stdin.write(f"{sign}{group}\n".encode())

    def _stop(self, pid: int) -> None:
        if pid == os.getpid() and self._process and self._process.stdin:
            self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_WAIT_S)


_watcher = _Watcher()
_numbers = itertools.count(1)


class Leash:
    """Holds the processes of one instance."""

    def __init__(self) -> None:
        self._mark = ""

    def environment(self) -> dict[str, str]:
        """Return what each of its processes must be given; from the first on they are watched."""
        self._mark = self._mark or f"{_watcher.start()}-{next(_numbers)}."
        return {_NAME: self._mark}

    def hold(self, group: int) -> None:
        """A process group was started."""
        _watcher.tell("+", group)

    def let_go(self, group: int) -> None:
        """A group is over: its number may be another's soon."""
        _watcher.tell("-", group)

    def end_strays(self) -> None:
        """End every process that bears the mark, wherever it went; nothing where there is no /proc."""
        if self._mark:
            watcher.end_marked(f"{_NAME}={self._mark}".encode())
