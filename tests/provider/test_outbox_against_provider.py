"""The outbox against the provider: both processes are killed, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import collections
import os
import subprocess
import sys
from pathlib import Path

import pytest
from contracts.provider.accounts import read_ledger
from contracts.provider.store import Store
from tests.provider.conftest import KEY
from tests.provider.running import ROOT, Running

pytestmark = pytest.mark.asyncio
COUNT = 40


class Worker:
    """A worker's process."""

    def __init__(self, box: Path, url: str, log: Path, *words: str) -> None:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'harness'}"}
        with log.open("a") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "tests" / "provider" / "outbox_worker.py"), str(box), url,
                 str(COUNT), *words],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out, text=True, env=environment)
        assert self.process.stdin is not None
        self.process.stdin.write(KEY + "\n")
        self.process.stdin.flush()

    def line(self) -> str:
        """Return its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


async def effects_reach(store: Store, number: int) -> None:
    """Wait until so many effects are in the ledger."""
    async with asyncio.timeout(60):
        while len(read_ledger(store)) < number:
            await asyncio.sleep(0.01)


async def test_the_outbox_survives_kill_9_of_both(running: Running, store: Store, tmp_path: Path) -> None:
    """The worker is killed twice, the provider once, answers are cut: one effect for each entry."""
    box, log = tmp_path / "box.db", tmp_path / "worker.log"
    running.start("--cut-percent", "10", "--die-at", "25")
    for number, words in ((8, ["--put"]), (16, [])):
        worker = Worker(box, running.url, log, *words)
        try:
            assert await asyncio.to_thread(worker.line) == "ready"
            await effects_reach(store, number)
        finally:
            worker.kill()
    worker = Worker(box, running.url, log)
    try:
        assert await asyncio.to_thread(running.wait)
        await asyncio.to_thread(running.start, "--cut-percent", "10")
        lines = [await asyncio.to_thread(worker.line) for _ in range(2)]
    finally:
        worker.kill()
    done, _, dead = lines[1].partition(" ")
    assert (lines[0], done) == ("ready", "done")
    assert dead.startswith("box-dead=NotFound"), dead
    effects = collections.Counter(line["key"] for line in read_ledger(store))
    assert effects == {f"box-{n}": 1 for n in range(COUNT)}
    shown = log.read_text() + running.log.read_text() + lines[1]
    assert ("galeproof.client.audit" in shown, "httpcore" in shown, KEY in shown) == (True, True, False)
    assert KEY.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("box.db*"))
