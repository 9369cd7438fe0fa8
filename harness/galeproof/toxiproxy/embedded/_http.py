"""One client of the control API: h11 over an asyncio protocol."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from typing import cast

import h11

from galeproof.toxiproxy.embedded._answers import Answer, failure
from galeproof.toxiproxy.embedded._api import Api
from galeproof.toxiproxy.embedded._routes import BadTarget, Guard, Route, route

__all__ = ["HttpClient"]

_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_BODY_MAX = 16 * 1024 * 1024
_READ_S = 15.0
_WRITE_S = 30.0
_IDLE_S = 60.0
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class HttpClient(asyncio.Protocol):
    """One connection to the control API.

    Args:
        api: What to call.
        guard: Who may ask.
        metrics: Whether /metrics exists.
        on_made: Told when it is connected.
        on_lost: Told when it is gone.
    """

    def __init__(
        self,
        api: Api,
        guard: Guard,
        *,
        metrics: bool,
        on_made: Callable[[HttpClient], None],
        on_lost: Callable[[HttpClient], None],
    ) -> None:
        self.transport: asyncio.Transport
        self._api = api
        self._guard = guard
        self._metrics = metrics
        self._on_made = on_made
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.SERVER)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._in_line = True
        self._unread = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._allow(_READ_S)
        self._on_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(self._ascii_line(data))
        self._advance()

    def pause_writing(self) -> None:
        # A client that does not read its answers gets no further ones, and not for ever.
        self._unread = True
        self._allow(_WRITE_S)

    def resume_writing(self) -> None:
        self._unread = False
        if self._task is None and not self.transport.is_closing():
            self._go_on()

    def _ascii_line(self, data: bytes) -> bytes:
        """Escape raw UTF-8 in a request line: Go's router takes it, h11 does not."""
        if not self._in_line:
            return data
        line, mark, rest = data.partition(b"\n")
        self._in_line = not (mark and line.strip())
        return _NOT_ASCII.sub(lambda found: b"%%%02X" % ord(found[0]), line) + mark + rest

    def eof_received(self) -> bool:
        self._http.receive_data(b"")
        self._advance()
        return True  # an answer under way is still sent; `_advance` closes

    def _allow(self, seconds: float) -> None:
        """Close the connection unless the next step is done in time."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self.transport.abort)

    def _advance(self) -> None:
        """Read events until a request is whole; it is then answered in a task."""
        while self._task is None:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error.error_status_hint, _reason(error))
                return
            if isinstance(event, h11.Request):
                if _expects_more(event):
                    self._refuse(417, "")
                    return
                self._request = event
                self._body.clear()
                self._allow(_READ_S)
                if self._http.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
                    self.transport.write(self._http.send(go_on) or b"")
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > _BODY_MAX:
                    self._refuse(413, "")
                    return
            elif isinstance(event, h11.EndOfMessage):
                if self._timer is not None:
                    self._timer.cancel()
                self.transport.pause_reading()
                self._task = self._loop.create_task(self._respond())
            else:
                if isinstance(event, h11.ConnectionClosed):
                    self.transport.close()
                return

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what is no HTTP as Go's server does, and close."""
        text = f"{status} {_REFUSALS.get(status, 'Bad Request')}{reason}"
        self.transport.write(f"HTTP/1.1 {text}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                             f"Connection: close\r\n\r\n{text}".encode())
        self.transport.close()

    async def _respond(self) -> None:
        request = self._request
        assert request is not None
        try:
            answer = await self._answer(request)
        except BadTarget:
            self._refuse(400, "")
            return
        except Exception as error:  # ours: said aloud, and the client is not left waiting
            self._loop.call_exception_handler(
                {"message": f"{request.method!r} {request.target!r} failed", "exception": error})
            answer = failure(500, f"internal error: {type(error).__name__}")
        self._send(answer, with_body=request.method != b"HEAD")
        self._task = None
        if self.transport.is_closing():
            return
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._in_line = True
            if not self._unread:
                self._go_on()
        else:
            self.transport.close()

    def _go_on(self) -> None:
        """Wait for the next request, or answer the one that is there."""
        self._allow(_IDLE_S)
        self.transport.resume_reading()
        self._advance()

    async def _answer(self, request: h11.Request) -> Answer:
        found = route(request.method.decode(), request.target.decode("latin-1"), metrics=self._metrics)
        if not isinstance(found, Route):
            return found
        # Of a header that comes twice Go's server takes the first.
        refusal = self._guard.refusal(dict(reversed(request.headers)))
        if refusal is not None:
            return refusal
        return await self._api.call(found.action, bytes(self._body), found.query, *found.names)

    def _send(self, answer: Answer, *, with_body: bool) -> None:
        body = answer.body.encode("utf-8", "replace")
        headers = [("Content-Type", answer.content_type)] if answer.content_type else []
        headers += answer.headers
        if answer.matched:
            token = "".join(secrets.choice(_ALPHABET) for _ in range(20))
            headers.append(("X-Toxiproxy-Request-Id", token))
        headers.append(("Date", _date()))
        if answer.status != 204:
            headers.append(("Content-Length", str(len(body))))
        out = self._http.send(h11.Response(status_code=answer.status, headers=headers,
                                           reason=_REASONS.get(answer.status, ""))) or b""
        if body and with_body:
            out += self._http.send(h11.Data(data=body)) or b""
        out += self._http.send(h11.EndOfMessage()) or b""
        if not self.transport.is_closing():
            self.transport.write(out)


_REASONS = {200: "OK", 201: "Created", 204: "No Content", 301: "Moved Permanently",
            400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
            409: "Conflict", 500: "Internal Server Error"}
_REFUSALS = {413: "Request Entity Too Large", 417: "Expectation Failed",
             431: "Request Header Fields Too Large", 501: "Not Implemented"}


def _expects_more(request: h11.Request) -> bool:
    """Whether it expects what no server here can do."""
    return any(name == b"expect" and value.lower() != b"100-continue"
               for name, value in request.headers)


def _reason(error: h11.RemoteProtocolError) -> str:
    return ": missing required Host header" if "Missing mandatory Host" in str(error) else ""


def _date() -> str:
    now = time.gmtime()
    return (f"{_DAYS[now.tm_wday]}, {now.tm_mday:02} {_MONTHS[now.tm_mon - 1]} {now.tm_year} "
            f"{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02} GMT")
