"""A world with its control plane: what many runs of one worker share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from galeproof.errors import EngineError
from galeproof.faults.toxics import OWN_TOXICS
from galeproof.toxiproxy.control import ControlPlane
from galeproof.toxiproxy.names import lane_prefix
from galeproof.world import World, WorldRun, start_world

__all__ = ["Station"]

_CLOSING = frozenset({"reset_peer", "limit_data", "timeout", "reset_after", "stall_after"})


class Station:
    """Starts a world; opens runs in it, and makes and removes their lanes.

    Args:
        engine: ``auto``, ``toxiproxy``, ``embedded`` or a server's URL.
        seed: The run's seed.
        log: Where the log of a Toxiproxy of ours goes.

    Attributes:
        distrusted: Families that a self-check has found wrong here, and why; nothing is judged by them.

    Raises:
        EngineError: No such engine, or it is unreachable.
        WorldError: The world did not start.
    """

    def __init__(self, engine: str = "auto", *, seed: int = 0, log: Path | None = None) -> None:
        self.world: World = start_world(engine, seed=seed, log=log)
        self._prefix = lane_prefix()
        self._plane = ControlPlane(self.world.engine_url)
        self.distrusted: Mapping[str, str] = {}
        self._made: list[str] = []
        self._lock = threading.Lock()  # runs side by side share one control plane

    @property
    def engine(self) -> str:
        """What carries the lanes."""
        return self.world.engine

    def unable(self, wanted: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
        """Say why this engine cannot make these lanes, or None: some toxics only ours has."""
        types = {toxic["type"] for toxics in wanted.values() for toxic in toxics}
        own = sorted(types & OWN_TOXICS.keys())
        if not own or self.engine == "embedded":
            return None
        return (f"{' and '.join(own)}: only the embedded engine has it (--engine embedded); "
                f"this run's engine is {self.engine}")

    @contextlib.contextmanager
    def open_run(self, *, tls: bool = False) -> Iterator[WorldRun]:
        """Make room for one run in the world; end it whatever happens."""
        run = self.world.open_run(tls=tls)
        try:
            yield run
        finally:
            run.close()

    @contextlib.contextmanager
    def lanes(self, run: WorldRun, wanted: Mapping[str, Sequence[Mapping[str, Any]]]
              ) -> Iterator[tuple[dict[str, int], list[str]]]:
        """Make one proxy a lane (and the clean one) for a run; remove them whatever happens.

        Yields:
            Port by lane name, and the lanes whose toxics may end a connection.

        Raises:
            EngineError: The engine refused a lane, or lost one while it was used.
        """
        ports: dict[str, int] = {}
        names: list[str] = []
        closing = [name for name, toxics in wanted.items()
                   if any(toxic["type"] in _CLOSING for toxic in toxics)]
        try:
            for name, toxics in {"clean": (), **wanted}.items():
                names.append(f"{self._prefix}-{run.number}-{name}")
                ports[name] = self._make(names[-1], run.origin_port, toxics)
            yield ports, closing
            self._check(names)
        finally:
            self._remove(names)

    def _make(self, name: str, origin_port: int, toxics: Sequence[Mapping[str, Any]]) -> int:
        with self._lock:
            self._made.append(name)
            if self.world.foreign:
                self.world.call("lanes", names=list(self._made))
            made = self._plane.create(name, f"127.0.0.1:{origin_port}",
                                      toxics=[dict(t) for t in toxics])
            return made.port

    def _check(self, names: Sequence[str]) -> None:
        """See that the lanes are still there: nobody tells us of the end of a server not ours."""
        if not self.world.foreign:
            return
        with self._lock:
            there = self._plane.names(self._prefix)
        if not set(names) <= set(there):
            raise EngineError(f"{self.engine} has lost lanes of this run: it was started anew, or "
                              "somebody deleted them")

    def _remove(self, names: Sequence[str]) -> None:
        with self._lock:
            for name in names:
                # a dead engine is told elsewhere: the world's fault
                with contextlib.suppress(EngineError):
                    self._plane.delete(name)
                self._made.remove(name)

    def close(self) -> None:
        """End the world and what it started."""
        self._remove(list(self._made))
        self.world.close()
        self._plane.close()

    def __enter__(self) -> Station:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
