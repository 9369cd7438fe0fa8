"""OAU: tokens and rotation."""

import asyncio
import pathlib
import time
import urllib.parse

from .policy import NOTHING, Refused, Secret, promise
from .transports import WithAiohttp, WithHttpx

PLAIN = promise()


class WithTokens(WithHttpx):
    """Sound: one refresh at a time, looked at again behind the lock; once after a 401."""

    PROFILE, EXPECT, INVARIANTS, MAY = PLAIN, NOTHING, ("OAU001", "OAU002"), {}
    ASKS, REFRESHES = 1, 1
    LOOKS_AGAIN = True

    def __init__(self, base_url, secrets, token_url):
        self.token_url, self.access, self.refresh = token_url, None, Secret(secrets["refresh_token"])
        self.lock = asyncio.Lock()
        super().__init__(base_url, secrets)

    async def renew(self, old):
        """Get another token in the place of an old one; True if there is one."""
        async with self.lock:
            if self.LOOKS_AGAIN and self.access is not old:
                return True
            for number in range(self.ASKS):
                form = urllib.parse.urlencode(
                    {"grant_type": "refresh_token", "refresh_token": self.refresh.reveal()}
                )
                path = self.token_url.removeprefix(self.base)
                got = await WithHttpx.exchange(
                    self,
                    "POST",
                    path,
                    {"Content-Type": "application/x-www-form-urlencoded"},
                    form.encode(),
                    2.0,
                )
                if got.status == 200:
                    import json

                    told = json.loads(got.body)
                    self.access = Secret(told["access_token"])
                    self.refresh = Secret(told.get("refresh_token") or self.refresh.reveal())
                    return True
                await asyncio.sleep(0.05 * (number + 1))
            return False

    async def drive(self, op):
        if self.access is None and not await self.renew(None):
            return None, Refused("no token")
        used = self.access
        value, error = await super().drive(op)
        for _ in range(self.REFRESHES):
            if not isinstance(error, Refused):
                break
            if not await self.renew(used):
                return None, Refused("no token")
            used = self.access
            value, error = await super().drive(op)
        return value, error

    def heads(self, op, number):
        return super().heads(op, number) | {"Authorization": "Bearer " + self.access.reveal()}


class OneAfterAnother(WithTokens):
    """Has the lock, and forgets to look again behind it: fifty refreshes, one after another."""

    EXPECT, INVARIANTS = frozenset({"OAU001"}), ("OAU001",)
    MAY = {"OAU003": "none"}
    LOOKS_AGAIN = False


class AsksAndAsks(WithTokens):
    """invalid_grant is asked again, four times."""

    EXPECT, INVARIANTS = frozenset({"OAU002"}), ("OAU002",)
    MAY = {}
    ASKS = 4


class HopesForTheNext(WithTokens):
    """Each refused token is followed by another, five times."""

    EXPECT, INVARIANTS = frozenset({"OAU002"}), ("OAU002",)
    MAY = {"RTY002": "401 with new credentials each time", "RTY001": "more attempts than promised"}
    REFRESHES = 5


class BeforeItEnds(WithTokens):
    """Sound: refreshes ahead of time, after a second already."""

    EXPECT, INVARIANTS, MAY = NOTHING, ("OAU001",), {}
    got_at = 0.0

    async def drive(self, op):
        if time.monotonic() - self.got_at > 60:
            old = self.access
            self.got_at = time.monotonic()
            if not await self.renew(old):
                return None, Refused("no token")
        while self.access is None:
            await asyncio.sleep(0.01)
        return await super().drive(op)


class ReadsOnForbidden(WithAiohttp):
    """Reads the file of its secret again when it is told 403; and is told 401."""

    PROFILE, EXPECT, INVARIANTS = promise(secret_reload_s=1.0), frozenset({"OAU003"}), ("OAU003",)
    MAY = {}

    def __init__(self, base_url, secrets):
        self.file = pathlib.Path(secrets.file("api_key"))
        super().__init__(base_url, secrets)

    def seen(self, op, answer, number):
        if answer.status == 403:
            self.secret = Secret(self.file.read_text().strip())


class ReadsEachTime(ReadsOnForbidden):
    """Sound: looks at the file before each attempt."""

    EXPECT, INVARIANTS, MAY = NOTHING, ("OAU003",), {}

    def heads(self, op, number):
        self.secret = Secret(self.file.read_text().strip())
        return super().heads(op, number)
