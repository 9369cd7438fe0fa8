"""What went through: counters of one proxy, and the totals that /metrics shows."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["STREAMS", "Flow", "Ledger", "Series", "Traffic", "count"]

STREAMS = ("upstream", "downstream")


@dataclass(slots=True, eq=False)
class Flow:
    """Bytes of one link, or of all links of one direction of a proxy."""

    received: int = 0
    sent: int = 0


@dataclass(slots=True, eq=False)
class Traffic:
    """One proxy's counters since it was made; they outlive its connections.

    Attributes:
        accepted: Connections that clients opened.
        refused: Those of them whose upstream could not be reached.
        flows: By direction, the bytes of links that are over.
    """

    accepted: int = 0
    refused: int = 0
    flows: dict[str, Flow] = field(default_factory=lambda: {stream: Flow() for stream in STREAMS})


@dataclass(frozen=True, slots=True)
class Series:
    """The labels of a Prometheus series."""

    proxy: str
    listener: str
    upstream: str
    direction: str = ""


@dataclass(slots=True, eq=False)
class Ledger:
    """Totals over the server's life, by series; deleted proxies included.

    Attributes:
        received: Bytes of ended links, as Toxiproxy counts them.
        sent: The same, without links whose destination broke.
        connections: Connections accepted.
        refused: Connections whose upstream could not be reached.
    """

    received: dict[Series, int] = field(default_factory=dict)
    sent: dict[Series, int] = field(default_factory=dict)
    connections: dict[Series, int] = field(default_factory=dict)
    refused: dict[Series, int] = field(default_factory=dict)


def count(totals: dict[Series, int], series: Series, number: int = 1) -> None:
    """Add to a total."""
    totals[series] = totals.get(series, 0) + number
