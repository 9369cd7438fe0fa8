"""Seeing that a connection was refused: the kernel counts the RST that it answers with."""

from __future__ import annotations

import asyncio
from pathlib import Path

from galeproof.kernel.clock import now_ns, sleep

__all__ = ["wait_for_refusal"]

_SNMP = Path("/proc/net/snmp")
_LONGEST_NS = 250_000_000


def _resets() -> int | None:
    try:
        rows = [line.split() for line in _SNMP.read_text().splitlines() if line.startswith("Tcp:")]
        return int(rows[1][rows[0].index("OutRsts")])
    except (OSError, IndexError, ValueError):
        return None


async def wait_for_refusal(stop: asyncio.Event) -> bool:
    """Wait until the kernel has refused a connection, at most 0.25 s.

    Args:
        stop: Ends the wait early (the operation is over).

    Returns:
        True when a refusal was seen (Linux). The counter belongs to the whole network
        namespace, so that in rare cases another program's reset is taken for it.
    """
    start, before = now_ns(), _resets()
    while True:
        over = stop.is_set() or now_ns() - start >= _LONGEST_NS
        if before is not None and (_resets() or 0) > before:
            return True
        if over:
            return False
        await sleep(0.002)
