"""A Toxiproxy-compatible server in one asyncio loop: same API, same toxics."""

from __future__ import annotations

from galeproof.toxiproxy.embedded._server import EmbeddedServer

__all__ = ["EmbeddedServer"]
