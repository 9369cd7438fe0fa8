"""Mutants and traps: errors and payloads."""

from __future__ import annotations

import json
import socket
import tempfile
from urllib.parse import urlsplit

import aiohttp
import httpx
import pydantic
import requests

from galeproof import read
from proof_clients.careful import (
    CAREFUL,
    Careful,
    CarefulOnAiohttp,
    CarefulOnRequests,
    Timeout,
    failure,
    typed,
)
from proof_clients.sound import READ, Failed, Sound, strictly

FRAMES = {"SEC002": "the library's error holds the headers in its frames"}

# -- ERR001 ------------------------------------------------------------------------------------------

class ReturnsNone(Careful):
    """Bare except: return None."""

    INVARIANTS, EXPECT = ("ERR001",), frozenset({"ERR001", "ERR002", "IDM007"})
    MAY = {"RTY003": "the loop swallows", "ERR003": "None for half a body"}

    def operation(self, *args):
        try:
            return super().operation(*args)
        except Failed:
            return None


class LetsJsonErrorsThrough(Careful):
    """The JSONDecodeError of a page reaches the caller."""

    INVARIANTS, EXPECT, MAY = ("ERR001",), frozenset({"ERR001", "ERR002"}), FRAMES

    def result(self, response):
        return self.refuse(response) if response.status_code >= 300 else json.loads(response.content)


class LetsTheLibrarysThrough(Careful):
    """httpx's errors reach the caller."""

    INVARIANTS, EXPECT = ("ERR001",), frozenset({"ERR001"})
    MAY = {**FRAMES, "RTY003": "it does not retry what the library raises"}

    def operation(self, method, path, ref, body=None):
        return self.result(self.send(method, path, ref, body, self.operation_key(), 1, float("inf")))


class RequestsErrorsThrough(CarefulOnRequests):
    """raise_for_status of requests, and its timeouts."""

    INVARIANTS, EXPECT = ("ERR001",), frozenset({"ERR001"})
    MAY = {**CarefulOnRequests.MAY, **FRAMES, "RTY003": "it does not retry", "ERR005": "reads all"}

    def operation(self, method, path, ref, body=None):
        response = self.http.request(
            method, self.base + path, json=body, timeout=0.4, allow_redirects=False,
            headers={"Authorization": f"Bearer {self.key}", "X-Request-Id": ref, "Idempotency-Key": ref})
        response.raise_for_status()
        return self.result(response)


class OneErrorForAll(Careful):
    """Every failure is the same type: nobody can tell a timeout from a refusal."""

    INVARIANTS, EXPECT = ("ERR001",), frozenset({"ERR001"})

    def give_up(self, why):
        raise Failed(str(why))

    def refuse(self, response):
        raise Failed(str(response.status_code))


class LosesTheStatus(Careful):
    """The right types, without the status (minor)."""

    INVARIANTS, EXPECT = ("ERR001",), frozenset({"ERR001"})

    def refuse(self, response):
        raise failure("", response.status_code).__class__("refused")


class SlowWait(Timeout):
    """A type of its own below the declared one."""


class KeepsTheCause(Careful):
    """Trap: the library's error is the cause of ours, and a timeout is a subclass of the declared."""

    INVARIANTS = ("ERR001",)
    MAY = FRAMES

    def give_up(self, why):
        error = failure(str(why), why if isinstance(why, int) else None)
        if isinstance(error, Timeout):
            error = SlowWait(str(why))
        raise error from httpx.HTTPError(str(why))


# -- ERR002 ------------------------------------------------------------------------------------------

class EmptyForBadJson(Careful):
    """except ValueError: return {}."""

    INVARIANTS, EXPECT = ("ERR002",), frozenset({"ERR002"})
    MAY = {"ERR003": "half a gzip stream is no JSON either", "ERR004": "an empty object for wrong types"}

    def result(self, response):
        if response.status_code >= 300:
            return self.refuse(response)
        try:
            return typed(strictly(response.content))
        except ValueError:
            return {}


class EmptyOnRequests(CarefulOnRequests):
    """The same on requests."""

    INVARIANTS, EXPECT, MAY = ("ERR002",), frozenset({"ERR002"}), {**CarefulOnRequests.MAY, **EmptyForBadJson.MAY}

    result = EmptyForBadJson.result


class TakesNaN(Careful):
    """json.loads as it comes: NaN, and the last of two keys."""

    INVARIANTS, EXPECT = ("ERR002",), frozenset({"ERR002"})
    MAY = {"ERR004": "1e400 is infinity to it"}

    def result(self, response):
        if response.status_code >= 300:
            return self.refuse(response)
        try:
            value = json.loads(response.content)
        except ValueError:
            return self.give_up("malformed")
        return value if isinstance(value.get("id"), str) else self.give_up("malformed")


class ReplacesBadBytes(CarefulOnAiohttp):
    """errors="replace": bytes that are no UTF-8 become question marks."""

    INVARIANTS, EXPECT = ("ERR002",), frozenset({"ERR002"})

    async def body_of(self, response):
        raw = await response.read()
        return typed(strictly(raw.decode("utf-8", "replace").encode()))


class TakesTwoKeys(Careful):
    """A key that is there twice is taken (minor)."""

    INVARIANTS, EXPECT = ("ERR002",), frozenset({"ERR002"})

    def result(self, response):
        if response.status_code >= 300:
            return self.refuse(response)
        try:
            value = json.loads(response.content.decode(), parse_constant=failure)
            return typed(value)
        except (ValueError, AttributeError, Failed):
            return self.give_up("malformed")


class DocumentedDefault(Careful):
    """Trap: for what it cannot read it returns the default that its profile documents."""

    INVARIANTS = ("ERR002",)
    PROFILE = {**CAREFUL, "operations": {"fetch": {"default": {"id": "", "amount": 0}}}}
    MAY = {"ERR003": "half a gzip stream is no JSON either", "ERR004": "its default stands for wrong types"}

    def result(self, response):
        if response.status_code >= 300:
            return self.refuse(response)
        try:
            return typed(strictly(response.content))
        except ValueError:
            return {"id": "", "amount": 0}


# -- ERR003 ------------------------------------------------------------------------------------------

class CountsNothing(CarefulOnRequests):
    """enforce_content_length=False."""

    INVARIANTS, EXPECT = ("ERR003",), frozenset({"ERR003"})
    MAY = {**CarefulOnRequests.MAY, "RTY003": "half a body is a success to it"}

    def read(self, response):
        response.raw.enforce_content_length = False
        return super().read(response)


class ReadsToTheEnd:
    """A client on bare sockets: the end of the connection is the end of the body."""

    PROFILE = {"max_attempts": 1, "read_timeout_s": 0.5, "deadline_s": 2.5, "retry_on": []}
    INVARIANTS, EXPECT = ("ERR003",), frozenset({"ERR003"})
    MAY: dict[str, str] = {}

    def __init__(self, base_url, secrets):
        self.at, self.key = urlsplit(base_url), secrets["api_key"]

    @read(answer=READ)
    def fetch(self, ref):
        with socket.create_connection((self.at.hostname, self.at.port), 0.5) as sock:
            sock.sendall(f"GET /payments/{ref} HTTP/1.1\r\nHost: {self.at.netloc}\r\nConnection: close\r\n"
                         f"Authorization: Bearer {self.key}\r\n\r\n".encode())
            head, _, body = b"".join(iter(lambda: sock.recv(65536), b"")).partition(b"\r\n\r\n")
        if b" 200 " not in head[:20]:
            raise Failed(head[:20].decode())
        if b"chunked" in head:
            body = body.partition(b"\r\n")[2].rpartition(b"\r\n")[0] or body
        return strictly(body)


class KeepsWhatCame(CarefulOnAiohttp):
    """except ClientPayloadError: what came is enough."""

    INVARIANTS, EXPECT = ("ERR003",), frozenset({"ERR003"})
    MAY = {"RTY003": "half a body is a success to it"}

    async def body_of(self, response):
        content = b""
        try:
            async for piece in response.content.iter_chunked(65536):
                content += piece
        except aiohttp.ClientPayloadError:
            pass
        return typed(strictly(content))


class ResumesWithRange(Careful):
    """Trap: asks for the rest of what broke off, and returns once all of it is there."""

    INVARIANTS = ("ERR003",)

    def operation(self, method, path, ref, body=None):
        have = b""
        for _ in range(self.attempts):
            headers = {"Authorization": f"Bearer {self.key}", "X-Request-Id": ref, "Accept-Encoding": "identity"}
            if have:
                headers["Range"] = f"bytes={len(have)}-"
            broken = False
            with self.http.stream(method, self.base + path, headers=headers, json=body) as response:
                if response.status_code >= 300:
                    break
                if response.status_code == 200:
                    have = b""
                try:
                    for piece in response.iter_raw():
                        have += piece
                except httpx.TransportError:
                    broken = True
            if not broken:
                return typed(strictly(have))
        return self.give_up("ReadError")


# -- ERR004 ------------------------------------------------------------------------------------------

class ChecksNoTypes(Careful):
    """It says that its answers are typed, and looks at none."""

    INVARIANTS, EXPECT = ("ERR004",), frozenset({"ERR004"})

    def typed(self, value):
        return value


class TakesTextForNumbers(Careful):
    """int("12"): a text is taken for a number, which nobody declared."""

    INVARIANTS, EXPECT = ("ERR004",), frozenset({"ERR004"})

    def typed(self, value):
        if isinstance(value.get("amount"), str):
            value["amount"] = int(value["amount"])
        return typed(value)


class MissesNull(CarefulOnRequests):
    """On requests: a null passes where a value is due."""

    INVARIANTS, EXPECT = ("ERR004",), frozenset({"ERR004"})

    def typed(self, value):
        return typed({**value, "amount": value["amount"] if value.get("amount") is not None else 0})


class RefusesNews(CarefulOnAiohttp):
    """extra="forbid": a field that the provider adds breaks it (minor)."""

    INVARIANTS, EXPECT = ("ERR004",), frozenset({"ERR004"})

    async def body_of(self, response):
        value = await super().body_of(response)
        if set(value) - {"id", "amount", "reference"}:
            raise ValueError("unknown field")
        return value


class _Payment(pydantic.BaseModel):
    id: str
    amount: int


class DeclaresCoercion(Careful):
    """Trap: pydantic takes "12" for 12, and the profile says so."""

    INVARIANTS = ("ERR004",)
    PROFILE = {**CAREFUL, "coerces": True}

    def typed(self, value):
        return _Payment.model_validate(value).model_dump()


# -- ERR005 ------------------------------------------------------------------------------------------

class ReadsItAll(Careful):
    """response.content of httpx, unpacked, whatever its size."""

    INVARIANTS, EXPECT = ("ERR005",), frozenset({"ERR005"})
    MAY = {"ERR006": "it follows as far as the library does", "ERR001": "memory and time end it"}

    def send(self, method, path, ref, body, key, attempt, until):
        return Sound.send(self, method, path, ref, body, key, attempt, until)


class UnpacksRedirects(CarefulOnRequests):
    """allow_redirects=False, and requests unpacks the redirect's body all the same."""

    INVARIANTS, EXPECT = ("ERR005",), frozenset({"ERR005"})

    def make_http(self):
        return requests.Session()


class ReadsItAllOnRequests(CarefulOnRequests):
    """response.content of requests, and its thirty redirects."""

    INVARIANTS, EXPECT = ("ERR005",), frozenset({"ERR005", "ERR006"})
    MAY = {**CarefulOnRequests.MAY, "ERR001": "memory and time end it", "TMO006": "no deadline over a body"}

    def make_http(self):
        return requests.Session()

    def operation(self, method, path, ref, body=None):
        problem = None
        try:
            response = self.http.request(
                method, self.base + path, json=body, timeout=0.4,
                headers={"Authorization": f"Bearer {self.key}", "X-Request-Id": ref, "Idempotency-Key": ref})
            return self.result(response)
        except requests.RequestException as error:
            problem = type(error).__name__
        return self.give_up(problem)


class ReadsItAllOnAiohttp(CarefulOnAiohttp):
    """await response.read() of aiohttp, whatever its size."""

    INVARIANTS, EXPECT = ("ERR005",), frozenset({"ERR005"})
    MAY = {"ERR001": "memory and time end it"}

    async def send(self, method, path, headers, body):
        async with self.http.request(method, self.base + path, json=body, headers=headers,
                                     timeout=self.timeouts(), max_redirects=3) as response:
            value = strictly(await response.read()) if response.status < 300 else None
            return response.status, value, 0.0


class StreamsToDisk(Careful):
    """Trap: a download, declared as one, streamed to disk piece by piece."""

    INVARIANTS = ("ERR005",)
    PROFILE = {**CAREFUL, "operations": {"fetch": {"download": True}}}

    def read(self, response):
        if response.headers.get("Content-Encoding"):
            raise httpx.DecodingError("not asked for", request=response.request)
        with tempfile.TemporaryFile() as file:
            for piece in response.iter_raw():
                file.write(piece)
            file.seek(0)
            response._content = file.read(1000)
        return response


# -- ERR006 ------------------------------------------------------------------------------------------

class LimitInTheWrongPlace(Careful):
    """It declares that it follows none, and its library follows twenty."""

    INVARIANTS, EXPECT = ("ERR006",), frozenset({"ERR006"})
    PROFILE = {**CAREFUL, "max_redirects": 0}
    MAY = {"ERR005": "it unpacks the redirects' bodies"}
    redirects = 20

    def send(self, *args):
        return Sound.send(self, *args)


class FollowsTen(CarefulOnAiohttp):
    """aiohttp's default of ten redirects against three declared."""

    INVARIANTS, EXPECT = ("ERR006",), frozenset({"ERR006"})

    async def send(self, method, path, headers, body):
        async with self.http.request(method, self.base + path, json=body, headers=headers,
                                     timeout=self.timeouts()) as response:
            value = await self.body_of(response) if response.status < 300 else None
            return response.status, value, 0.0


class RedirectIsAValue(CarefulOnRequests):
    """A redirect that it does not follow is returned as if it were the payment."""

    INVARIANTS, EXPECT = ("ERR006",), frozenset({"ERR006"})

    def result(self, response):
        return {"id": "?", "amount": 0} if response.status_code < 400 and response.is_redirect \
            else super().result(response)

    def read(self, response):
        found = super().read(response)
        found.is_redirect = response.is_redirect
        return found


class LogsInFirst(Careful):
    """Trap: asks for a token before its first request; it follows no redirect."""

    INVARIANTS = ("ERR006",)
    PROFILE = {**CAREFUL, "max_redirects": 0}
    redirects = 0
    routes = {"POST /oauth/token": {"answer": {"access_token": "t", "token_type": "Bearer"}}}

    def operation(self, *args):
        self.http.post(self.base + "/oauth/token")
        return super().operation(*args)
