"""IDM: idempotency."""

import asyncio
import time
import uuid
import zlib

from galeproof import write

from .policy import ERRORS, MADE, NOTHING, promise
from .transports import Blocking, Waiting, WithAiohttp, WithHttpx, WithRequests

UNKEYED = {k: v for k, v in promise().items() if k != "idempotency_key"}


class HeadWasFine(WithHttpx):
    """No key. A write is sent again only where an answer had begun, for then the provider was well."""

    PROFILE, EXPECT, INVARIANTS = UNKEYED, frozenset({"IDM001"}), ("IDM001",)
    MAY = {"IDM007": "what is sent twice is made twice"}
    KEYED = False

    def again(self, op, answer, number):
        return answer.fault == "truncated" or super().again(op, answer, number)


class GatewayKnows(WithRequests):
    """No key. 504 of a gateway is taken for `not delivered`."""

    PROFILE, EXPECT, INVARIANTS = UNKEYED, frozenset({"IDM001"}), ("IDM001",)
    MAY = {"IDM007": "what is sent twice is made twice"}
    KEYED = False

    def again(self, op, answer, number):
        return answer.status == 504 or super().again(op, answer, number)


class NumberedKeys(Waiting):
    """The key, and the number of the attempt behind it."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"IDM002"}), ("IDM002", "RTY003")
    MAY = {
        "IDM007": "two keys, two effects",
        "IDM001": "another key is none",
        "IDM005": "the same key",
        "RTY007": "a key is a header that counts",
    }

    def key(self, op, number):
        return f"{op['key']}-{number}"


class KeyGrowsOld(WithHttpx):
    """Keeps the key in a memory for a fifth of a second: later retries get a fresh one."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"IDM002"}), ("IDM002",)
    MAY = {"IDM007": "two keys, two effects", "IDM001": "another key is none"}

    def key(self, op, number):
        kept, at = op.get("kept", (op["key"], op["began"]))
        if time.monotonic() - at > 0.2:
            kept, at = str(uuid.uuid4()), time.monotonic()
        op["kept"] = kept, at
        return kept


class SixtyFourDrawers(WithAiohttp):
    """A key that looks like a UUID and is one of sixty-four."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"IDM003"}), ("IDM003",)
    MAY = {
        "IDM005": "another payload under the same key",
        "IDM006": "little in it",
        "IDM007": "the provider takes it for the other payment",
        "IDM009": "the same",
    }

    def new_key(self, op):
        return str(uuid.uuid5(uuid.NAMESPACE_URL, str(zlib.crc32(op["path"].encode()) % 64)))


class RefusedIsRefused(WithHttpx):
    """No key. A 503 means that nothing was done, nobody said."""

    PROFILE, EXPECT, INVARIANTS = UNKEYED, frozenset({"IDM004"}), ("IDM004",)
    MAY = {"IDM007": "one with an effect", "IDM001": "one with an effect"}
    KEYED = False

    def again(self, op, answer, number):
        return answer.status == 503 or super().again(op, answer, number)


class KeyOfThePath(WithHttpx):
    """The key is made of the path alone; the amount is no part of it."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"IDM005"}), ("IDM005",)
    MAY = {}

    def new_key(self, op):
        return str(uuid.uuid5(uuid.NAMESPACE_URL, op["path"]))


class StampedKeys(Waiting):
    """The key is the time in nanoseconds, which never comes twice."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"IDM006"}), ("IDM006",)
    MAY = {"IDM003": "two in one nanosecond"}

    def new_key(self, op):
        return f"pay-{time.time_ns():x}"


class HedgesWrites(WithAiohttp):
    """Where a payment takes long, a second one is sent beside it; each with a key of its own."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"IDM007"}), ("IDM007",)
    MAY = {
        "IDM002": "two keys",
        "IDM001": "another key is none",
        "RTY001": "twice as many",
        "RTY006": "no wait",
        "RTY004": "two layers",
    }

    async def exchange(self, method, path, heads, body, span):
        first = asyncio.ensure_future(super().exchange(method, path, heads, body, span))
        done, _ = await asyncio.wait({first}, timeout=0.25)
        if done or method == "GET":
            return await first
        again = {**heads, "Idempotency-Key": str(uuid.uuid4())}
        second = asyncio.ensure_future(super().exchange(method, path, again, body, span))
        await asyncio.wait({first, second}, return_when=asyncio.ALL_COMPLETED)
        return next((t.result() for t in (first, second) if t.result().fault is None), first.result())


class NoAnswerNoEffect(WithHttpx):
    """A payment that was not answered is made again, as a new one: the old one cannot have been."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"IDM007"}), ("IDM007",)
    MAY = {"IDM002": "two keys", "IDM001": "another key is none", "RTY001": "twice as many"}
    ATTEMPTS = 2

    def key(self, op, number):
        op["key"] = str(uuid.uuid4()) if op.pop("lost", False) else op["key"]
        return op["key"]

    def seen(self, op, answer, number):
        op["lost"] = answer.fault in ("timeout", "reset")


class MendsNothing(Waiting):
    """422 is sent again, as it was, in the hope of another mood."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"IDM008"}), ("IDM008",)
    MAY = {"RTY002": "the same"}

    def again(self, op, answer, number):
        return answer.status == 422 or super().again(op, answer, number)


class ByKey:
    """An operation that takes the caller's key."""

    @write(answer=MADE, status=201)
    async def create(self, ref, amount, key):
        return await self.call("POST", f"/items/{ref}", {"amount": amount}, key)


class UpperCaseKeys(ByKey, WithHttpx):
    """Writes the caller's key in capitals, for neatness."""

    PROFILE, EXPECT, INVARIANTS = promise(idempotency_key_from="caller"), frozenset({"IDM009"}), ("IDM009",)
    MAY = {}

    def key(self, op, number):
        return op["key"].upper()


class KeyFromTheSecond(WithRequests):
    """A first attempt needs no key, it thinks; the second one has it."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"IDM009", "IDM002"}), ("IDM009", "IDM002")
    MAY = {
        "IDM001": "the first was not keyed",
        "IDM007": "the first was not keyed",
        "IDM004": "the first was not keyed (added after the first score)",
        "IDM003": "no keys",
        "IDM006": "no keys",
        "RTY007": "a header more",
    }

    def heads(self, op, number):
        heads = super().heads(op, number)
        if number == 1:
            heads.pop("Idempotency-Key", None)
        return heads


class KeyInTheBody(WithHttpx):
    """Sound: the key is a field of the body, drawn once."""

    PROFILE = promise(idempotency_key="body:request_id")
    EXPECT, INVARIANTS = NOTHING, ("IDM001", "IDM002", "IDM003", "IDM009")
    MAY = {}
    KEYED = False

    def again(self, op, answer, number):
        return answer.fault in self.FAULTS or answer.status in self.STATUSES

    @write(answer=MADE, status=201)
    async def create(self, ref, amount):
        return await self.call("POST", f"/items/{ref}", {"amount": amount, "request_id": str(uuid.uuid4())})


class ConflictIsTold(WithAiohttp):
    """Sound: 409 is told to the caller as a conflict whose outcome is unknown; keys of the caller."""

    PROFILE = promise(errors=ERRORS, idempotency_key_from="caller")
    EXPECT, INVARIANTS = NOTHING, ("IDM008", "IDM002", "IDM009", "IDM005")
    MAY = {}

    def failure(self, op, answer):
        error = super().failure(op, answer)
        if answer.status == 409:
            error.effect = "unknown"
        return error

    @write(answer=MADE, status=201)
    async def create(self, ref, amount, key):
        return await self.call("POST", f"/items/{ref}", {"amount": amount}, key)


class OnlyWhatIsSafe(Blocking):
    """Sound: without a key; a write is sent again only if it was never connected, or told 429."""

    PROFILE, EXPECT, INVARIANTS = UNKEYED, NOTHING, ("IDM001", "IDM004")
    MAY = {}
    KEYED = False


class QuotedKeys(WithRequests):
    """Sound: a ULID in a structured field's quotes, the same on every attempt."""

    PROFILE, EXPECT, INVARIANTS = promise(), NOTHING, ("IDM002", "IDM003", "IDM006", "IDM007")
    MAY = {}

    def new_key(self, op):
        number = (int(time.time() * 1000) << 80) | (uuid.uuid4().int >> 48)
        letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        return '"' + "".join(letters[(number >> shift) & 31] for shift in range(125, -1, -5)) + '"'


class SearchByPost(WithHttpx):
    """Sound: its POST is a search, and said to be; no key, and retried."""

    PROFILE = UNKEYED | {"operations": {"create": {"naturally_idempotent": True}}}
    EXPECT, INVARIANTS = NOTHING, ("RTY003",)
    MAY = {"IDM004": "declared", "IDM001": "declared"}
    KEYED = False

    def again(self, op, answer, number):
        return answer.fault in self.FAULTS or answer.status in self.STATUSES

    @write(answer=MADE, effect=False)
    async def create(self, ref, amount):
        return await self.call("POST", f"/search/{ref}", {"most": amount})


class WaitsForTheFirst(Waiting):
    """Sound: 409 is waited for, longer each time, under the same key."""

    PROFILE = promise(max_attempts=5, retry_on=["connect", "reset", "timeout", 409, 429, 502, 503, 504])
    EXPECT, INVARIANTS = NOTHING, ("IDM008", "IDM002")
    MAY = {}
    ATTEMPTS = 5

    def again(self, op, answer, number):
        return answer.status == 409 or super().again(op, answer, number)
