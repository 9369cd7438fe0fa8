"""The tap as a whole: listener, schedule look-up, connection steps, dialling of lanes."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Collection, Mapping
from typing import Any

from galeproof.kernel.chance import stream
from galeproof.kernel.clock import now_ns, sleep
from galeproof.kernel.recorder import Recorder
from galeproof.tap.client import ClientConnection
from galeproof.tap.exchange import Exchange
from galeproof.tap.refusal import Blackhole, wait_for_refusal
from galeproof.tap.stall import Stall
from galeproof.tap.turns import settled
from galeproof.tap.upstream import Upstream

__all__ = ["Tap"]

CLEAN = "clean"
_HOST = "127.0.0.1"
_DRIP_S = 0.1  # less than any read timeout


class Tap:
    """Accepts the subject's connections and carries each attempt over the scheduled lane.

    Attributes:
        lanes: Port by lane name.
        closing_lanes: Lanes whose toxics may end a connection by plan.
        schedule: Steps as ``faults.steps.Step.as_dict`` gives them.
        current: The operation that runs now, where one runs at a time.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.connections: set[ClientConnection] = set()
        self.lanes: dict[str, int] = {}
        self.closing_lanes: frozenset[str] = frozenset()
        self.schedule: list[Mapping[str, Any]] = []
        self.current: str | None = None
        self.exchanges: dict[int, Exchange] = {}
        self._counts: dict[str, int] = {}
        self._refs: re.Pattern[bytes] | None = None
        self._order: dict[str, int] = {}
        self._routes: frozenset[bytes] = frozenset()
        self.seed = 0
        self._connection = self._exchange = self._began_ns = 0
        self._server: asyncio.Server | None = None
        self._beside: dict[str, asyncio.Server] = {}
        self.context: ssl.SSLContext | None = None  # TLS ends here where it is set
        self._closed_port: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusal: tuple[asyncio.Task[None], asyncio.Event] | None = None
        self.port = 0

    # -- a run --------------------------------------------------------------------------

    def begin(self, refs: list[str], schedule: list[Mapping[str, Any]], lanes: dict[str, int],
              closing: list[str], seed: int, routes: Collection[str] = ()) -> None:
        """Take over one run's references, steps, lanes, seed, and routes outside operations
        (``POST /oauth/token``)."""
        self.seed = seed
        self._routes = frozenset(route.encode() for route in routes)
        self._order = {ref: index for index, ref in enumerate(refs)}
        self.schedule, self.lanes = schedule, {**self.lanes, **lanes}
        self.closing_lanes = frozenset(closing)
        self._refs = re.compile("|".join(refs).encode(), re.I) if refs else None
        self._counts.clear()
        self.current = None
        self._began_ns = 0

    def end(self) -> None:
        """End every connection; forget the run."""
        for connection in list(self.connections):
            connection.end()
        for task in self._tasks:
            task.cancel()
        self.exchanges.clear()
        self._counts.clear()
        self.schedule, self.current, self._refs = [], None, None

    async def listen(self, port: int = 0) -> int:
        """Listen on the literal 127.0.0.1 and return the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: ClientConnection(self), _HOST, port, backlog=1024, reuse_address=True,
            ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def listen_beside(self, place: str, *, plain: bool = False) -> int:
        """Listen for another origin, by its name, and return its port; ``plain``: without TLS."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: ClientConnection(self, place), _HOST, 0, backlog=1024,
            ssl=None if plain else self.context)
        self._beside[place] = server
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def new_port(self) -> int:
        """Leave the old port (a thread of the subject may still use it) and take a new one."""
        await self.settle()
        self.close()
        return await self.listen()

    def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()
            self._server = None
        if self._closed_port:
            self._closed_port.close()
            self._closed_port = None

    def close_beside(self) -> None:
        """Stop listening for other origins."""
        for server in self._beside.values():
            server.close()

    def next_connection(self) -> int:
        """Return a fresh connection number."""
        self._connection += 1
        return self._connection

    # -- choosing -----------------------------------------------------------------------

    def _marker(self, raw: bytes) -> tuple[str | None, str]:
        if self._routes and b" ".join(raw.split(b" ", 2)[:2]).partition(b"?")[0] in self._routes:
            return None, "route"
        found = set(m.lower() for m in self._refs.findall(raw)) if self._refs else set()
        if len(found) == 1:
            return found.pop().decode(), "head"
        if self.current and not found:
            return self.current, "current"
        return None, "none"

    def how(self, raw: bytes) -> str:
        """Tell how the operation of this head is known: head, current, route or none."""
        return self._marker(raw)[1]

    def step(self, marker: str | None, attempt: int, place: str = "") -> Mapping[str, Any]:
        """Return the step of this attempt; requests outside operations get none."""
        if marker is None:
            return {}
        for index, step in enumerate(self.schedule):
            if step["first"] > attempt or (step["last"] is not None and attempt > step["last"]):
                continue
            if step.get("origin") not in (None, place or "first") or not self._meets(step, marker):
                continue
            chance = step.get("chance", 1.0)
            if chance < 1 and stream(self.seed, f"{marker}/{attempt}/{index}").random() >= chance:
                continue
            return settled({**step, "index": index}, self._order.get(marker, 0))
        return {}

    def _meets(self, step: Mapping[str, Any], marker: str) -> bool:
        """Whether the step is for this operation, and for now."""
        only = step.get("operations")
        number = self._order.get(marker, 0) + 1
        if only and not (only[0] <= number and (only[1] is None or number <= only[1])):
            return False
        begin_s, end_s = step.get("from_s"), step.get("to_s")
        if begin_s is None and end_s is None:
            return True
        at_s = (now_ns() - self._began_ns) / 1e9 if self._began_ns else 0.0
        return (begin_s or 0.0) <= at_s and (end_s is None or at_s < end_s)

    def _begin_windows(self) -> None:
        """The run's first request: from now on the windows of its steps are counted."""
        self._began_ns = now_ns()
        for index, step in enumerate(self.schedule):
            begin_s, end_s = step.get("from_s"), step.get("to_s")
            if begin_s is None and end_s is None:
                continue
            lo = self._began_ns + int((begin_s or 0.0) * 1e9)
            hi = lo if end_s is None else self._began_ns + int(end_s * 1e9)
            self.recorder.add("tap", "window", None, None, lo_ns=lo, hi_ns=hi, step=index,
                              word=step["word"], open_ended=end_s is None)

    def choose(self, client: ClientConnection, raw: bytes) -> Exchange:
        """Make the exchange of a request whose head is known."""
        self._exchange += 1
        marker, _ = self._marker(raw)
        attempt = 0
        if marker and not self._began_ns:
            self._begin_windows()
        if marker:
            attempt = self._counts[marker] = self._counts.get(marker, 0) + 1
        step = self.step(marker, attempt, client.place)
        exchange = Exchange(self._exchange, client, marker, attempt, step,
                            step.get("lane") or CLEAN)
        self.exchanges[exchange.number] = exchange
        return exchange

    def forget(self, exchange: Exchange) -> None:
        """Drop an exchange that is over."""
        self.exchanges.pop(exchange.number, None)

    # -- connection steps ---------------------------------------------------------------

    def accepted(self, client: ClientConnection) -> None:
        """Reset a connection at once where the current operation's next attempt says so."""
        if not self.current or client.place:
            return
        attempt = self._counts.get(self.current, 0) + 1
        cut = self.step(self.current, attempt).get("cut") or {}
        if cut.get("at") == "accept" and cut["kind"] in ("rst", "fin"):
            self._counts[self.current] = attempt
            client.make_close(None, cut["kind"], cut["kind"])

    @staticmethod
    def room(exchange: Exchange) -> int | None:
        """How many bytes of a request's body pass before its cut: a read may bring more."""
        cut = exchange.step.get("cut") or {}
        if cut.get("at") != "request_body":
            return None
        return max(1, int(cut["bytes"]) - exchange.body_size)

    def cut_here(self, client: ClientConnection, exchange: Exchange) -> bool:
        """Make the cuts that the tap itself makes; tell whether it did."""
        cut = exchange.step.get("cut") or {}
        stale = cut.get("kind") == "stale" and client.requests > 1
        part = cut.get("at") == "request_body" and exchange.body_size >= cut.get("bytes", 0)
        if stale or (part and not exchange.request.done):
            if part:
                client.part_read(exchange)
            exchange.over = True
            kind = "rst" if stale else cut["kind"]
            client.make_close(exchange, kind, kind)
            return True
        return False

    async def operation(self, marker: str | None) -> None:
        """Name the operation that runs now (None: nobody), and arm a refusal of its attempts."""
        await self.settle()
        self.current = marker
        if marker is None:
            return
        attempt = self._counts.get(marker, 0) + 1
        cut = self.step(marker, attempt).get("cut") or {}
        if cut.get("kind") == "refuse":
            self._refuse(marker)
        elif cut.get("kind") == "blackhole":
            self._swallow(marker)
        elif cut.get("kind") in ("tls stall", "tls drip"):
            await self._stall(marker, Stall(_DRIP_S if cut["kind"] == "tls drip" else 0.0))

    def _swallow(self, marker: str) -> None:
        """From now until the operation is over, no connect to the port completes."""
        port = self.port
        self.close()
        stop = asyncio.Event()
        hole = Blackhole(_HOST, port)
        self._refusal = (asyncio.ensure_future(self._swallowed(marker, hole, port, stop)), stop)

    async def _swallowed(self, marker: str, hole: Blackhole, port: int,
                         stop: asyncio.Event) -> None:
        lo = now_ns()
        try:
            await stop.wait()
        finally:
            hole.close()
        await self.listen(port)
        self.recorder.add("tap", "blackhole", None, marker, lo_ns=lo, hi_ns=now_ns(),
                          made=hole.made)

    async def _stall(self, marker: str, stall: Stall) -> None:
        """From now until the operation is over, no handshake on the port completes."""
        port = self.port
        self.close()
        await stall.listen(_HOST, port)
        stop = asyncio.Event()
        self._refusal = (asyncio.ensure_future(self._stalled(marker, stall, port, stop)), stop)

    async def _stalled(self, marker: str, stall: Stall, port: int, stop: asyncio.Event) -> None:
        lo = now_ns()
        try:
            await stop.wait()
        finally:
            stall.close()
        await self.listen(port)
        self.recorder.add("tap", "tls_stall", None, marker, lo_ns=lo, hi_ns=now_ns(),
                          accepted=stall.accepted, hellos=stall.hellos)

    def _refuse(self, marker: str) -> None:
        port = self.port
        self.close()
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((_HOST, port))  # bound, not listening: connects are refused, nobody takes it
        self._closed_port = bound
        stop = asyncio.Event()
        self._refusal = (asyncio.ensure_future(self._reopen(marker, port, stop)), stop)

    async def settle(self) -> None:
        """End a refusal that is still under way: the port listens again afterwards."""
        if self._refusal:
            task, stop = self._refusal
            self._refusal = None
            stop.set()
            await task

    async def _reopen(self, marker: str, port: int, stop: asyncio.Event) -> None:
        lo = now_ns()
        seen = await wait_for_refusal(stop)
        if self._closed_port:
            self._closed_port.close()
            self._closed_port = None
        await self.listen(port)
        self._counts[marker] = self._counts.get(marker, 0) + 1
        self.recorder.add("tap", "refused", None, marker, lo_ns=lo, hi_ns=now_ns(), seen=seen)

    # -- lanes --------------------------------------------------------------------------

    def _keep(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def dial(self, exchange: Exchange) -> None:
        """Open this attempt's own connection on its lane."""
        self._keep(self._dial(exchange))

    async def _dial(self, exchange: Exchange) -> None:
        lo = now_ns()
        port = self.lanes.get(exchange.lane)
        try:
            if port is None:
                raise OSError(f"no lane {exchange.lane!r}")
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(5):
                    await loop.sock_connect(sock, (_HOST, port))
                _, upstream = await loop.create_connection(lambda: Upstream(exchange), sock=sock)
            except BaseException:
                sock.close()
                raise
        except OSError as error:
            if not exchange.client.dead:
                exchange.client.dial_failed(exchange, error)
            return
        exchange.client.dialled(exchange, upstream, lo)

    def phase(self, number: int, total: int, close: str | None) -> None:
        """Take the origin's word on how far an answer is."""
        exchange = self.exchanges.get(number)
        if exchange and close:
            exchange.client.origin_says(exchange, total, close)

    async def idle(self) -> None:
        """Give closes that are under way a moment to happen."""
        for _ in range(50):
            if not any(c.closing and not c.dead for c in self.connections):
                return
            await sleep(0.002)
