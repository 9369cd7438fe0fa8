"""One whole scenario in a test: on the test's own loop, or from a blocking test."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from galeproof.plugin.share import Shared, facts_of
from galeproof.runner import Judged, Subject, run_catalogue
from galeproof.runner.catalogue import CatalogueResult
from galeproof.scenario import find, load_scenario
from galeproof.subject import Instance, LocalInstance
from galeproof.subject.home import Home, here, through

__all__ = ["Whole"]

_INTERRUPTED_S = 2.0


@dataclass(slots=True)
class Whole:
    """A subject and the scenario that it is put into."""

    shared: Shared
    subject: Subject
    scenario: str
    _partial: list[Judged] = field(default_factory=list)

    async def arun(self) -> CatalogueResult:
        """Run it, the subject's coroutines on the loop that runs now (asyncio's or trio's)."""
        if _on_asyncio():
            return await self._run(here)
        import anyio  # only where a test runs on another library's loop
        from anyio.from_thread import BlockingPortal

        box: list[CatalogueResult] = []
        async with BlockingPortal() as portal:
            home = through(portal)
            box.append(await anyio.to_thread.run_sync(lambda: asyncio.run(self._run(home))))
        return box[0]

    def run(self) -> CatalogueResult:
        """Run it from a blocking test; also inside a running loop, which it blocks.

        Raises:
            KeyboardInterrupt: Ctrl-C; what was recorded is kept.
        """
        box: list[Any] = []
        running: list[tuple[asyncio.AbstractEventLoop, Any]] = []

        async def inner() -> CatalogueResult:
            running.append((asyncio.get_running_loop(), asyncio.current_task()))
            return await self._run(here)

        def target() -> None:
            try:
                box.append(asyncio.run(inner()))
            except BaseException as error:
                box.append(error)

        thread = threading.Thread(target=target, name="galeproof-run", daemon=True)
        thread.start()
        try:
            thread.join()
        except KeyboardInterrupt:
            for loop, task in running:
                loop.call_soon_threadsafe(task.cancel)
            thread.join(_INTERRUPTED_S)
            raise
        if isinstance(box[0], BaseException):
            raise box[0]
        result: CatalogueResult = box[0]
        return result

    async def _run(self, home: Home) -> CatalogueResult:
        scenario = load_scenario(find(self.scenario), self.shared.codes)
        try:
            return await run_catalogue(self.shared.station, _at_home(self.subject, home), [scenario],
                                       self.shared.seed, keep=self._partial.append)
        except asyncio.CancelledError:
            self._keep_partial(scenario.source)
            raise

    def _keep_partial(self, source: str) -> None:
        for judged in self._partial[-1:]:
            facts = {**facts_of(judged.history, self.shared), "interrupted": True}
            path = self.shared.keep(judged, source, facts)
            print(f"galeproof: interrupted; what was recorded is kept in {path}", file=sys.stderr)


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _at_home(subject: Subject, home: Home) -> Subject:
    """Return a subject whose coroutines run on the test's own loop."""

    def make(log: Path | None) -> Instance:
        instance = subject.make(log)
        if isinstance(instance, LocalInstance):
            instance.home = home
        return instance

    return dataclasses.replace(subject, make=make) if subject.in_process else subject
