"""How late the subject's process is, and how much it holds: a thread that wakes every 10 ms."""

from __future__ import annotations

import resource
import threading
from pathlib import Path

from galeproof.kernel.clock import now_ns
from galeproof.kernel.recorder import Recorder

__all__ = ["Heartbeat", "held_mb"]

_BEAT_S = 0.01
_LAG_NS = 5_000_000
_STEP_MB = 4.0
_PAGE = resource.getpagesize()


class Heartbeat:
    """Records ``lag`` and ``memory`` events between ``start`` and ``stop``.

    Args:
        recorder: Takes the events.
        pid: Whose memory is looked at; nobody's if None.
    """

    def __init__(self, recorder: Recorder, pid: int | None = None) -> None:
        self._recorder = recorder
        self._pid = pid
        self._held_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="galeproof-beat")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(1)

    def _look(self, now: int) -> None:
        held = held_mb(self._pid)
        if abs(held - self._held_mb) >= _STEP_MB:
            self._held_mb = held
            self._recorder.add("subject", "memory", lo_ns=now, hi_ns=now, mb=round(held, 1))

    def _beat(self) -> None:
        before = now_ns()
        self._look(before)
        while not self._stop.wait(_BEAT_S):
            now = now_ns()
            late = now - before - int(_BEAT_S * 1e9)
            if late > _LAG_NS:
                self._recorder.add("subject", "lag", lo_ns=before, hi_ns=now,
                                   ms=round(late / 1e6, 1))
            self._look(now)
            before = now


def held_mb(pid: int | None) -> float:
    """Return the resident memory of a process in MB; 0 where nobody can tell."""
    if pid is None:
        return 0.0
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * _PAGE / 1e6
