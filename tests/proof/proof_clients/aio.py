"""The small sound client again, on aiohttp: its operations can be cancelled."""

from __future__ import annotations

import asyncio
import random
import uuid
from email.utils import mktime_tz, parsedate_tz

import aiohttp

from galeproof import read, write
from proof_clients.sound import PROFILE, READ, TRANSIENT, WRITE, Failed, strictly


def asked_s(headers):
    """What Retry-After asks for, in s: a number, or a date by the provider's own clock."""
    asked = headers.get("Retry-After", "")
    if asked.isascii() and asked.isdigit():
        return float(asked)
    until, now = (parsedate_tz(text) for text in (asked, headers.get("Date", "")))
    return max(0.0, mktime_tz(until) - mktime_tz(now)) + 0.02 if until and now else 0.0


class AsyncSound:
    """A sound client on aiohttp, whose own silent resend after every reset is switched off."""

    PROFILE = PROFILE
    INVARIANTS = ("TMO001", "TMO002", "TMO003", "TMO004", "TMO006", "TMO008", "RTY001", "RTY002", "RTY003",
                  "RTY004", "RTY006", "RTY007", "RAF001", "IDM001", "IDM002", "SEC001")
    EXPECT: frozenset[str] = frozenset()
    MAY: dict[str, str] = {}
    attempts, timeout_s, deadline_s = 3, 0.4, 2.5
    library_resends = False

    def __init__(self, base_url, secrets):
        self.base, self.key = base_url, secrets["api_key"]
        self.http = None

    def connector(self):
        return aiohttp.TCPConnector(limit=100)

    @read(answer=READ)
    async def fetch(self, ref):
        return await self.operation("GET", f"/payments/{ref}", ref)

    @write(answer=WRITE, status=201)
    async def create(self, ref, amount):
        return await self.operation("POST", "/payments", ref, {"reference": ref, "amount": amount})

    @write(answer=WRITE, status=201)
    async def upload(self, ref, amount, body):
        return await self.operation("POST", "/payments", ref,
                                    {"reference": ref, "amount": amount, "text": body})

    async def close(self):
        if self.http:
            await self.http.close()

    # -- what mutants change ---------------------------------------------------------------

    def timeouts(self):
        return aiohttp.ClientTimeout(total=None, sock_connect=self.timeout_s, sock_read=self.timeout_s)

    async def body_of(self, response):
        return strictly(await response.read())

    async def send(self, method, path, headers, body):
        async with self.http.request(method, self.base + path, json=body, headers=headers,
                                     timeout=self.timeouts()) as response:
            value = await self.body_of(response) if response.status < 300 else None
            return response.status, value, asked_s(response.headers)

    def failure(self, why, status, asked):
        return Failed(str(why))

    async def pause(self, attempt, asked):
        await asyncio.sleep(asked + random.uniform(0, min(0.2, 0.05 * 2 ** (attempt - 1))))

    async def operation(self, method, path, ref, body=None):
        if self.http is None:
            self.http = aiohttp.ClientSession(connector=self.connector())
            self.http._retry_connection = self.library_resends
        try:
            async with asyncio.timeout(self.deadline_s):
                return await self.tries(method, path, ref, body)
        except TimeoutError:
            pass
        raise self.failure("deadline", None, 0.0)  # out here: nothing of the request hangs on it

    async def tries(self, method, path, ref, body):
        ends = asyncio.get_running_loop().time() + self.deadline_s
        headers = {"Authorization": f"Bearer {self.key}", "X-Request-Id": ref}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        for attempt in range(1, self.attempts + 1):
            status, value, asked, why = None, None, 0.0, None
            try:
                status, value, asked = await self.send(method, path, headers, body)
            except aiohttp.TooManyRedirects:
                status = "TooManyRedirects"
            except (aiohttp.ClientError, TimeoutError) as error:
                why = type(error).__name__
            except ValueError:
                status, value = 200, "malformed"
            if status is not None and status not in TRANSIENT:
                if isinstance(value, dict) and "id" in value:
                    return value
                raise self.failure(value or str(status), status, asked)
            if attempt == self.attempts or asyncio.get_running_loop().time() + asked + 0.2 > ends:
                raise self.failure(why or str(status), status, asked)
            await self.pause(attempt, asked)
        raise Failed("attempts")
