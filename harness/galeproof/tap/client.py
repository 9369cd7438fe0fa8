"""The tap's side of the subject: one object a connection."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from galeproof.kernel.clock import now_ns
from galeproof.kernel.wire import (
    MAX_HEAD,
    Body,
    Head,
    Opaque,
    head_end,
    looks_http,
    parse_head,
    request_body,
)
from galeproof.tap.closing import arm_reset, unread, unsent
from galeproof.tap.exchange import Ending, Exchange

if TYPE_CHECKING:
    from galeproof.tap.tap import Tap
    from galeproof.tap.upstream import Upstream

__all__ = ["ClientConnection"]

_PIPELINED = 65536
_DRAIN_NS = 3_000_000_000
_LINGER_S = 2.0


class ClientConnection(asyncio.Protocol):
    """Parses passively, relays every byte, and ends the connection as the schedule says."""

    transport: asyncio.Transport
    sock: socket.socket

    def __init__(self, tap: Tap, place: str = "") -> None:
        self.tap = tap
        self.place = place  # the name of an origin beside the first one
        self.number = tap.next_connection()
        self.exchange: Exchange | None = None
        self.requests = 0
        self.dead = False
        self.closing: str | None = None
        self._received = bytearray()
        self._searched = 0
        self._first_ns = 0
        self._opaque = False
        self._eof = False
        self._pending: list[tuple[int, str, dict[str, Any]]] = []
        self._reset: tuple[Exchange | None, int, str | None, int] | None = None
        self._ended_by_us = False

    # -- from the subject ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.sock = transport.get_extra_info("socket")
        # resume_writing then means "empty"; TLS pauses from its high mark on, which 0 always is
        tls = transport.get_extra_info("ssl_object") is not None
        transport.set_write_buffer_limits(high=int(tls), low=0)
        self.tap.connections.add(self)
        self._note("accept")
        self.tap.accepted(self)

    def data_received(self, data: bytes) -> None:
        if self.closing:
            return  # read on: close() with unread bytes would send RST in place of FIN
        if not self._received:
            self._first_ns = now_ns()
        self._received += data
        self._pump()

    def eof_received(self) -> bool:
        self._eof = True
        self._note("client_fin", self.exchange)
        if self.closing or not self.exchange:
            self.transport.close()
            return False
        # perhaps a half close: the answer must still come (TLS has none)
        return self.transport.get_extra_info("ssl_object") is None

    def connection_lost(self, error: Exception | None) -> None:
        self.dead = True
        self.tap.connections.discard(self)
        exchange = self.exchange
        if self._reset:
            # the RST leaves when the socket is closed, later in this loop turn
            asyncio.get_running_loop().call_soon(self._note_reset, *self._reset)
        else:
            how = "rst" if isinstance(error, ConnectionError) else "fin"
            self._note("gone", exchange, how="ended" if self._ended_by_us else how)
        if exchange:
            exchange.over = True
            if exchange.upstream:
                exchange.upstream.let_go()
            self.tap.forget(exchange)

    def end(self) -> None:
        """End this connection with the run."""
        self._ended_by_us = True
        self.transport.abort()

    def _note(self, kind: str, exchange: Exchange | None = None, *, lo_ns: int | None = None,
              hi_ns: int | None = None, **data: Any) -> None:
        if exchange:
            data["x"] = exchange.number
        self.tap.recorder.add("tap", kind, self.number, exchange.marker if exchange else None,
                              lo_ns=lo_ns, hi_ns=hi_ns, **data)

    def _note_reset(self, exchange: Exchange | None, lo: int, plan: str | None, sent: int) -> None:
        self._note("close", exchange, lo_ns=lo, hi_ns=now_ns(), planned=plan, done="rst",
                   sent=sent)

    # -- requests -----------------------------------------------------------------------

    def _pump(self) -> None:
        while self._received and not self.dead and not self.closing:
            if self.exchange is None:
                if not self._begin():
                    return
            elif not self.exchange.request.done:
                self._feed(self.exchange)
            else:
                if len(self._received) > _PIPELINED:
                    self.hold(True)
                return  # pipelined: waits for its turn

    def _begin(self) -> bool:
        """Start an exchange as soon as a head is whole or the bytes are known to be opaque."""
        if self._opaque or not looks_http(self._received):
            self._start_opaque(b"", "not HTTP/1")
            return True
        while self._received[:2] == b"\r\n":
            del self._received[:2]
        end = head_end(self._received, self._searched)
        if end < 0:
            if b"\n\n" in self._received:
                self._start_opaque(b"", "bare LF")
                return True
            self._searched = len(self._received)
            if self._searched > MAX_HEAD:
                self._start_opaque(b"", "head over 1 MB")
                return True
            return False
        self._searched = 0
        raw = bytes(self._received[:end])
        del self._received[:end]
        try:
            head = parse_head(raw)
            body = request_body(head)
        except Opaque as why:
            self._start_opaque(raw, str(why))
        else:
            self._start(raw, head, body)
        return True

    def _start(self, raw: bytes, head: Head, body: Body) -> None:
        self.requests += 1
        exchange = self.tap.choose(self, raw)
        exchange.method, exchange.request = head.first[0], body
        exchange.coding = (head.get("content-encoding") or "").lower()
        self.exchange = exchange
        self._note(
            "head", exchange, lo_ns=self._first_ns, hi_ns=now_ns(), method=head.first[0],
            target=head.first[1], headers=[list(pair) for pair in head.headers],
            lane=exchange.lane, step=exchange.step.get("index"),
            word=exchange.step.get("word", "ok"), attempt=exchange.attempt,
            by=self.tap.how(raw), nth=self.requests,
            **({"origin": self.place} if self.place else {}))
        self._first_ns = now_ns()
        if self.tap.cut_here(self, exchange):
            return
        self.tap.dial(exchange)
        self._send(exchange, b"G%010d\n" % exchange.number + raw)
        if body.done:
            self._request_end(exchange)

    def _start_opaque(self, raw: bytes, why: str) -> None:
        self._opaque = True
        exchange = self.tap.choose(self, b"")
        exchange.request = Body("close")
        exchange.answer.skip()
        self.exchange = exchange
        self._note("opaque", exchange, why=why)
        self.tap.dial(exchange)
        self._send(exchange, b"G%010d\n" % exchange.number + raw)

    def _feed(self, exchange: Exchange) -> None:
        room = self.tap.room(exchange)
        try:
            taken = exchange.request.feed(self._received[:room])
        except Opaque as why:
            self._opaque = True
            self._note("opaque", exchange, why=str(why))
            exchange.request = Body("close")
            taken = len(self._received)
        data = bytes(self._received[:taken])
        del self._received[:taken]
        exchange.take_body(b"".join(data[at:end] for at, end in exchange.request.spans))
        self._send(exchange, data)
        if exchange.request.done:
            self._request_end(exchange)
        elif self.tap.cut_here(self, exchange):
            return

    def _request_end(self, exchange: Exchange) -> None:
        self._note("request_end", exchange, n=exchange.body_size,
                   sha256=exchange.digest.hexdigest(), body=exchange.said())
        self._next(exchange)

    def part_read(self, exchange: Exchange) -> None:
        """Record the part of a request's body that had come when the tap ended it."""
        self._note("request_part", exchange, n=exchange.body_size,
                   body=exchange.body.decode("latin-1"))

    def _send(self, exchange: Exchange, data: bytes) -> None:
        if not data:
            return
        exchange.up += len(data)
        if exchange.upstream:
            exchange.upstream.transport.write(data)
        else:
            exchange.queue.append(data)
            if sum(map(len, exchange.queue)) > _PIPELINED:
                self.hold(True)

    def dialled(self, exchange: Exchange, upstream: Upstream, lo_ns: int) -> None:
        """The lane answered: send what has waited."""
        self._note("dial", exchange, lo_ns=lo_ns, hi_ns=now_ns(), lane=exchange.lane)
        if self.dead or exchange.over:
            upstream.let_go()
            return
        exchange.upstream = upstream
        if exchange.queue:
            upstream.transport.write(b"".join(exchange.queue))
            exchange.queue.clear()
            self.hold(False)

    def dial_failed(self, exchange: Exchange, error: OSError) -> None:
        """The lane is not there: never planned."""
        self.unplanned(exchange, f"lane {exchange.lane}: {error}")
        exchange.over = True
        self.make_close(exchange, "fin", None)

    def unplanned(self, exchange: Exchange | None, what: str) -> None:
        """Record that the harness did not do what was planned."""
        self._note("fault_unplanned", exchange, what=what)

    def hold(self, on: bool) -> None:
        """Stop or go on reading from the subject."""
        if self.dead or self.transport.is_closing():
            return
        if on:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    # -- answers ------------------------------------------------------------------------

    def relay_back(self, exchange: Exchange, data: bytes) -> None:
        """Pass answer bytes on, exactly as many as the origin says this answer has."""
        exchange.down += len(data)
        if exchange.over or self.dead or self.closing:
            return
        if exchange.ending:
            data = data[: max(0, exchange.ending.total - exchange.sent)]
        if not data:
            return
        lo = now_ns()
        self.transport.write(data)
        hi = now_ns()
        exchange.sent += len(data)
        facts: dict[str, Any] = {"x": exchange.number, "n": len(data), "total": exchange.sent}
        if exchange.answer.feed(data):
            facts |= {"status": exchange.answer.status, "headers": exchange.answer.headers}
        for status in exchange.answer.interim:
            self._note("interim", exchange, lo_ns=lo, hi_ns=hi, status=status)
        if self.transport.get_write_buffer_size():
            self._pending.append((lo, exchange.marker or "", facts))  # open until it is empty
        else:
            self.tap.recorder.add("tap", "answer", self.number, exchange.marker, lo_ns=lo,
                                  hi_ns=hi, **facts)
        self._maybe_end(exchange)

    def pause_writing(self) -> None:
        if self.exchange and self.exchange.upstream:
            self.exchange.upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        hi = now_ns()
        for lo, marker, facts in self._pending:
            self.tap.recorder.add("tap", "answer", self.number, marker or None, lo_ns=lo,
                                  hi_ns=hi, **facts)
        self._pending.clear()
        upstream = self.exchange.upstream if self.exchange else None
        if upstream and not upstream.transport.is_closing():
            upstream.transport.resume_reading()

    def origin_says(self, exchange: Exchange, total: int, close: str) -> None:
        """The origin has sent the last byte of this answer."""
        if not exchange.over:
            exchange.ending = Ending(total, close)
            self._maybe_end(exchange)

    def _maybe_end(self, exchange: Exchange) -> None:
        ending = exchange.ending
        if ending is None or exchange.sent < ending.total or exchange.over or exchange.kept:
            return
        if ending.close != "keep":
            exchange.over = True
            if exchange.upstream:
                self._note_lane(exchange, "kept", True)
                exchange.upstream.let_go()
            if ending.close == "end":  # an orderly end: Connection: close was said
                self._note("answer_end", exchange, total=exchange.sent, **unread(self.sock))
            self.make_close(exchange, "rst" if ending.close == "rst" else "fin", ending.close)
            return
        self._note("answer_end", exchange, total=exchange.sent, **unread(self.sock))
        if self._eof:
            exchange.over = True
            self.make_close(exchange, "fin", None)
            return
        exchange.kept = True
        self._next(exchange)
        if (exchange.step.get("cut") or {}).get("at") == "answer":
            self.make_close(None, "fin", None)  # it rests: no exchange is broken by it

    def _next(self, exchange: Exchange) -> None:
        """Make room for the next request once request and answer are both whole."""
        if not (exchange.kept and exchange.request.done) or exchange is not self.exchange:
            return
        exchange.over = True
        self.exchange = None
        self.tap.forget(exchange)
        if exchange.upstream:
            self._note_lane(exchange, "kept", True)
            exchange.upstream.let_go()
        self.hold(False)
        if self._received:
            self._first_ns = now_ns()
            self._pump()

    def _note_lane(self, exchange: Exchange, how: str, planned: bool) -> None:
        self._note("lane_closed", exchange, how=how, lane=exchange.lane, up=exchange.up - 12,
                   down=exchange.down, planned=planned)

    def lane_closed(self, exchange: Exchange, how: str) -> None:
        """The lane ended before the script did: mirror it, and say whether it was planned."""
        if exchange.over or self.dead:
            return
        exchange.lane_closed = how
        planned = exchange.lane in self.tap.closing_lanes
        self._note_lane(exchange, how, planned)
        if not planned:
            self.unplanned(exchange, f"lane {exchange.lane} closed ({how})")
        exchange.over = True
        self.make_close(exchange, how, how if planned else None)

    def make_close(self, exchange: Exchange | None, kind: str, plan: str | None,
                   since_ns: int | None = None) -> None:
        """End the connection by RST or FIN, once every byte is with the peer's kernel."""
        self.closing = kind
        if self.dead:
            return
        since = since_ns or now_ns()
        left = unsent(self.transport, self.sock)
        if left and now_ns() - since < _DRAIN_NS:
            asyncio.get_running_loop().call_later(0.001, self.make_close, exchange, kind, plan,
                                                  since)
            return
        plan = "fin" if plan == "end" else plan
        sent = (exchange.sent if exchange else 0) - left
        lo = now_ns()
        if kind == "rst":
            arm_reset(self.sock)
            self._reset = (exchange, lo, plan, sent)
            self.transport.abort()
            return
        if not self.transport.can_write_eof():  # TLS: its close is said, then made
            self._note("close", exchange, lo_ns=lo, hi_ns=now_ns(), planned=plan, done="fin",
                       sent=sent)
            self.transport.close()
            return
        try:
            self.transport.write_eof()
        except OSError:  # the peer has reset it meanwhile: it is gone, and nobody's FIN
            self.transport.abort()
            return
        self._note("close", exchange, lo_ns=lo, hi_ns=now_ns(), planned=plan, done="fin",
                   sent=sent)
        if self._eof:
            self.transport.close()
        else:  # read on until the peer ends: close() could send RST
            self.hold(False)
            asyncio.get_running_loop().call_later(_LINGER_S, self.transport.abort)
