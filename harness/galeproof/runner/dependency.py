"""Faults between a provider and what it depends on, switched by provider states."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from galeproof.runner.station import Station
from galeproof.toxiproxy.control import ControlPlane
from galeproof.toxiproxy.names import lane_prefix

__all__ = ["Dependency"]


class Dependency:
    """A lane of Toxiproxy in front of a dependency; use it as `with Dependency(address) as inventory`.

    A fault between the verifier and the provider tells nothing: the verifier makes one attempt, and all of
    them read the same. Between the provider and its database, say, a fault is a state of the provider. A
    state's handler holds one of the contexts below: `with inventory.unreachable(): yield`.

    Args:
        address: Where the dependency is, ``HOST:PORT``.
        port: Where the provider reaches it on loopback; 0 for any free one.
        engine: ``auto``, ``toxiproxy``, ``embedded`` or a server's URL.

    Attributes:
        port: The port that was taken.
    """

    def __init__(self, address: str, port: int = 0, engine: str = "auto") -> None:
        self._address, self.port, self._engine = address, port, engine
        self._name = f"{lane_prefix()}-dependency"

    def __enter__(self) -> Self:
        self._station = Station(self._engine)
        self._plane = ControlPlane(self._station.world.engine_url)
        self._open(())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        try:
            self._plane.delete(self._name)
        finally:
            self._plane.close()
            self._station.close()

    @contextlib.contextmanager
    def unreachable(self) -> Iterator[None]:
        """Refuse connections, and cut those that are open."""
        self._plane.delete(self._name)
        try:
            yield
        finally:
            self._open(())

    @contextlib.contextmanager
    def under(self, *toxics: Mapping[str, Any]) -> Iterator[None]:
        """Put toxics on it, ``{"type": "latency", "attributes": {"latency": 500}}``; connections that are
        open are cut, so that each new one has them."""
        self._plane.delete(self._name)
        self._open(toxics)
        try:
            yield
        finally:
            self._plane.delete(self._name)
            self._open(())

    def _open(self, toxics: Sequence[Mapping[str, Any]]) -> None:
        made = self._plane.create(self._name, self._address, f"127.0.0.1:{self.port}",
                                  [{"stream": "downstream", "toxicity": 1.0, **t} for t in toxics])
        self.port = made.port
