"""The tap's side of a lane: one connection for each attempt."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from galeproof.tap.exchange import Exchange

__all__ = ["Upstream"]


class Upstream(asyncio.Protocol):
    """Relays what the lane brings; tells the exchange how the lane ended."""

    transport: asyncio.Transport

    def __init__(self, exchange: Exchange) -> None:
        self.exchange: Exchange | None = exchange

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.exchange:
            self.exchange.client.relay_back(self.exchange, data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.exchange:
            how = "rst" if isinstance(error, ConnectionError) else "fin"
            self.exchange.client.lane_closed(self.exchange, how)

    def pause_writing(self) -> None:
        if self.exchange:
            self.exchange.client.hold(True)

    def resume_writing(self) -> None:
        if self.exchange:
            self.exchange.client.hold(False)

    def let_go(self) -> None:
        """Cut this connection loose: nothing that it brings matters any more."""
        self.exchange = None
        self.transport.abort()
