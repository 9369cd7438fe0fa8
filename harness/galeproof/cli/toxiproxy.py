"""``galeproof toxiproxy``: our own server for any language's client, and the real one, built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["toxiproxy"]

toxiproxy = typer.Typer(no_args_is_help=True, help="Toxiproxy: serve the embedded one, install the real one.")


@toxiproxy.command()
def serve(
    host: Annotated[str, typer.Option(help="Where the control API listens; beyond loopback, "
                                           "whoever reaches it controls it.")] = "localhost",
    port: Annotated[int, typer.Option(help="Its port; 0 takes a free one.", min=0, max=65535)] = 8474,
    config: Annotated[Path | None, typer.Option(help="JSON array of proxies, as for POST "
                                                     "/populate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes toxicity and jitter repeatable; drawn "
                                                  "and printed if left out.")] = None,
    proxy_metrics: Annotated[bool, typer.Option("--proxy-metrics", help="Serve /metrics: bytes "
                                                "and connections of proxies.")] = False,
    runtime_metrics: Annotated[bool, typer.Option("--runtime-metrics", help="Serve /metrics: "
                                                  "this process.")] = False,
) -> None:
    """Serve the embedded Toxiproxy until SIGINT or SIGTERM."""
    from galeproof.toxiproxy.serving import serve_forever

    serve_forever(host, port, config, seed, proxy_metrics=proxy_metrics,
                  runtime_metrics=runtime_metrics)


@toxiproxy.command()
def install() -> None:
    """Build the real Toxiproxy with Go, into your cache folder."""
    from galeproof.toxiproxy.server import install_server

    print(install_server())
