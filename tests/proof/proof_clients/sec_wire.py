"""Mutants and traps: secrets on the wire."""

from __future__ import annotations

import base64
import hashlib
import hmac

from proof_clients.careful import Careful, CarefulOnAiohttp, CarefulOnRequests

LOGGED = {"SEC001": "the library logs the URL that it asks for"}

# -- SEC008 ------------------------------------------------------------------------------------------

class TokenInTheQuery(Careful):
    """?access_token=..., beside the header."""

    INVARIANTS, EXPECT, MAY = ("SEC008",), frozenset({"SEC008"}), LOGGED

    def send(self, method, path, *args):
        return super().send(method, f"{path}?access_token={self.key}", *args)


class TokenInThePath(CarefulOnRequests):
    """On requests: the token is a segment of the path, in base64."""

    INVARIANTS, EXPECT, MAY = ("SEC008",), frozenset({"SEC008"}), LOGGED

    def send(self, method, path, *args):
        coded = base64.urlsafe_b64encode(self.key.encode()).decode().rstrip("=")
        return super().send(method, f"/{coded}{path}", *args)


class TokenInTheReferer(CarefulOnAiohttp):
    """On aiohttp: the page that it came from had the token in its address."""

    INVARIANTS, EXPECT = ("SEC008",), frozenset({"SEC008"})

    async def send(self, method, path, headers, body):
        headers = {**headers, "Referer": f"{self.base}/start?key={self.key}"}
        return await super().send(method, path, headers, body)


class Presigned(Careful):
    """Trap: a signature that the secret made stands in the URL."""

    INVARIANTS = ("SEC008",)

    def send(self, method, path, *args):
        signed = hmac.new(self.key.encode(), path.encode(), hashlib.sha256).hexdigest()
        return super().send(method, f"{path}?expires=60&sig={signed}", *args)
