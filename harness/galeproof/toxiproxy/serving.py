"""The embedded server by itself: what ``galeproof toxiproxy serve`` runs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from galeproof.errors import EngineError
from galeproof.toxiproxy.embedded import EmbeddedServer

__all__ = ["serve_forever"]


def serve_forever(
    host: str,
    port: int,
    config: Path | None,
    seed: int | None,
    *,
    proxy_metrics: bool = False,
    runtime_metrics: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        host: Where the control API listens.
        port: Its port; 0 takes a free one.
        config: A JSON file as for POST /populate; a bad one is logged, as Toxiproxy does.
        seed: Seed of every roll and draw; None draws one.
        proxy_metrics: Serve the bytes and connections of proxies on /metrics.
        runtime_metrics: Serve this process's own figures on /metrics.

    Raises:
        EngineError: The address is busy or not ours.
    """
    server = EmbeddedServer(host, port, seed)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(server, config))


async def _serve(server: EmbeddedServer, config: Path | None) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, done.set)
    try:
        await server.start()
    except OSError as error:
        raise EngineError(f"the control API cannot listen: {error.strerror or error}") from None
    print(f"galeproof toxiproxy: {server.url}", file=sys.stderr, flush=True)
    await done.wait()
    await server.stop()
