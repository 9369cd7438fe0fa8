"""The embedded server by itself: what ``galeproof toxiproxy serve`` runs."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

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
    asyncio.run(_serve(EmbeddedServer(host, port, seed, proxy_metrics=proxy_metrics,
                                      runtime_metrics=runtime_metrics), config))


async def _serve(server: EmbeddedServer, config: Path | None) -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, done.set)
    await server.start()
    try:
        if config is not None:
            await _populate(server, config)
        _say(f"listening on {server.url}, seed {server.seed}")
        await done.wait()
    finally:
        await server.stop()


async def _populate(server: EmbeddedServer, config: Path) -> None:
    """Make the proxies of a file; what is wrong with it is said, and the server lives."""
    try:
        body = config.read_bytes()
    except OSError as error:
        _say(f"{config} cannot be read: {error.strerror}")
        return
    answer = await server.populate(body)
    if answer.status == 201:
        _say(f"proxies of {config}: {len(json.loads(answer.body)['proxies'] or ())}")
    else:
        _say(f"{config} is not good: {json.loads(answer.body)['error']}")


def _say(text: str) -> None:
    print(f"galeproof toxiproxy: {text}", file=sys.stderr, flush=True)
