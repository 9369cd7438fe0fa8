"""The toxics as pure state machines: time and chance are arguments, nothing waits.

May import the standard library only. An interpreter (the embedded Toxiproxy, the
simulation) carries out the plans that the functions return.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from galeproof.faults.toxics import (
    bandwidth,
    forward_close,
    latency,
    limit_data,
    noop,
    reset_after,
    reset_peer,
    slicer,
    slow_close,
    stall_after,
    timeout,
)
from galeproof.faults.toxics._base import Attributes, Chunk, End, Plan, State, Step, ToxicType

__all__ = ["OWN_TOXICS", "TOXICS", "Attributes", "Chunk", "End", "Plan", "State", "Step", "ToxicType"]

TOXICS: Mapping[str, ToxicType] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            bandwidth.TOXIC,
            latency.TOXIC,
            limit_data.TOXIC,
            noop.TOXIC,
            reset_peer.TOXIC,
            slicer.TOXIC,
            slow_close.TOXIC,
            timeout.TOXIC,
        )
    }
)
"""Toxiproxy's own, by type: every engine has them."""

OWN_TOXICS: Mapping[str, ToxicType] = MappingProxyType(
    {kind.name: kind for kind in (forward_close.TOXIC, reset_after.TOXIC, stall_after.TOXIC)}
)
"""Ours, by type: only the embedded engine has them."""
