"""What the second set's clients share: a policy as a generator, and five transports that carry it out."""

import asyncio
import http.client
import json
import random
import socket
import time
import urllib.parse
import uuid
from dataclasses import dataclass, field

from galeproof import read, write

JSON = {"id": "{ref}", "amount": 1250}
MADE = {"id": "{effect}", "amount": "{amount}"}


class Failure(Exception):
    """Every failure of these clients."""

    def __init__(self, text, status=None, retry_after=None, effect="none"):
        super().__init__(text)
        self.status, self.retry_after, self.effect = status, retry_after, effect


class TimedOut(Failure):
    """No answer in time."""


class Unreachable(Failure):
    """The connection was lost or never made."""


class Limited(Failure):
    """429."""


class Refused(Failure):
    """401 and 403."""


class Wrong(Failure):
    """The other 4xx."""


class Broken(Failure):
    """5xx."""


class Garbled(Failure):
    """An answer that cannot be read."""


ERRORS = {
    "timeout": f"{__name__}.TimedOut",
    "connection": f"{__name__}.Unreachable",
    "rate_limit": f"{__name__}.Limited",
    "auth": f"{__name__}.Refused",
    "client": f"{__name__}.Wrong",
    "server": f"{__name__}.Broken",
    "protocol": f"{__name__}.Garbled",
}
RETRIES = ["connect", "reset", "timeout", 429, 502, 503, 504]


class Secret:
    """A secret that does not show itself."""

    def __init__(self, value):
        self._read = lambda: value

    def __repr__(self):
        return "Secret(***)"

    def reveal(self):
        """The secret."""
        return self._read()


@dataclass
class Answer:
    """What came of an attempt; `fault` is connect, reset, timeout, truncated or None."""

    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    fault: str | None = None


def unique(pairs):
    """A JSON object without duplicate keys."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("duplicate keys")
    return dict(pairs)


def no_constant(name):
    """NaN and its kin are no JSON."""
    raise ValueError(name)


class Policy:
    """Retries with full jitter; each client replaces what makes it itself."""

    ATTEMPTS, TIMEOUT, DEADLINE = 3, 0.5, None
    BASE, FACTOR, CAP = 0.1, 2, 0.8
    STATUSES = frozenset({429, 502, 503, 504})
    FAULTS = frozenset({"connect", "reset", "timeout", "truncated"})
    KEYED = True
    MAX_WAIT = 5.0

    def __init__(self, base_url, secrets):
        self.base, self.secret, self.secrets = base_url, Secret(secrets["api_key"]), None
        self.opened()

    def opened(self):
        """For what a client keeps."""

    # -- what clients replace
    def heads(self, op, number):
        """The headers of an attempt."""
        heads = {"Authorization": "Bearer " + self.secret.reveal(), "X-Request-Id": op["id"]}
        if op["method"] == "POST":
            heads["Content-Type"] = "application/json"
            if self.KEYED:
                heads["Idempotency-Key"] = self.key(op, number)
        return heads

    def key(self, op, number):
        """The key of an operation."""
        return op["key"]

    def new_key(self, op):
        """A fresh key, drawn once for an operation."""
        return str(uuid.uuid4())

    def delay(self, number):
        """How long before retry `number` (from 1)."""
        return random.uniform(0.02, 1) * min(self.CAP, self.BASE * self.FACTOR ** (number - 1))

    def wait(self, answer, number):
        """The delay, with Retry-After."""
        asked = self.asked(answer)
        return self.delay(number) if asked is None else max(asked, 0) + self.delay(number)

    def asked(self, answer):
        """What Retry-After says, in seconds."""
        text = answer.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() and len(text) < 12 else None

    def again(self, op, answer, number):
        """Whether there is another attempt."""
        if op["method"] == "POST" and not self.KEYED:
            return answer.fault == "connect" or answer.status == 429
        return answer.fault in self.FAULTS or answer.status in self.STATUSES

    def seen(self, op, answer, number):
        """Called after each attempt."""

    def target(self, op, number):
        """The path of an attempt."""
        return op["path"]

    def payload(self, op, number):
        """The body of an attempt."""
        return op["body"]

    def left(self, op):
        """What remains of the operation's time."""
        return 1e9 if self.DEADLINE is None else op["began"] + self.DEADLINE - time.monotonic()

    def parse(self, op, answer):
        """The value of a good answer, or ValueError."""
        value = json.loads(answer.body.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant)
        if not isinstance(value, dict) or not isinstance(value.get("id"), str):
            raise ValueError("no id")
        return value

    def failure(self, op, answer):
        """The error of a bad answer."""
        told = {"effect": "unknown" if op["method"] == "POST" else "none"}
        if answer.fault == "timeout":
            return TimedOut("no answer in time", **told)
        if answer.fault in ("connect", "reset"):
            return Unreachable("connection lost", **told)
        if answer.fault:
            return Garbled("the answer broke off", **told)
        status, asked = answer.status, self.asked(answer)
        kind = (
            Limited
            if status == 429
            else Refused
            if status in (401, 403)
            else Wrong
            if 400 <= status < 500
            else Broken
            if status >= 500
            else Garbled
        )
        return kind(f"status {status}", status, asked, "unknown" if status >= 500 else "none")

    # -- the loop
    def steps(self, op):
        """Yield what is to be done; sent back: the answer."""
        number = 0
        while True:
            number += 1
            span = min(self.TIMEOUT, self.left(op)) if self.TIMEOUT else None
            if span is not None and span <= 0:
                answer = Answer(fault="timeout")
                break
            answer = yield (
                "send",
                op["method"],
                self.target(op, number),
                self.heads(op, number),
                self.payload(op, number),
                span,
            )
            self.seen(op, answer, number)
            if number >= self.ATTEMPTS or not self.again(op, answer, number):
                break
            wait = self.wait(answer, number)
            if wait > self.MAX_WAIT or wait >= self.left(op):
                break
            yield ("sleep", wait)
        return self.conclude(op, answer)

    def conclude(self, op, answer):
        """The value or the error."""
        if answer.fault is None and 200 <= answer.status < 300:
            try:
                return self.parse(op, answer), None
            except (ValueError, TypeError, KeyError):
                return None, Garbled(
                    "the answer makes no sense",
                    answer.status,
                    effect="unknown" if op["method"] == "POST" else "none",
                )
        return None, self.failure(op, answer)

    def op(self, method, path, body=None, key=None):
        """What is known of an operation."""
        op = {
            "method": method,
            "path": path,
            "began": time.monotonic(),
            "id": str(uuid.uuid4()),
            "body": None if body is None else json.dumps(body).encode() if isinstance(body, dict) else body,
        }
        op["key"] = key or self.new_key(op)
        return op


class Blocking(Policy):
    """Carries a policy out in the caller's thread; opens a connection for each call (http.client)."""

    def exchange(self, method, path, heads, body, span):
        """One attempt."""
        place = urllib.parse.urlsplit(self.base)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=span)
        try:
            connection.connect()
        except TimeoutError:
            return Answer(fault="timeout")
        except OSError:
            return Answer(fault="connect")
        try:
            connection.request(method, path, body, heads)
            got = connection.getresponse()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, self.body(got))
        except TimeoutError:
            return Answer(fault="timeout")
        except http.client.IncompleteRead:
            return Answer(fault="truncated")
        except (OSError, http.client.HTTPException):
            return Answer(fault="reset")
        finally:
            connection.close()

    def body(self, got):
        """Read the body."""
        return got.read()

    def call(self, method, path, body=None, key=None):
        """One operation."""
        steps, sent = self.steps(self.op(method, path, body, key)), None
        while True:
            try:
                what = steps.send(sent)
            except StopIteration as end:
                value, error = end.value
                break
            sent = None
            if what[0] == "sleep":
                time.sleep(what[1])
            else:
                sent = self.exchange(*what[1:])
            what = None
        if error is not None:
            raise error
        return value

    @read(answer=JSON)
    def fetch(self, ref):
        return self.call("GET", f"/items/{ref}")

    @write(answer=MADE, status=201)
    def create(self, ref, amount):
        return self.call("POST", f"/items/{ref}", {"amount": amount})


class Waiting(Policy):
    """Carries a policy out in asyncio; asyncio's own streams, a connection for each call."""

    async def exchange(self, method, path, heads, body, span):
        """One attempt, in `span` seconds as a whole."""
        try:
            async with asyncio.timeout(span):
                return await self.talk(method, path, heads, body)
        except TimeoutError:
            return Answer(fault="timeout")

    async def dial(self):
        """Open a connection."""
        place = urllib.parse.urlsplit(self.base)
        return await asyncio.open_connection(place.hostname, place.port)

    async def talk(self, method, path, heads, body):
        """Send and read, over a raw connection."""
        try:
            reader, writer = await self.dial()
        except OSError:
            return Answer(fault="connect")
        place = urllib.parse.urlsplit(self.base)
        try:
            lines = [f"{method} {path} HTTP/1.1", f"Host: {place.netloc}", "Connection: close"]
            lines += [f"{k}: {v}" for k, v in heads.items()]
            if body is not None:
                lines.append(f"Content-Length: {len(body)}")
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b""))
            await writer.drain()
            return await self.heard(reader)
        except asyncio.IncompleteReadError:
            return Answer(fault="reset")
        except (OSError, ValueError, IndexError, asyncio.LimitOverrunError):
            return Answer(fault="reset")
        finally:
            writer.close()

    async def heard(self, reader):
        """Read an answer; interim ones are skipped."""
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ")[1])
            if status >= 200:
                break
        heads = {
            k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)
        }
        try:
            return Answer(status, heads, await self.body_of(reader, heads, status))
        except (asyncio.IncompleteReadError, ConnectionError):
            return Answer(fault="truncated")

    async def body_of(self, reader, heads, status):
        """Read a body, counted, chunked or until the end; what is packed is refused."""
        if heads.get("content-encoding", "identity") != "identity":
            return b"packed"
        if status in (204, 304):
            return b""
        if "chunked" in heads.get("transfer-encoding", ""):
            parts, total = [], 0
            while size := int((await reader.readline()).split(b";")[0] or b"x", 16):
                total += size
                if total > 1_000_000:
                    return b"too long"
                parts.append(await reader.readexactly(size))
                await reader.readexactly(2)
            return b"".join(parts)
        if "content-length" in heads:
            size = int(heads["content-length"])
            return b"too long" if size > 1_000_000 else await reader.readexactly(size)
        return await reader.read(1_000_000)

    async def drive(self, op):
        """Carry out the steps of an operation."""
        steps, sent = self.steps(op), None
        while True:
            try:
                what = steps.send(sent)
            except StopIteration as end:
                return end.value
            sent = None
            if what[0] == "sleep":
                await asyncio.sleep(what[1])
            else:
                sent = await self.exchange(*what[1:])
            what = None

    async def call(self, method, path, body=None, key=None):
        """One operation."""
        value, error = await self.drive(self.op(method, path, body, key))
        if error is not None:
            raise error
        return value

    @read(answer=JSON)
    async def fetch(self, ref):
        return await self.call("GET", f"/items/{ref}")

    @write(answer=MADE, status=201)
    async def create(self, ref, amount):
        return await self.call("POST", f"/items/{ref}", {"amount": amount})


class WithRequests(Blocking):
    """The same over a requests session."""

    def opened(self):
        import requests

        self.session = requests.Session()
        self.session.trust_env = False

    def exchange(self, method, path, heads, body, span):
        import requests
        from requests import exceptions as wrong

        try:
            got = self.session.request(
                method, self.base + path, headers=heads, data=body, timeout=span, allow_redirects=False
            )
            return Answer(got.status_code, {k.lower(): v for k, v in got.headers.items()}, got.content)
        except wrong.ConnectTimeout:
            return Answer(fault="timeout")
        except wrong.Timeout:
            return Answer(fault="timeout")
        except wrong.ChunkedEncodingError:
            return Answer(fault="truncated")
        except wrong.ConnectionError as error:
            if "timed out" in str(error):
                return Answer(fault="timeout")
            return Answer(fault="connect" if "NewConnectionError" in str(error) else "reset")
        except requests.RequestException:
            return Answer(fault="truncated")

    def close(self):
        self.session.close()


class WithUrllib3(Blocking):
    """The same over a urllib3 pool, its own retries off."""

    POOL = 50

    def opened(self):
        import urllib3

        self.pool = urllib3.PoolManager(maxsize=self.POOL, retries=False)

    def exchange(self, method, path, heads, body, span):
        import urllib3
        from urllib3 import exceptions as wrong

        try:
            got = self.pool.request(
                method,
                self.base + path,
                headers=heads,
                body=body,
                redirect=False,
                timeout=urllib3.Timeout(connect=span, read=span),
                retries=False,
            )
            return Answer(got.status, {k.lower(): v for k, v in got.headers.items()}, got.data)
        except wrong.TimeoutError:
            return Answer(fault="timeout")
        except wrong.NewConnectionError:
            return Answer(fault="connect")
        except (wrong.IncompleteRead, wrong.DecodeError):
            return Answer(fault="truncated")
        except wrong.ProtocolError as error:
            return Answer(fault="truncated" if "IncompleteRead" in str(error) else "reset")
        except wrong.HTTPError:
            return Answer(fault="reset")

    def close(self):
        self.pool.clear()


class WithHttpx(Waiting):
    """The same over an httpx client."""

    def opened(self):
        import httpx

        self.client = httpx.AsyncClient(
            timeout=None,
            trust_env=False,
            limits=httpx.Limits(max_connections=300, max_keepalive_connections=50),
        )

    async def talk(self, method, path, heads, body):
        import httpx

        try:
            got = await self.client.request(method, self.base + path, headers=heads, content=body)
            return Answer(got.status_code, {k.lower(): v for k, v in got.headers.items()}, got.content)
        except httpx.ConnectError:
            return Answer(fault="connect")
        except httpx.DecodingError:
            return Answer(fault="truncated")
        except httpx.RemoteProtocolError as error:
            return Answer(fault="truncated" if "complete message" in str(error) else "reset")
        except httpx.HTTPError:
            return Answer(fault="reset")

    async def close(self):
        await self.client.aclose()


class WithAiohttp(Waiting):
    """The same over an aiohttp session."""

    session = None
    LIMIT = 0

    async def talk(self, method, path, heads, body):
        import aiohttp

        if self.session is None:
            self.session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                connector=aiohttp.TCPConnector(limit=self.LIMIT),
            )
        try:
            async with self.session.request(
                method, self.base + path, headers=heads, data=body, allow_redirects=False
            ) as got:
                return Answer(got.status, {k.lower(): v for k, v in got.headers.items()}, await got.read())
        except aiohttp.ClientConnectorError:
            return Answer(fault="connect")
        except aiohttp.ClientPayloadError:
            return Answer(fault="truncated")
        except (aiohttp.ClientError, OSError):
            return Answer(fault="reset")

    async def close(self):
        if self.session is not None:
            await self.session.close()


def promise(**more):
    """The profile of the policy as it stands, with what a client promises otherwise."""
    return {
        "max_attempts": 3,
        "read_timeout_s": 0.5,
        "connect_timeout_s": 0.5,
        "retry_on": RETRIES,
        "backoff": {"base_s": 0.1, "factor": 2, "cap_s": 0.8, "jitter": "full"},
        "idempotency_key": "Idempotency-Key",
        "retry_after_max_s": 5.0,
    } | more


NOTHING = frozenset()
SOCKET_ERRORS = (OSError, socket.timeout)
