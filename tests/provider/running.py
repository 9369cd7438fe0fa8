"""A provider in a process of its own, that can be killed and started again on its port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

__all__ = ["Running"]

ROOT = Path(__file__).parents[2]


class Running:
    """One provider; `words` are further options of `faulty.py`.

    Args:
        database: SQLAlchemy's URL.
        folder: where its evidence and its log are.
    """

    def __init__(self, database: str, folder: Path) -> None:
        self._database, self._folder = database, folder
        self._evidence = folder / "evidence"
        self.log = folder / "provider.log"
        self.url, self._port, self.starts = "", 0, 0
        self.process: subprocess.Popen[str] | None = None

    def start(self, *words: str) -> None:
        """Start it, on the port that it had; it accepts when this returns."""
        self.starts += 1
        command = [
            sys.executable, str(ROOT / "tests" / "provider" / "faulty.py"), "--database", self._database,
            "--port", str(self._port), "--evidence", str(self._evidence), "--seed", str(self.starts), *words,
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'harness'}"}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, self.log.read_text()
        self._port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """Kill it at once (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def wait(self) -> bool:
        """Wait for its end; True when it was killed."""
        assert self.process is not None
        return self.process.wait() == -signal.SIGKILL

    def faults(self) -> list[str]:
        """Return what it did, a word each."""
        return self._evidence.read_text().split() if self._evidence.exists() else []
