"""CON: connections."""

import asyncio

from .policy import NOTHING, Answer, promise
from .transports import Waiting, WithAiohttp, WithHttpx, WithRequests, WithUrllib3


class AlarmStaysSet(WithAiohttp):
    """Sets an alarm for twice its timeout at the first call, to close what hangs, and never stops it."""

    PROFILE, EXPECT, INVARIANTS = promise(max_attempts=1), frozenset({"CON001"}), ("CON001",)
    MAY = {"RTY003": "one attempt"}
    ATTEMPTS = 1
    alarm = None

    async def exchange(self, method, path, heads, body, span):
        if self.session is not None and self.session.closed:
            return Answer(fault="timeout")
        got = await super().exchange(method, path, heads, body, span)
        if self.alarm is None:
            self.alarm = asyncio.get_running_loop().call_later(
                1.0, lambda: asyncio.ensure_future(self.session.close())
            )
        return got


class TrustsTheIdle(Waiting):
    """Keeps one raw connection; whether it still stands is not looked at, and a lost one is an error."""

    PROFILE, EXPECT, INVARIANTS = promise(max_attempts=1), frozenset({"CON001"}), ("CON001",)
    MAY = {}
    ATTEMPTS = 1
    kept = None

    async def talk(self, method, path, heads, body):
        self.kept = self.kept or await self.dial()
        reader, writer = self.kept
        lines = [f"{method} {path} HTTP/1.1", "Host: here"] + [f"{k}: {v}" for k, v in heads.items()]
        try:
            writer.write(
                ("\r\n".join([*lines, f"Content-Length: {len(body or b'')}"]) + "\r\n\r\n").encode()
                + (body or b"")
            )
            got = await self.heard(reader)
            if got.headers.get("connection", "").lower() == "close":
                self.kept = None
            return got
        except (OSError, asyncio.IncompleteReadError):
            self.kept = None
            return Answer(fault="reset")


class CancelledKeepsItsPlace(WithAiohttp):
    """Twenty places; an error gives its place back, a cancellation does not."""

    PROFILE, EXPECT, INVARIANTS = (
        promise(max_attempts=1, read_timeout_s=1.0),
        frozenset({"CON002"}),
        ("CON002",),
    )
    MAY = {"TMO002": "waits for a place for ever", "TMO008": "none"}
    ATTEMPTS, TIMEOUT = 1, 1.0

    def opened(self):
        self.places = asyncio.Semaphore(20)

    async def drive(self, op):
        await self.places.acquire()
        try:
            got = await super().drive(op)
        except Exception:
            self.places.release()
            raise
        self.places.release()
        return got


class NewEachCall(WithRequests):
    """Sound: a session for each call."""

    PROFILE, EXPECT, INVARIANTS, MAY = promise(), NOTHING, ("CON001",), {}

    def exchange(self, method, path, heads, body, span):
        self.session.close()
        self.opened()
        return super().exchange(method, path, heads, body, span)


class WideOverItsPool(WithHttpx):
    """Sound: keeps five connections and opens as many as are asked for: no pool can run dry (CON002 shows it
    only where the machine is too slow for two hundred at once)."""

    PROFILE, EXPECT, INVARIANTS = promise(max_attempts=2, read_timeout_s=1.0), NOTHING, ("CON001",)
    MAY = {}
    ATTEMPTS, TIMEOUT = 2, 1.0

    def opened(self):
        import httpx

        self.client = httpx.AsyncClient(
            timeout=None,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=5),
        )


class PoolOfUrllib3(WithUrllib3):
    """Sound: a urllib3 pool, one more attempt where the connection was lost."""

    PROFILE, EXPECT, INVARIANTS, MAY = promise(), NOTHING, ("CON001", "RTY003"), {}
