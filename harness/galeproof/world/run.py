"""One run inside the world's process: a tap, an origin and a recorder of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from galeproof.kernel.chance import stream
from galeproof.kernel.clock import now_ns, sleep
from galeproof.kernel.recorder import RawEvent, Recorder
from galeproof.origin.exchange_view import View
from galeproof.origin.origin import Origin
from galeproof.origin.tokens import Issuer
from galeproof.tap.tap import Tap
from galeproof.world.authority import Authority

__all__ = ["ChildRun"]

_LAG_NS = 5_000_000
_ALONE = ("refuse", "blackhole", "tls stall", "tls drip")


class ChildRun:
    """What one run has to itself, so that runs side by side know nothing of each other.

    Args:
        number: Names the run towards the parent.
        send: Takes a batch of events of this run.
    """

    def __init__(self, number: int, send: Callable[[RawEvent], None]) -> None:
        self.number = number
        self._order = asyncio.Lock()
        self._lags: list[int] = []
        self.recorder = Recorder(send)
        self.tap = Tap(self.recorder)
        self.origin = Origin(self.recorder, self)

    def view(self, number: int) -> View:
        """Return the exchange of that number as the schedule has it."""
        exchange = self.tap.exchanges.get(number)
        if exchange is None:
            return View(None, 0, {})
        return View(exchange.marker, exchange.attempt, exchange.step)

    def phase(self, number: int, total: int, close: str | None) -> None:
        """Pass the origin's word on to the tap."""
        self.tap.phase(number, total, close)

    async def open(self, tls: bool = False) -> dict[str, Any]:
        """Listen; return the ports, the address of each origin, and what a client must trust.

        Raises:
            ValueError: TLS is asked for, and its extra is not installed.
        """
        authority = Authority() if tls else None
        self.tap.context = authority.context if authority else None
        port = await self.tap.listen()
        scheme = "https" if tls else "http"
        other = await self.tap.listen_beside("other")
        places = {"first": f"{scheme}://127.0.0.1:{port}", "other": f"{scheme}://127.0.0.1:{other}",
                  "other_host": f"{scheme}://localhost:{other}"}
        if tls:
            plain = await self.tap.listen_beside("plain", plain=True)
            places["plain"] = f"http://127.0.0.1:{plain}"
        self.origin.places = places
        return {"run": self.number, "tap": port, "origin": await self.origin.listen(),
                "places": places, "trust": authority.certificate if authority else None}

    async def command(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command of this run, after those before it, and return the reply.

        Raises:
            ValueError: No such command.
        """
        async with self._order:
            return await self._carry_out(name, args)

    async def _carry_out(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        if name == "begin":
            return self._begin(**args)
        if name == "operation":
            await self.tap.operation(args["ref"])
            return {}
        if name == "spec":
            self.origin.operations[args["ref"]] = args["spec"]
            return {}
        if name == "rotate":
            self.origin.worthless.append(args["old"])
            return {}
        if name == "cut_off":
            for connection in list(self.tap.connections):
                connection.end()
            return {"port": await self.tap.new_port() if args.get("move") else self.tap.port}
        if name == "look":
            await self.tap.idle()
            await sleep(0.01)
            return self._told()
        if name == "end":
            return await self._end()
        raise ValueError(f"unknown command {name!r}")

    def _begin(self, refs: dict[str, Any], schedule: list[Any], lanes: dict[str, int],
               closing: list[str], key_where: str, seed: int, deduplicate: bool,
               routes: dict[str, Any], calm: bool = False,
               tokens: dict[str, Any] | None = None) -> dict[str, Any]:
        # a connection step needs a fresh connection, and the storm does after its control
        closes = calm or any(
            (s.get("cut") or {}).get("at") == "accept"
            or (s.get("cut") or {}).get("kind") in _ALONE for s in schedule)
        rng: random.Random = stream(seed, "effects")
        self.origin.begin(refs, key_where, closes, rng, deduplicate, routes)
        self._begin_tokens(tokens, seed, calm)
        self.tap.begin(list(refs), schedule, lanes, closing, seed, list(routes))
        self._lags.clear()
        return {"port": self.tap.port}

    def _begin_tokens(self, spec: dict[str, Any] | None, seed: int, calm: bool) -> None:
        """The authority lasts from the control into the storm."""
        if spec is None:
            self.origin.issuer = None
        elif calm or self.origin.issuer is None:
            self.origin.issuer = Issuer(
                stream(seed, "tokens"), spec.get("refresh") or "", fixed=spec.get("fixed") or "")
        if self.origin.issuer and not calm and spec and spec.get("storm"):
            self.origin.issuer.storm(spec["storm"])
            self.recorder.add("origin", "token_expiry", **spec["storm"])

    async def _end(self) -> dict[str, Any]:
        await self.tap.settle()
        await self.tap.idle()
        self.tap.end()
        self.origin.end()
        await sleep(0.01)
        return self._told()

    def _told(self) -> dict[str, Any]:
        return {"effects": len(self.origin.ledger.effects), "lag_p99_ms": self._lag_p99_ms()}

    def beat(self, before_ns: int, late_ns: int) -> None:
        """Take one heartbeat of the process."""
        self._lags.append(late_ns)
        if late_ns > _LAG_NS:
            self.recorder.add("world", "lag", lo_ns=before_ns, hi_ns=now_ns(),
                              ms=round(late_ns / 1e6, 1))

    def _lag_p99_ms(self) -> float:
        ordered = sorted(self._lags) or [0]
        return round(ordered[int(len(ordered) * 0.99) - (len(ordered) > 1)] / 1e6, 2)

    def close(self) -> None:
        """End every connection, and listen no more."""
        self.tap.close()
        self.tap.close_beside()
        self.tap.end()
        self.origin.close()
