"""Mutants and traps: secrets."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import re
import time

import aiohttp
import httpx
import pydantic
import requests

from galeproof import read
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import LOG, PROFILE, READ, Failed, Sound

# -- SEC001 ------------------------------------------------------------------------------------------

class LogsHeaders(Sound):
    """log.debug("headers=%s", headers)."""

    INVARIANTS, EXPECT = ("SEC001",), frozenset({"SEC001"})

    def say(self, headers):
        LOG.debug("headers=%s", headers)


class RedactsOneSpelling(Sound):
    """A redactor that knows `Authorization` and not `authorization`; its logger is its own."""

    INVARIANTS, EXPECT = ("SEC001",), frozenset({"SEC001"})

    def say(self, headers):
        lower = {name.lower(): value for name, value in headers.items()}
        shown = {n: "***" if n == "Authorization" else v for n, v in lower.items()}
        quiet = logging.getLogger("proof.quiet")
        quiet.propagate = False
        quiet.warning("sending %s", json.dumps(shown))


class RedactsLetters(Sound):
    """A pattern that ends at the first symbol: the rest of a secret with symbols is in the log."""

    INVARIANTS, EXPECT = ("SEC001",), frozenset({"SEC001"})

    def say(self, headers):
        LOG.info("sending %s", re.sub(r"sk_test_\w+", "***", repr(headers)))


class RedactsByValue(Sound):
    """Trap: takes the value itself out of what it logs, whatever it consists of."""

    INVARIANTS = ("SEC001",)

    def say(self, headers):
        LOG.info("sending %s", {n: v.replace(self.key, "***") for n, v in headers.items()})


class MasksAndHashes(Sound):
    """Trap: logs `Bearer ****abcd` and a SHA-256 prefix."""

    INVARIANTS = ("SEC001",)

    def say(self, headers):
        digest = hashlib.sha256(self.key.encode()).hexdigest()[:12]
        LOG.info("Authorization: Bearer ****%s sha256=%s", self.key[-4:], digest)


# -- SEC002 ------------------------------------------------------------------------------------------

class RaisesHeaders(Sound):
    """raise ApiError(headers)."""

    INVARIANTS, EXPECT = ("SEC002",), frozenset({"SEC002"})

    def give_up(self, why):
        raise Failed(why, self.sent())

    def sent(self):
        return {"Authorization": f"Bearer {self.key}"}


class RaisesHeadersOnRequests(SoundOnRequests):
    """raise ApiError(response.request.headers), on requests, whose headers mask nothing."""

    INVARIANTS, EXPECT = ("SEC002",), frozenset({"SEC002"})

    def give_up(self, why):
        session = self.http
        request = session.prepare_request(requests.Request(
            "GET", self.base, headers={"Authorization": f"Bearer {self.key}"}))
        raise Failed(why, request.headers)


class NotesHeaders(RaisesHeaders):
    """The headers stand in a note of the error."""

    def give_up(self, why):
        error = Failed(why)
        error.add_note(f"sent {self.sent()}")
        raise error


class CauseKeepsIt(RaisesHeaders):
    """The error is clean, its cause is not."""

    def give_up(self, why):
        raise Failed(why) from ValueError(f"refused: {self.sent()}")


class ContextKeepsIt(RaisesHeaders):
    """`from None` hides the context from the traceback, not from a tracker."""

    def give_up(self, why):
        try:
            raise KeyError(self.sent()["Authorization"])
        except KeyError:
            raise Failed(why) from None


class PicklesIt(RaisesHeaders):
    """An attribute that no text shows travels with the pickled error to another process."""

    def give_up(self, why):
        error = Failed(why)
        error.token = self.key
        raise error


class SecretInTheQuery(Sound):
    """The secret travels in the query, and the error quotes the URL as httpx's message does."""

    INVARIANTS, EXPECT = ("SEC002",), frozenset({"SEC001", "SEC002", "SEC008"})

    def send(self, method, path, *args):
        return super().send(method, f"{path}?api_key={self.key}", *args)

    def result(self, response):
        return super().result(self.checked(response))

    def checked(self, response):
        if response.status_code >= 300:
            response.raise_for_status()
        return response

    def operation(self, *args):
        try:
            return super().operation(*args)
        except httpx.HTTPStatusError as error:
            raise Failed(str(error)) from None


class LetsTheLibraryRaise(Sound):
    """The library's own errors reach the caller, with the headers in their frames (minor)."""

    INVARIANTS, EXPECT = ("SEC002",), frozenset({"SEC002"})
    MAY = {"RTY003": "it does not retry what the library raises"}

    def operation(self, method, path, ref, body=None):
        return self.result(self.send(method, path, ref, body, self.operation_key(), 1,
                                     time.monotonic() + self.deadline_s))


class AiohttpRaises:
    """aiohttp's raise_for_status: repr of its error has the request's headers."""

    # aiohttp sends a GET again by itself, once, where its connection ends without an answer
    PROFILE = {"max_attempts": 2, "read_timeout_s": 0.5, "deadline_s": 2.5, "retry_on": []}
    INVARIANTS, EXPECT = ("SEC002",), frozenset({"SEC002"})
    MAY: dict[str, str] = {}

    def __init__(self, base_url, secrets):
        self.base, self.key, self.session = base_url, secrets["api_key"], None

    @read(answer=READ)
    async def fetch(self, ref):
        if self.session is None:
            self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5))
        async with self.session.get(f"{self.base}/payments/{ref}",
                                    headers={"Authorization": f"Bearer {self.key}"}) as response:
            return await self.answer(response)

    async def answer(self, response):
        response.raise_for_status()
        return await response.json()

    async def close(self):
        if self.session is not None:
            await self.session.close()


class AiohttpTellsLittle(AiohttpRaises):
    """Trap: the same client, which raises an error of its own with the status alone."""

    EXPECT = frozenset()

    @read(answer=READ)
    async def fetch(self, ref):
        why = "?"
        try:
            return await super().fetch(ref)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            why = getattr(error, "status", None) or type(error).__name__
        raise Failed(str(why))


class MasksItsRequest(Sound):
    """Trap: the error holds the request object, whose repr masks."""

    INVARIANTS = ("SEC002",)

    def give_up(self, why):
        error = Failed(why)
        error.request = httpx.Request("GET", self.base, headers={"Authorization": f"Bearer {self.key}"})
        error.headers = error.request.headers
        raise error


# -- SEC004 ------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Config:
    """Shows its token."""

    base_url: str
    token: str


@dataclasses.dataclass
class HalfMasked:
    """repr masks the token, asdict does not."""

    base_url: str
    token: str = dataclasses.field(repr=False)


class Masked(pydantic.BaseModel):
    """Shows no token."""

    base_url: str
    token: pydantic.SecretStr


class Holder:
    """A client object that holds something."""

    def __init__(self, config):
        self.config = config


class ShowsItsConfig(Sound):
    """A dataclass with a token field."""

    INVARIANTS, EXPECT = ("SEC004",), frozenset({"SEC004"})

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.config = self.configured(base_url, secrets["api_key"])

    def configured(self, base_url, token):
        return Config(base_url, token)


class HoldsItsConfig(ShowsItsConfig):
    """The dataclass is held by the client object."""

    def configured(self, base_url, token):
        return Holder(Config(base_url, token))


class PlainAttribute(ShowsItsConfig):
    """The client object keeps the token in a plain attribute (minor)."""

    def configured(self, base_url, token):
        return Holder(token)


class MasksOnlyRepr(ShowsItsConfig):
    """field(repr=False), and dataclasses.asdict shows it (minor)."""

    def configured(self, base_url, token):
        return HalfMasked(base_url, token)


class SessionHeaders(SoundOnRequests):
    """requests' session keeps the credentials in its headers, whose repr masks nothing (minor)."""

    INVARIANTS, EXPECT = ("SEC004",), frozenset({"SEC004"})

    def make_http(self):
        session = super().make_http()
        session.headers["Authorization"] = f"Bearer {self.key}"
        return session


class SecretString(ShowsItsConfig):
    """Trap: SecretStr, in the adapter and in what the client holds."""

    EXPECT = frozenset()

    def configured(self, base_url, token):
        return Holder(Masked(base_url=base_url, token=pydantic.SecretStr(token)))


class HttpxClientHeaders(Sound):
    """Trap: httpx's client keeps the credentials in its headers, and masks them in repr."""

    INVARIANTS = ("SEC004",)
    PROFILE = PROFILE

    def make_http(self):
        client = super().make_http()
        client.headers["Authorization"] = f"Bearer {self.key}"
        return client
