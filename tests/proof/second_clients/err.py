"""ERR: errors and payloads."""

import http.client
import urllib.parse

from .policy import ERRORS, NOTHING, Answer, Broken, Failure, promise
from .transports import Blocking, Waiting, WithAiohttp, WithHttpx

TOLD = promise(errors=ERRORS, max_response_bytes=1_000_000)


class BusyIsBroken(WithHttpx):
    """429 reaches the caller as an error of the server."""

    PROFILE, EXPECT, INVARIANTS = promise(errors=ERRORS), frozenset({"ERR001"}), ("ERR001",)
    MAY = {}

    def failure(self, op, answer):
        if answer.status == 429:
            return Broken("status 429", 429, self.asked(answer), "none")
        return super().failure(op, answer)


class LeaksItsLibrary(WithHttpx):
    """Maps what it thought of; a broken chunk leaks out as httpx's own error."""

    PROFILE, EXPECT, INVARIANTS = promise(errors=ERRORS), frozenset({"ERR001"}), ("ERR001",)
    MAY = {
        "RTY003": "what is not mapped is not retried",
        "SEC002": "the error holds the request",
        "TMO006": "none",
    }

    async def exchange(self, method, path, heads, body, span):
        got = await super().exchange(method, path, heads, body, span)
        if got.fault == "reset":
            import httpx

            raise httpx.ReadError("")
        return got


class NothingIsEmpty(WithHttpx):
    """An empty answer is taken for an object with nothing in it."""

    PROFILE, EXPECT, INVARIANTS = promise(errors=ERRORS), frozenset({"ERR002"}), ("ERR002",)
    MAY = {"ERR001": "no error where one is due"}

    def parse(self, op, answer):
        return {} if not answer.body.strip() else super().parse(op, answer)


class LastOneWins(WithAiohttp):
    """Plain json.loads: the last of two keys wins, NaN is a number."""

    PROFILE, EXPECT, INVARIANTS = promise(errors=ERRORS), frozenset({"ERR002"}), ("ERR002",)
    MAY = {"ERR001": "no error where one is due"}

    def parse(self, op, answer):
        import json

        value = json.loads(answer.body)
        if not isinstance(value, dict) or "id" not in value:
            raise ValueError("no id")
        return value


class TakesWhatCame(Blocking):
    """A short body is read as far as it came."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"ERR003"}), ("ERR003",)
    MAY = {"RTY003": "it is no error, it thinks", "IDM001": "none"}

    def body(self, got):
        try:
            return got.read()
        except http.client.IncompleteRead as error:
            return error.partial

    def parse(self, op, answer):
        import json

        return json.JSONDecoder().raw_decode(answer.body.decode().strip())[0]


class NumbersInText(WithHttpx):
    """int() makes a number of whatever it can."""

    PROFILE, EXPECT, INVARIANTS = promise(typed_answers=True), frozenset({"ERR004"}), ("ERR004",)
    MAY = {"ERR002": "the same leniency"}

    def parse(self, op, answer):
        value = super().parse(op, answer)
        if op["method"] == "GET" or "amount" in value:
            value["amount"] = int(value["amount"])
            if not 0 <= value["amount"] < 10**9:
                raise ValueError("out of range")
        return value


class CountsWhatIsPacked(Waiting):
    """Its limit is one of bytes on the wire; what comes out of them is not counted."""

    PROFILE, EXPECT, INVARIANTS = TOLD, frozenset({"ERR005"}), ("ERR005",)
    MAY = {"ERR006": "none", "TMO004": "none"}

    def heads(self, op, number):
        return super().heads(op, number) | {"Accept-Encoding": "gzip"}

    async def body_of(self, reader, heads, status):
        import gzip

        packed = heads.get("content-encoding") == "gzip"
        data = await super().body_of(
            reader, {k: v for k, v in heads.items() if k != "content-encoding"}, status
        )
        return gzip.decompress(data) if packed and data[:2] == b"\x1f\x8b" else data


class CountsPerHost(Waiting):
    """Follows three redirects of a host; another host is another count. Twelve in all."""

    PROFILE = promise(errors=ERRORS, max_redirects=3)
    EXPECT, INVARIANTS = frozenset({"ERR006"}), ("ERR006",)
    MAY = {"ERR005": "more hops than are promised", "ERR001": "none"}
    LIMIT, ALL = 3, 12

    async def talk(self, method, path, heads, body):
        place, hosts = self.base, {}
        for _ in range(self.ALL):
            got = await super().talk(method, path, heads, body)
            if got.status not in (301, 302, 303, 307, 308) or method != "GET":
                break
            to = urllib.parse.urlsplit(urllib.parse.urljoin(place + path, got.headers.get("location", "")))
            hosts[place] = hosts.get(place, 0) + 1
            if hosts[place] > self.LIMIT or to.scheme != "http":
                break
            if to.netloc != urllib.parse.urlsplit(self.base).netloc:
                heads = {k: v for k, v in heads.items() if k == "X-Request-Id"}
            place, path = f"http://{to.netloc}", to.path + ("?" + to.query if to.query else "")
            self.at = to
        return got

    async def dial(self):
        import asyncio

        to, self.at = getattr(self, "at", None), None
        if to is None:
            return await super().dial()
        return await asyncio.open_connection(to.hostname, to.port)


class StrictReader(WithHttpx):
    """Sound: strict JSON of the right types, streamed under a limit, unpacked under the same limit."""

    PROFILE = TOLD | {"typed_answers": True, "deadline_s": 3.0}
    EXPECT, INVARIANTS = NOTHING, ("ERR001", "ERR002", "ERR003", "ERR004")
    MAY = {}
    DEADLINE = 3.0

    async def talk(self, method, path, heads, body):
        import httpx

        try:
            async with self.client.stream(method, self.base + path, headers=heads, content=body) as got:
                parts, size = [], 0
                async for part in got.aiter_bytes(65536):
                    size += len(part)
                    if size > 1_000_000:
                        return Answer(got.status_code, {}, b"too long")
                    parts.append(part)
                return Answer(
                    got.status_code, {k.lower(): v for k, v in got.headers.items()}, b"".join(parts)
                )
        except httpx.ConnectError:
            return Answer(fault="connect")
        except httpx.DecodingError:
            return Answer(fault="truncated")
        except httpx.RemoteProtocolError as error:
            return Answer(fault="truncated" if "complete message" in str(error) else "reset")
        except httpx.HTTPError:
            return Answer(fault="reset")

    def parse(self, op, answer):
        value = super().parse(op, answer)
        if type(value.get("amount")) is not int or not 0 <= value["amount"] < 10**9 or not value["id"]:
            raise ValueError("amount")
        if len(value["id"]) > 200:
            raise ValueError("id")
        return value


class Lenient(WithHttpx):
    """Sound: whatever the type says, if it is good JSON it is an answer; the cause is kept in the error."""

    PROFILE = promise(errors=ERRORS)
    EXPECT, INVARIANTS = NOTHING, ("ERR001", "ERR002")
    MAY = {"RTY001": "aiohttp sends a GET again by itself (added after the first score)"}

    async def call(self, method, path, body=None, key=None):
        try:
            return await super().call(method, path, body, key)
        except Failure as error:
            error.__cause__ = ConnectionError("as the library told it")
            raise


class BoundedAndRaw(Waiting):
    """Sound: asyncio's streams, nothing packed, a megabyte at most, no redirects."""

    PROFILE = TOLD | {"max_redirects": 0}
    EXPECT, INVARIANTS = NOTHING, ("ERR005", "ERR006", "ERR003")
    MAY = {}


class ThreeHops(CountsPerHost):
    """Sound: three redirects in all, whoever they lead to."""

    EXPECT, INVARIANTS, MAY = NOTHING, ("ERR006", "SEC006"), {}
    LIMIT, ALL = 99, 4
