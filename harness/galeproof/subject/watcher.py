"""The watcher's program: ends what its parent started, once the parent is gone.

It is run by path, in an interpreter without any path of packages: it may import the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

__all__ = ["end_marked", "main"]

_ROUNDS = 50
_PAUSE_S = 0.02
_QUIET = 3  # rounds without a find: what was being forked meanwhile has been seen


def end_marked(mark: bytes, quiet: int = 1) -> None:
    """End every process whose environment shows the mark.

    Args:
        mark: ``NAME=value``, or its beginning.
        quiet: How many rounds in turn must find none.
    """
    calm = 0
    for _ in range(_ROUNDS):
        found = _marked(mark)
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        calm = 0 if found else calm + 1
        if calm >= quiet:
            return
        time.sleep(_PAUSE_S)


def _marked(mark: bytes) -> list[int]:
    """The processes that bear it, without the dead; none where there is no /proc."""
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                given = file.read()  # of one that has ended: empty
                if given.startswith(mark) or b"\0" + mark in given:
                    found.append(int(name))
    return found


def main(mark: str) -> None:
    """Listen to the parent: ``+123`` a group was started, ``-123`` it is over; then end them all."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        group = int(line[1:])
        (groups.add if line.startswith(b"+") else groups.discard)(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    end_marked(mark.encode(), _QUIET)


if __name__ == "__main__":
    main(sys.argv[1])
