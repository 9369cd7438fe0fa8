"""The origin: one connection an exchange, each with the tap's 12-byte preamble in front."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

from galeproof.kernel.clock import sleep, wall_s
from galeproof.kernel.recorder import Recorder
from galeproof.kernel.wire import MAX_HEAD, Head, Opaque, parse_head, request_body, response_body
from galeproof.origin.answers import Rendered, idempotency_key, respond, retry_after
from galeproof.origin.exchange_view import Director, View
from galeproof.origin.forward import forward, relabelled, with_header
from galeproof.origin.ledger import Ledger
from galeproof.origin.tokens import Issuer

__all__ = ["TOKEN_ROUTE", "Origin"]

TOKEN_ROUTE = "POST /oauth/token"

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_FOREVER_S = 3600.0
_PIECE = 65536
_SCRIPTED = ("status", "garbage", "endless", "body", "location")  # answers of our own
_DRIP_S = 15.0  # how long a dripping part lasts
_FAST, _SLOW, _MUCH = 50e6, 1e6, 64_000_000  # an endless body: bytes a second, and until when fast


class Origin:
    """Answers as the schedule says, in phases, and keeps the ledger.

    Attributes:
        operations: The spec of each reference: ``answer``, ``status``, ``headers``, ``effect``,
            ``amount``, ``upstream`` (who gives the healthy answer, where it is not us) and
            ``upstreams`` (who gives the answer of a status, by its digits).
        key_where: Where the idempotency key stands: a header's name or ``body:field``.
        always_close: Whether each answer says ``Connection: close``.
        issuer: The authority that requests to TOKEN_ROUTE are for, or None.
        worthless: Secrets that were rotated: who sends one is refused.
    """

    def __init__(self, recorder: Recorder, director: Director) -> None:
        self.recorder = recorder
        self.director = director
        self.operations: dict[str, Mapping[str, Any]] = {}
        self.key_where = "Idempotency-Key"
        self.always_close = False
        self.ledger = Ledger(random.Random(0))
        self.routes: dict[str, Any] = {}
        self.places: dict[str, str] = {}
        self.issuer: Issuer | None = None
        self.worthless: list[str] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> int:
        """Listen on loopback and return the port."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=2 * MAX_HEAD, backlog=1024)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def begin(self, operations: dict[str, Mapping[str, Any]], key_where: str, always_close: bool,
              rng: random.Random, deduplicate: bool, routes: dict[str, Any]) -> None:
        """Take over one run."""
        self.worthless = []
        self.operations, self.key_where = operations, key_where
        self.always_close, self.routes = always_close, routes
        self.ledger = Ledger(rng, deduplicate)

    def end(self) -> None:
        """Drop every exchange that still hangs."""
        for task in list(self._tasks):
            task.cancel()

    def close(self) -> None:
        """Stop listening."""
        self.end()
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            number = int((await reader.readexactly(12))[1:11])
            await _Exchange(self, number, self.director.view(number), reader, writer).run()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError,
                asyncio.CancelledError):
            pass  # the lane ended: the tap has seen it and says what it means
        finally:
            self._tasks.discard(task)
            writer.transport.abort()


class _Exchange:
    """One request and its answer."""

    def __init__(self, origin: Origin, number: int, view: View, reader: asyncio.StreamReader,
                 writer: asyncio.StreamWriter) -> None:
        self.origin, self.number, self.view = origin, number, view
        self.reader, self.writer = reader, writer
        self.answer: Mapping[str, Any] = view.step.get("answer") or {}
        cut = view.step.get("cut") or {}
        self.cut: Mapping[str, Any] = {} if cut.get("at") == "answer" else cut  # that is the tap's
        self.total = 0
        self.body = self.raw_body = b""

    def note(self, kind: str, **data: Any) -> None:
        self.origin.recorder.add("origin", kind, None, self.view.marker, x=self.number, **data)

    def phase(self, name: str, close: str | None = None) -> None:
        self.note("phase", phase=name, total=self.total, close=close)
        self.origin.director.phase(self.number, self.total, close)

    async def run(self) -> None:
        watch = asyncio.ensure_future(self._script())
        try:
            await watch
        except Opaque:
            await self._refuse_opaque()
        await self.reader.read()  # until the tap lets this connection go

    async def _refuse_opaque(self) -> None:
        await self._write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n"
                          b"Connection: close\r\n\r\n")
        self.phase("opaque", "fin")

    async def _script(self) -> None:
        head = await self._head()
        await self._read_body(head)
        self.note("read", head=len(self.raw_head), n=len(self.raw_body),
                  sha256=hashlib.sha256(self.body).hexdigest())
        if await self._cut("request"):
            return
        if self.answer.get("delay_s"):
            await sleep(self.answer["delay_s"])
        if self._for_issuer(head):
            await self._issue(head)
            return
        spec = self._spec(head)
        if refusal := self._refusal(head):
            self.note(refusal)
            self.answer = {"status": 401, "headers": {"WWW-Authenticate": 'Bearer error="invalid_token"'}}
        if upstream := self._upstream(spec):
            await self._forward(upstream, spec, head)
            return
        rendered = self._render(head, spec)
        if await self._cut("effect"):
            return
        await self._send(rendered, self._closes(head))

    async def _head(self) -> Head:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        self.raw_head = raw
        return parse_head(raw)

    async def _read_body(self, head: Head) -> None:
        counter = request_body(head)
        if not counter.done and (head.get("expect") or "").lower() == "100-continue":
            await self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        raw, content = [], []
        while not counter.done:
            data = await self.reader.read(_PIECE)
            if not data:
                raise ConnectionResetError
            raw.append(data[: counter.feed(data)])
            content += [data[at:end] for at, end in counter.spans]  # chunk framing is no content
        self.raw_body, self.body = b"".join(raw), b"".join(content)

    def _spec(self, head: Head) -> Mapping[str, Any]:
        route = self.origin.routes.get(f"{head.first[0]} {head.first[1].split('?')[0]}")
        if route is not None:
            return {"effect": False, **route}
        return self.origin.operations.get(self.view.marker or "", {})

    def _for_issuer(self, head: Head) -> bool:
        return self.origin.issuer is not None and TOKEN_ROUTE == (
            f"{head.first[0]} {head.first[1].split('?')[0]}")

    async def _issue(self, head: Head) -> None:
        """Answer for the authority."""
        assert self.origin.issuer is not None
        if self.origin.issuer.delay_s:
            await sleep(self.origin.issuer.delay_s)
        said = self.origin.issuer.issue(self.body)
        self.note("token", status=said.status, **said.told)
        rendered = respond({"status": said.status, "body": json.dumps(said.body)}, {}, {}, head=head,
                           body_at_least=0, close=self._closes(head), wall_s=wall_s())
        await self._send(rendered, self._closes(head))

    def _refusal(self, head: Head) -> str | None:
        """Why a request that would get a healthy answer gets a 401, as the event that tells it."""
        healthy = not self.answer.get("status") and not self.cut and self.view.marker
        issuer = self.origin.issuer
        if healthy and issuer is not None and issuer.guarded and not issuer.accepts(head):
            return "token_refused"
        sent = self.raw_head.decode("latin-1")
        return "secret_refused" if any(_holds(sent, old) for old in self.origin.worthless) else None

    def _upstream(self, spec: Mapping[str, Any]) -> str | None:
        """Who answers this attempt in our place: for a scripted status, whoever has that status."""
        if not any(self.answer.get(name) for name in _SCRIPTED):
            return spec.get("upstream")
        found: str | None = (spec.get("upstreams") or {}).get(str(self.answer.get("status")))
        return found

    def _closes(self, head: Head) -> bool:
        return (self.origin.always_close or bool(self.answer.get("close"))
                or (head.get("connection") or "").lower() == "close"
                or head.first[2:] == ("HTTP/1.0",))

    def _render(self, head: Head, spec: Mapping[str, Any]) -> Rendered:
        status = self.answer.get("status") or spec.get("status") or 200
        wanted = self.answer.get("effect")
        applies = wanted if wanted is not None else status < 300 and spec.get("effect") is not False
        effect = None
        if head.first[0] not in _SAFE and applies:
            effect = self._apply(head)
        names = {"ref": self.view.marker or "", "amount": spec.get("amount", 1000),
                 "effect": effect or self.view.marker or "", "attempt": self.view.attempt,
                 "now": int(wall_s())}
        least = self.cut.get("bytes") or 0 if self.cut.get("at") == "body" else 0
        drip = self.answer.get("drip") or {}
        if drip.get("part") == "body":
            least = int(_DRIP_S / drip["every_s"])
        return respond(self.answer, spec, names, head=head, body_at_least=least,
                       close=self._closes(head), wall_s=wall_s(), places=self.origin.places)

    def _apply(self, head: Head) -> str:
        """Put an effect into the ledger and return its id."""
        key = idempotency_key(head, self.body, self.origin.key_where)
        effect, replayed = self.origin.ledger.apply(key)
        self.note("effect", effect=effect, key=key, replayed=replayed,
                  sha256=hashlib.sha256(self.body).hexdigest())
        return effect

    async def _send(self, rendered: Rendered, closes: bool) -> None:
        drip = self.answer.get("drip") or {}
        if drip.get("part") == "interim":
            await self._drip_interim(drip["every_s"])
        await self._part(rendered.head, drip, "headers")
        if await self._cut("headers"):
            return
        if self.answer.get("endless"):
            await self._endless()
        body = rendered.body
        if self.cut.get("at") == "body":
            body = body[: self.cut["bytes"]]
        if rendered.chunked and body:
            body = b"%x\r\n%b\r\n" % (len(body), body)
        await self._part(body, drip, "body")
        if await self._cut("body"):
            return
        if rendered.chunked:
            await self._write(b"0\r\n\r\n")
        self.note("answered", status=rendered.status, total=self.total, value=rendered.value,
                  **({"spoilt": rendered.spoilt} if rendered.spoilt else {}))
        self.origin.director.phase(self.number, self.total, "end" if closes else "keep")

    async def _endless(self) -> None:
        """Chunks of white space without end; the tap or the run ends it.

        50 MB/s for the first 64 MB, then 1 MB/s: no read ever waits, and a subject that keeps it
        all does not take the machine's memory.
        """
        piece = b"10000\r\n" + b" " * _PIECE + b"\r\n"
        while True:
            await self._write(piece)
            await sleep(_PIECE / (_FAST if self.total < _MUCH else _SLOW))

    async def _drip_interim(self, every_s: float) -> None:
        for _ in range(int(_DRIP_S / every_s)):
            await self._write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await sleep(every_s)

    async def _part(self, data: bytes, drip: Mapping[str, Any], name: str) -> None:
        if drip.get("part") == name:
            for at in range(len(data)):
                await self._write(data[at : at + 1])
                await sleep(drip["every_s"])
            return
        for at in range(0, len(data), _PIECE):
            await self._write(data[at : at + _PIECE])

    async def _write(self, data: bytes) -> None:
        self.total += len(data)
        self.writer.write(data)
        await self.writer.drain()

    async def _cut(self, at: str) -> bool:
        """Make the planned end where the script has come to it; tell whether it did."""
        if self.cut.get("at") != at:
            return False
        kind = self.cut["kind"]
        self.phase(at, None if kind == "hang" else kind)
        if kind == "hang":
            await sleep(_FOREVER_S)
        return True

    async def _forward(self, upstream: str, spec: Mapping[str, Any], head: Head) -> None:
        """Let whoever is behind answer, and cut where the step says so."""
        asked = forward(upstream, self.raw_head, self.raw_body, head.first[0])
        try:
            async with contextlib.aclosing(asked) as pieces:
                await self._pass_on(pieces, spec, head)
        except OSError as error:
            self.note("fault_unplanned", what=f"behind the origin: {error}")
            self.phase("behind", "rst")

    async def _pass_on(self, pieces: AsyncIterator[bytes], spec: Mapping[str, Any], head: Head) -> None:
        """The connection is kept unless the answer says otherwise: a client would be right to send its
        next request on it. A mismatch of the contract is no fault of the provider's: as a 500 a sound
        client would try it again."""
        raw = await anext(pieces)  # the answer's whole head
        said = parse_head(raw)
        mismatch = said.get("x-pact")
        if mismatch is not None:
            self.note("mismatch", what=mismatch)
            raw, self.cut = relabelled(raw, 400, "Contract Mismatch"), {}
        elif any(self.answer.get(n) is not None for n in ("retry_after_s", "retry_after_date_s")):
            raw = with_header(raw, "Retry-After", retry_after(self.answer, wall_s()))
        status = 400 if mismatch is not None else int(said.first[1])
        if status < 300 and head.first[0] not in _SAFE and spec.get("effect") is not False:
            self._apply(head)
        if await self._cut("effect"):
            return
        drip = self.answer.get("drip") or {}
        await self._part(raw, drip, "headers")
        if await self._cut("headers"):
            return
        if self.cut.get("at") == "body":
            body = b"".join([data async for data in pieces])
            await self._part(body[: min(self.cut["bytes"], max(0, len(body) - 1))], drip, "body")
            await self._cut("body")
            return
        async for data in pieces:
            await self._part(data, drip, "body")
        closes = ((said.get("connection") or "").lower() == "close"
                  or response_body(said, head.first[0]).mode == "close")
        self.note("answered", status=status, total=self.total,
                  value=spec.get("value") if status < 300 else None)
        self.origin.director.phase(self.number, self.total, "end" if closes else "keep")


def _holds(text: str, secret: str) -> bool:
    """Whether a head holds a secret, as it is or as the password of Basic."""
    if secret in text:
        return True
    coded = text.partition("Basic ")[2].split("\r\n")[0]
    try:
        return secret in base64.b64decode(coded).decode("latin-1")
    except ValueError:
        return False
