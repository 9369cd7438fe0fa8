"""The provider with faults, for tests only: answers cut after the effect, death after a commit.

Run it: `python tests/provider/faulty.py --database URL --port N --cut-percent 10 --die-at 60
--seed 7 --evidence FILE`. What it did stands in the evidence file, a word a line.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])

from contracts.provider.app import create_app, serve
from contracts.provider.settings import ProviderSettings
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["Faulty"]

TRANSPORTS: dict[Any, Any] = {}


class Watched(H11Protocol):
    """Uvicorn's protocol, whose transports can be found by the address of the client."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        TRANSPORTS[transport.get_extra_info("peername")] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        TRANSPORTS.pop(self.transport.get_extra_info("peername"), None)
        super().connection_lost(exc)


class Faulty:
    """An application whose answers to effects are cut, or which dies after one.

    Args:
        app: the provider.
        cut_percent: of the answers to effects, in the mean; half before a byte, half in the body.
        die_at: the number of the effect after which it kills itself (SIGKILL), or None.
        seed: of the dice.
        evidence: a file that gets a word for each fault.
    """

    def __init__(self, app: Any, *, cut_percent: float, die_at: int | None, seed: int, evidence: Path) -> None:
        self._app, self._cut, self._die_at = app, cut_percent / 100, die_at
        self._dice, self._evidence, self._effects = random.Random(seed), evidence, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].startswith("/oauth"):
            await self._app(scope, receive, send)
            return
        planned = ""

        async def sending(message: Any) -> None:
            nonlocal planned
            if message["type"] == "http.response.start" and message["status"] == 201:
                # the provider answers after its commit: the effect is there
                if not any(name == b"idempotent-replayed" for name, _ in message["headers"]):
                    self._effects += 1
                    if self._effects == self._die_at:
                        self._note("died")
                        os.kill(os.getpid(), signal.SIGKILL)
                if self._dice.random() < self._cut:
                    planned = self._dice.choice(["cut-before", "cut-within"])
                    self._note(planned)
            transport = TRANSPORTS.get(tuple(scope["client"] or ()))
            if planned == "cut-within" and message["type"] == "http.response.body":
                await send({**message, "body": message["body"][:20], "more_body": True})
            elif planned != "cut-before":
                await send(message)
                return
            if transport is not None:  # else the client has left by itself
                transport.close() if planned == "cut-within" else transport.abort()

        await self._app(scope, receive, sending)

    def _note(self, word: str) -> None:
        with self._evidence.open("a") as file:
            file.write(f"{word}\n")


def main() -> None:
    """Serve until killed, or until the effect that kills."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cut-percent", type=float, default=0)
    parser.add_argument("--die-at", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evidence", type=Path, required=True)
    options = parser.parse_args()
    app = Faulty(create_app(ProviderSettings(database_url=options.database)),
                 cut_percent=options.cut_percent, die_at=options.die_at, seed=options.seed,
                 evidence=options.evidence)
    serve(app, options.port, http=Watched, log_config=None)


if __name__ == "__main__":
    main()
