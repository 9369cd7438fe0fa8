"""Mutants and traps: retry policy."""

from __future__ import annotations

import asyncio
import contextlib
import io
import tempfile
import time
import uuid
from datetime import UTC, datetime

import httpx
import requests
from requests.adapters import HTTPAdapter
from tenacity import retry, stop_after_attempt, wait_fixed
from urllib3.util import Retry

from galeproof import read, write
from proof_clients.aio import AsyncSound
from proof_clients.sound import PROFILE, READ, WRITE, Failed, Sound
from proof_clients.tmo import OnRequests

NO_TOTAL = {"TMO004": "requests has no total timeout"}
OTHER_PAYLOAD = {"IDM005": "an empty body under the same key is another payload"}


class FirstRetryAtOnce:
    """Trap of RTY006: urllib3's own Retry makes its first retry at once, whatever the factor."""

    PROFILE = {"max_attempts": 4, "connect_timeout_s": 0.4, "read_timeout_s": 0.4,
               "retry_on": [429, 502, 503, 504], "backoff": {"base_s": 0.3, "cap_s": 120.0}}
    INVARIANTS, EXPECT = ("RTY006",), frozenset()
    MAY: dict[str, str] = {"JIT001": "urllib3 has no jitter by default"}
    retries = Retry(3, backoff_factor=0.3, status_forcelist=[502, 503, 504])

    def __init__(self, base_url, secrets):
        self.base, self.key = base_url, secrets["api_key"]
        self.http = requests.Session()
        self.http.mount("http://", HTTPAdapter(max_retries=self.retries, pool_maxsize=100))

    @read(answer=READ)
    def fetch(self, ref):
        response = None
        with contextlib.suppress(requests.RequestException):
            response = self.http.get(f"{self.base}/payments/{ref}", timeout=0.4,
                                     headers={"Authorization": f"Bearer {self.key}", "X-Request-Id": ref})
        if response is None or response.status_code >= 300:
            raise Failed("no payment")  # out here: nothing of the request hangs on it
        return response.json()

    def close(self):
        self.http.close()


# -- RTY001 ------------------------------------------------------------------------------------------

class OffByOne(Sound):
    """`<=` where `<` is meant: four attempts for a declared three."""

    INVARIANTS, EXPECT = ("RTY001",), frozenset({"RTY001"})
    attempts = 4


class Forever(Sound):
    """`while True`."""

    INVARIANTS, EXPECT = ("RTY001",), frozenset({"RTY001"})
    MAY = {"TMO006": "it never stops, so no deadline holds"}
    attempts, deadline_s = 10**9, 1e9

    def attempt_timeout(self, until):
        return self.timeout_s


class FewerAttempts(Sound):
    """Trap: two attempts where three are allowed."""

    INVARIANTS = ("RTY001",)
    attempts = 2
    MAY = {"RTY003": "two failures in a row use up its two attempts"}


# -- RTY003 ------------------------------------------------------------------------------------------

class StatusesOnly(Sound):
    """Retries statuses, not resets."""

    INVARIANTS, EXPECT = ("RTY003",), frozenset({"RTY003"})
    retries_resets = False


class SwallowsTheEnd(Sound):
    """The loop catches everything and returns None instead of trying again."""

    INVARIANTS, EXPECT = ("RTY003",), frozenset({"RTY003"})
    MAY = {"IDM007": "None looks like a success, and nothing was applied",
           "ERR003": "also after half a body"}

    def operation(self, method, path, ref, body=None):
        try:
            response = self.send(method, path, ref, body, self.operation_key(), 1,
                                 time.monotonic() + self.deadline_s)
            return response.json() if response.status_code < 300 else None
        except (httpx.TransportError, ValueError):
            return None


class LeavesBusyToTheCaller(Sound):
    """Trap: 429 is left to the caller, as declared."""

    INVARIANTS = ("RTY003",)
    PROFILE = {**PROFILE, "retry_on": [x for x in PROFILE["retry_on"] if x != 429]}

    def send(self, *args):
        response = super().send(*args)
        if response.status_code == 429:
            raise Failed("429")
        return response


# -- RTY002 ------------------------------------------------------------------------------------------

class RetriesEveryError(Sound):
    """except Exception: retry, a refused key included."""

    INVARIANTS, EXPECT = ("RTY002",), frozenset({"IDM008", "RTY002"})

    def send(self, *args):
        response = super().send(*args)
        if response.status_code >= 300:
            raise httpx.ReadError(str(response.status_code))
        return response


class RetriesFrom400(FirstRetryAtOnce):
    """status >= 400: retry, by urllib3's status_forcelist."""

    INVARIANTS, EXPECT = ("RTY002",), frozenset({"RTY002"})
    retries = Retry(2, backoff_factor=0.05, status_forcelist=range(400, 600))


class WaitsForConsistency(Sound):
    """Trap: a 404 is tried again, as declared."""

    INVARIANTS = ("RTY002",)
    PROFILE = {**PROFILE, "retry_on": [*PROFILE["retry_on"], 404]}

    def send(self, *args):
        response = super().send(*args)
        if response.status_code == 404:
            raise httpx.ReadError("404")
        return response


class RefreshesOn401(OnRequests):
    """Trap: a 401 gets a new token and one more try."""

    INVARIANTS, EXPECT, MAY = ("RTY002",), frozenset(), NO_TOTAL
    routes = {"POST /oauth/token": {"answer": {"access_token": "fresh-{now}"}}}

    def exchange(self, method, path, headers, body, timeout):
        response = super().exchange(method, path, headers, body, timeout)
        if response.status_code != 401:
            return response
        token = self.http.post(self.base + "/oauth/token", timeout=timeout).json()["access_token"]
        return super().exchange(method, path, {**headers, "Authorization": f"Bearer {token}"}, body,
                                timeout)


class ResendsAfter401(OnRequests):
    """A 401 is tried again with the same credentials."""

    INVARIANTS, EXPECT, MAY = ("RTY002",), frozenset({"RTY002"}), NO_TOTAL

    def exchange(self, *args):
        response = super().exchange(*args)
        return super().exchange(*args) if response.status_code == 401 else response


class ObeysShouldRetry(Sound):
    """Trap: a definitive status is tried again where the answer asks for it (x-should-retry)."""

    INVARIANTS = ("RTY002",)

    def send(self, *args):
        response = super().send(*args)
        if response.headers.get("x-should-retry") == "true":
            raise httpx.ReadError("asked to")
        return response


# -- RTY004 ------------------------------------------------------------------------------------------

class TenacityAroundRetry(FirstRetryAtOnce):
    """tenacity(3) around a Session that is mounted with Retry(3): 12 attempts."""

    PROFILE = {"max_attempts": 3, "connect_timeout_s": 0.4, "read_timeout_s": 0.4}
    INVARIANTS, EXPECT = ("RTY004",), frozenset({"RTY004", "RTY001"})
    MAY = {"JIT001": "no jitter on either layer"}
    retries = Retry(3, backoff_factor=0.02, status_forcelist=[502, 503, 504])

    @read(answer=READ)
    @retry(stop=stop_after_attempt(3), wait=wait_fixed(0.5), reraise=True)
    def fetch(self, ref):
        return super().fetch(ref)


class LoopAroundLoop(Sound):
    """A loop of three around a client that tries three times; nothing is declared of attempts."""

    PROFILE = {k: v for k, v in PROFILE.items() if k not in ("max_attempts", "retry_on")}
    INVARIANTS, EXPECT = ("RTY004",), frozenset({"RTY004", "RTY001"})
    MAY = {"IDM002": "each inner call makes a key of its own"}

    def operation(self, *args):
        for _ in range(2):
            try:
                return super().operation(*args)
            except Failed:
                time.sleep(0.45)
        return super().operation(*args)

    def wait_s(self, attempt, response):
        return 0.02


class LibraryResends(AsyncSound):
    """aiohttp sends a read again by itself after every reset, below three attempts of ours."""

    INVARIANTS, EXPECT = ("RTY004",), frozenset({"RTY004", "RTY001"})
    MAY = {"RTY006": "its library resends at once, three times in an operation"}
    library_resends = True

    async def pause(self, attempt, asked):
        await asyncio.sleep(asked + 0.1 + 0.05 * attempt)


class LibraryResendsAsDeclared(AsyncSound):
    """Trap: one resend of the library's for resets, and our tries; four in all, as declared."""

    INVARIANTS = ("RTY004",)
    PROFILE = {**PROFILE, "max_attempts": 4}
    MAY = {"RTY003": "of two tries a second failure is the last",
           "RTY006": "its library resends at once, twice in an operation"}
    attempts, library_resends = 2, True


class ResendsOnce(Sound):
    """Trap: one resend of the transport for a reset, and three tries by policy: four, as declared."""

    INVARIANTS = ("RTY004", "RTY006")
    PROFILE = {**PROFILE, "max_attempts": 4}
    MAY = {"RTY003": "a third failure is the last"}

    def send(self, method, path, ref, body, key, attempt, until):
        if attempt > 1:
            return super().send(method, path, ref, body, key, attempt, until)
        try:
            return super().send(method, path, ref, body, key, attempt, until)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            return super().send(method, path, ref, body, key, attempt, until)


# -- RTY006 ------------------------------------------------------------------------------------------

class MillisecondsForSeconds(Sound):
    """A backoff in seconds is divided by a thousand."""

    INVARIANTS, EXPECT = ("RTY006",), frozenset({"RTY006"})

    def wait_s(self, attempt, response):
        return super().wait_s(attempt, response) / 1000


class SleepNotAwaited(AsyncSound):
    """asyncio.sleep(delay) that nobody awaits."""

    INVARIANTS, EXPECT = ("RTY006",), frozenset({"RTY006"})
    MAY = {"RAF001": "the wait that is asked for is not awaited either"}

    async def pause(self, attempt, asked):
        asyncio.sleep(asked + 0.1).close()


class BackoffFactorZero(FirstRetryAtOnce):
    """urllib3's Retry with its default backoff_factor."""

    INVARIANTS, EXPECT = ("RTY006",), frozenset({"RTY006"})
    retries = Retry(3, status_forcelist=[502, 503, 504])


class ResendsTheStale(AsyncSound):
    """Trap: aiohttp resends at once on a stale connection, and only there (its resend of the first try)."""

    INVARIANTS = ("RTY006",)
    MAY = {"RTY001": "its library resends the first try of a reset too",
           "RTY004": "its library resends the first try of a reset too"}

    async def send(self, *args):
        tried = asyncio.current_task()
        self.http._retry_connection = not getattr(tried, "tried", False)
        tried.tried = True
        return await super().send(*args)


# -- RTY007 ------------------------------------------------------------------------------------------

class Uploads(Sound):
    """Sends an upload as it is: from bytes, a file or a generator."""

    INVARIANTS = ("RTY007",)

    @write(answer=WRITE, status=201)
    def upload(self, ref, amount, body):
        return self.operation("POST", "/payments", ref, self.source(ref, body))

    def source(self, ref, body):
        return body.encode()

    def again(self, source, attempt):
        return source

    def headers_of(self, ref, key, attempt):
        return {"Authorization": f"Bearer {self.key}", "X-Request-Id": ref, "Idempotency-Key": key}

    def send(self, method, path, ref, body, key, attempt, until):
        if method == "GET" or isinstance(body, dict):
            return super().send(method, path, ref, body, key, attempt, until)
        return self.put(path, self.again(body, attempt), self.headers_of(ref, key, attempt),
                        self.attempt_timeout(until))

    def put(self, path, content, headers, timeout):
        return self.http.post(self.base + path, content=content, headers=headers, timeout=timeout,
                              follow_redirects=True)

    def retryable(self, method, error):
        return True


class GeneratorConsumed(Uploads):
    """One generator for all attempts: the second body is empty."""

    EXPECT, MAY = frozenset({"RTY007"}), OTHER_PAYLOAD

    def source(self, ref, body):
        return iter([body[:40000].encode(), body[40000:].encode()])

    def put(self, path, content, headers, timeout):
        return self.http.post(self.base + path, content=iter(content), headers=headers, timeout=timeout,
                              follow_redirects=True)


class FreshGenerator(Uploads):
    """Trap: a fresh generator for each attempt; a redirect of one is refused with an error."""

    def again(self, source, attempt):
        def pieces():
            yield source[:40000]
            yield source[40000:]
        return pieces()

    def operation(self, *args):
        try:
            return super().operation(*args)
        except httpx.StreamConsumed:
            pass
        raise Failed("cannot send a generator again")


class UploadsOnRequests(Uploads):
    """The same through requests."""

    MAY = NO_TOTAL

    def make_http(self):
        return OnRequests.make_http(self)

    def send(self, method, path, ref, body, key, attempt, until):
        if method == "GET" or isinstance(body, dict):
            return OnRequests.send(self, method, path, ref, body, key, attempt, until)
        try:
            return self.put(path, self.again(body, attempt), self.headers_of(ref, key, attempt),
                            self.attempt_timeout(until))
        except requests.RequestException as error:
            raise httpx.ReadError(type(error).__name__) from None

    def exchange(self, *args):
        return OnRequests.exchange(self, *args)

    def put(self, path, content, headers, timeout):
        return self.http.post(self.base + path, data=content, headers=headers, timeout=timeout)


class RedirectedGenerator(UploadsOnRequests):
    """A fresh generator for each attempt, but requests sends it again behind a 307: nothing is left."""

    EXPECT, MAY = frozenset({"RTY007"}), {**NO_TOTAL, **OTHER_PAYLOAD}
    again = FreshGenerator.again


class FileFromItsMiddle(UploadsOnRequests):
    """Trap: a file from its middle; each attempt and each redirect begins there again."""

    MAY = NO_TOTAL

    def source(self, ref, body):
        file = tempfile.TemporaryFile()  # noqa: SIM115 - ends with the client
        file.write(b"not of this upload\n" + body.encode())
        file.seek(19)
        return file

    def again(self, source, attempt):
        source.seek(19)
        return source


class FileNotRewound(UploadsOnRequests):
    """The file stands where the last attempt left it."""

    EXPECT, MAY = frozenset({"RTY007"}), {**NO_TOTAL, **OTHER_PAYLOAD}

    def source(self, ref, body):
        return io.BytesIO(body.encode())


class ParamsAppended(Sound):
    """Each attempt appends its query parameters once more."""

    INVARIANTS, EXPECT = ("RTY007",), frozenset({"RTY007"})

    def send(self, method, path, ref, body, key, attempt, until):
        return super().send(method, path + "?" + "&".join(["v=1"] * attempt), ref, body, key, attempt,
                            until)


class SignsAnew(Uploads):
    """Trap: signs each attempt anew, with a date, an attempt counter and a fresh signature."""

    def headers_of(self, ref, key, attempt):
        return {**super().headers_of(ref, key, attempt), "X-Attempt": str(attempt),
                "X-Amz-Date": datetime.now(UTC).isoformat(),
                "Authorization": f"AWS4-HMAC-SHA256 Credential={self.key}, Signature={uuid.uuid4().hex}"}


class FreshBoundary(Uploads):
    """Trap: multipart, with a boundary of its own for each attempt."""

    def put(self, path, content, headers, timeout):
        return self.http.post(self.base + path, files={"text": ("a.txt", content)}, headers=headers,
                              timeout=timeout, follow_redirects=True)
