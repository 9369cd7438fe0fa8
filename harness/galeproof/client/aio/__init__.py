"""The client's code that waits, for asyncio; `galeproof.client.blocking` is generated from it."""

from __future__ import annotations

__all__: list[str] = []
