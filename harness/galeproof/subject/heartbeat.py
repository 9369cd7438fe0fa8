"""How late the subject's process is: a thread that should wake every 10 ms."""

from __future__ import annotations

import threading

from galeproof.kernel.clock import now_ns
from galeproof.kernel.recorder import Recorder

__all__ = ["Heartbeat"]

_BEAT_S = 0.01
_LAG_NS = 5_000_000


class Heartbeat:
    """Records ``lag`` events between ``start`` and ``stop``."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="galeproof-beat")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join(1)

    def _beat(self) -> None:
        before = now_ns()
        while not self._stop.wait(_BEAT_S):
            now = now_ns()
            late = now - before - int(_BEAT_S * 1e9)
            if late > _LAG_NS:
                self._recorder.add("subject", "lag", lo_ns=before, hi_ns=now,
                                   ms=round(late / 1e6, 1))
            before = now
