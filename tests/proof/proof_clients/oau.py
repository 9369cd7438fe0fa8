"""Mutants and traps: tokens, and the rotation of secrets."""

from __future__ import annotations

import asyncio
import threading
import time

from proof_clients.aio import AsyncSound
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import ENDS, PROFILE, Failed, Sound


class Bearing(Sound):
    """Trap: a refresh token that rotates; one caller refreshes, all others wait for it."""

    INVARIANTS = ("OAU001", "OAU002")
    renewals = 1

    def __init__(self, base_url, secrets, token_url):
        self.token_url, self.refresh = token_url, secrets["refresh_token"]
        self.token, self.lock = None, threading.Lock()
        super().__init__(base_url, secrets)

    def form(self):
        return {"grant_type": "refresh_token", "refresh_token": self.refresh}

    def ask(self):
        answer = self.post()
        if answer.status_code != 200:
            raise Failed(f"token {answer.status_code}")
        told = answer.json()
        self.token, self.refresh = told["access_token"], told.get("refresh_token", self.refresh)

    def post(self):
        return self.http.post(self.token_url, data=self.form(), timeout=2.0)

    def renew(self, used):
        with self.lock:
            if self.token == used:
                self.ask()

    def once(self, method, path, ref, body, key, until):
        headers = {"Authorization": f"Bearer {self.token}", "X-Request-Id": ref}
        if method == "POST":
            headers["Idempotency-Key"] = key
        ENDS.at = self.attempt_ends(until)
        return self.http.request(method, self.base + path, json=body, headers=headers,
                                 timeout=self.attempt_timeout(until))

    def send(self, method, path, ref, body, key, attempt, until):
        if self.token is None:
            self.renew(None)
        used = self.token
        response = self.once(method, path, ref, body, key, until)
        for _ in range(self.renewals):
            if response.status_code != 401:
                break
            self.renew(used)
            used = self.token
            response = self.once(method, path, ref, body, key, until)
        return response


class BearingOnRequests(Bearing):
    """Trap: the same on requests."""

    def make_http(self):
        return SoundOnRequests.make_http(self)


# -- OAU001 ------------------------------------------------------------------------------------------

class EachRefreshes(Bearing):
    """Refresh in each 401 handler: the rotated token is used again and again."""

    INVARIANTS, EXPECT = ("OAU001",), frozenset({"OAU001"})

    def renew(self, used):
        self.ask()


class LockWithoutASecondLook(BearingOnRequests):
    """On requests: a lock, and whoever gets it asks again."""

    INVARIANTS, EXPECT = ("OAU001",), frozenset({"OAU001"})

    def renew(self, used):
        with self.lock:
            if used is not None or self.token is None:
                self.ask()


class HerdOnAiohttp(AsyncSound):
    """On aiohttp: client credentials, nothing rotates, and fifty ask at once."""

    INVARIANTS, EXPECT = ("OAU001",), frozenset({"OAU001"})

    def __init__(self, base_url, secrets, token_url):
        super().__init__(base_url, secrets)
        self.token_url, self.token = token_url, None

    async def renew(self, used):
        await self.ask()

    async def ask(self):
        form = {"grant_type": "client_credentials", "client_id": "shop", "client_secret": self.key}
        async with self.http.post(self.token_url, data=form) as answer:
            if answer.status != 200:
                raise Failed(f"token {answer.status}")
            self.token = (await answer.json())["access_token"]

    async def send(self, method, path, headers, body):
        if self.token is None:
            await self.renew(None)
        used = self.token
        found = await super().send(method, path, headers | {"Authorization": f"Bearer {used}"}, body)
        if found[0] == 401:
            await self.renew(used)
            found = await super().send(method, path, headers | {"Authorization": f"Bearer {self.token}"}, body)
        return found


class OneForAllOnAiohttp(HerdOnAiohttp):
    """Trap: on aiohttp, one refresh that all wait for."""

    INVARIANTS, EXPECT = ("OAU001", "OAU002"), frozenset()

    def __init__(self, base_url, secrets, token_url):
        super().__init__(base_url, secrets, token_url)
        self.lock = asyncio.Lock()

    async def renew(self, used):
        async with self.lock:
            if self.token == used:
                await self.ask()


class RenewsAhead(Bearing):
    """Trap: a token older than a second is replaced before it is used."""

    INVARIANTS = ("OAU001",)
    since = 0.0

    def ask(self):
        super().ask()
        self.since = time.monotonic()

    def send(self, method, path, ref, body, key, attempt, until):
        if self.token is not None and time.monotonic() - self.since > 1.0:
            with self.lock:
                if time.monotonic() - self.since > 1.0:
                    self.ask()
        return super().send(method, path, ref, body, key, attempt, until)


# -- OAU002 ------------------------------------------------------------------------------------------

class RefreshesForEver(Bearing):
    """while 401: refresh."""

    INVARIANTS, EXPECT = ("OAU002",), frozenset({"OAU002", "RTY002"})
    renewals = 20


class TwiceOnRequests(BearingOnRequests):
    """On requests: three renewals for one operation."""

    INVARIANTS, EXPECT = ("OAU002",), frozenset({"OAU002", "RTY002"})
    renewals = 3


class HammersTheAuthority(Bearing):
    """A refusal of the authority is asked for again, ten times."""

    INVARIANTS, EXPECT = ("OAU002",), frozenset({"OAU002"})

    def post(self):
        for _ in range(10):
            answer = super().post()
            if answer.status_code == 200:
                break
        return answer


class AsksTheUser(Bearing):
    """Trap: where the refresh token is refused it asks the user, once."""

    INVARIANTS = ("OAU002",)

    def ask(self):
        try:
            return super().ask()
        except Failed:
            pass
        answer = self.http.post(self.token_url, timeout=2.0, data={
            "grant_type": "password", "username": "ann", "password": self.refresh})
        if answer.status_code != 200:
            raise Failed("refused")
        self.token = answer.json()["access_token"]


# -- OAU003 ------------------------------------------------------------------------------------------

RELOADS = {**PROFILE, "secret_reload_s": 0.0}


class ReadsItEachTime(Sound):
    """Trap: the secret is read from its file for each request."""

    PROFILE = RELOADS
    INVARIANTS = ("OAU003",)

    def __init__(self, base_url, secrets):
        self.path = secrets.file("api_key")
        super().__init__(base_url, secrets)

    @property
    def key(self):
        return self.path.read_text()

    @key.setter
    def key(self, value):
        pass


class ReadsItOnce(Sound):
    """The header is made in the constructor."""

    PROFILE = RELOADS
    INVARIANTS, EXPECT = ("OAU003",), frozenset({"OAU003"})

    def __init__(self, base_url, secrets):
        super().__init__(base_url, {"api_key": secrets.file("api_key").read_text()})


class SessionHeader(SoundOnRequests):
    """On requests: the session keeps the header."""

    PROFILE = RELOADS
    INVARIANTS, EXPECT = ("OAU003",), frozenset({"OAU003"})
    MAY = {"SEC004": "the session shows its headers"}

    def __init__(self, base_url, secrets):
        super().__init__(base_url, {"api_key": secrets.file("api_key").read_text()})
        self.http.headers["Authorization"] = f"Bearer {self.key}"

    def exchange(self, method, path, headers, body, timeout):
        headers.pop("Authorization")
        return super().exchange(method, path, headers, body, timeout)


class LateOnAiohttp(AsyncSound):
    """On aiohttp: it promises half a second, and looks every ten."""

    PROFILE = {**PROFILE, "secret_reload_s": 0.5}
    INVARIANTS, EXPECT = ("OAU003",), frozenset({"OAU003"})
    every_s = 10.0

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.path, self.looked = secrets.file("api_key"), 0.0

    async def operation(self, *args):
        if time.monotonic() - self.looked > self.every_s:
            self.key, self.looked = self.path.read_text(), time.monotonic()
        return await super().operation(*args)


class InTimeOnAiohttp(LateOnAiohttp):
    """Trap: it promises half a second, and looks as often; what is refused meanwhile is its promise."""

    EXPECT = frozenset()
    every_s = 0.4
