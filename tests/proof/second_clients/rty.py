"""RTY: retries."""

import asyncio
import hashlib
import random
import time

from galeproof import read, write

from .policy import ERRORS, JSON, MADE, NOTHING, RETRIES, Answer, Secret, promise
from .transports import Blocking, Waiting, WithAiohttp, WithHttpx, WithRequests, WithUrllib3


class ResetsAreFree(Waiting):
    """Three attempts, of which those that were reset do not count."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"RTY001"}), ("RTY001", "RTY006")
    MAY = {"RTY004": "the same attempts"}

    def steps(self, op):
        free = 0
        while True:
            value, error = yield from super().steps(op)
            if error is None or "connection lost" not in str(error) or free >= 2:
                return value, error
            free += 1
            yield ("sleep", self.delay(2))


class EveryFiveHundred(WithRequests):
    """A server error is a server error: 501 and 505 are asked again too."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"RTY002"}), ("RTY002", "RTY003")
    MAY = {}
    STATUSES = frozenset({429, *range(500, 600)})

    def again(self, op, answer, number):
        if op["method"] == "POST" and answer.status == 500:
            return False
        return super().again(op, answer, number)


class ClosedForGood(WithHttpx):
    """Closes its client after a reset, to be clean, and goes on with the closed one."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"RTY003"}), ("RTY003", "RTY002")
    MAY = {"IDM007": "what failed says less than it knows"}

    async def exchange(self, method, path, heads, body, span):
        if self.client.is_closed:
            return Answer(fault="reset")
        got = await super().exchange(method, path, heads, body, span)
        if got.fault == "reset":
            await self.client.aclose()
        return got


class PatienceAroundRetry(WithAiohttp):
    """aiohttp-retry inside, stamina around it."""

    PROFILE = promise(backoff={"base_s": 0.02, "cap_s": 1.5, "factor": 2, "jitter": "full"})
    EXPECT, INVARIANTS = frozenset({"RTY004", "RTY001"}), ("RTY004", "RTY001")
    MAY = {
        "RTY006": "the inner steps are short",
        "RTY005": "two scales do not grow",
        "TMO006": "nine attempts take long",
    }

    async def drive(self, op):
        import aiohttp
        import stamina
        from aiohttp_retry import ExponentialRetry, RetryClient

        if self.session is None:
            self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5))
            self.inner = RetryClient(
                self.session,
                retry_options=ExponentialRetry(
                    attempts=3, start_timeout=0.02, statuses={502, 503, 504}, exceptions={aiohttp.ClientError}
                ),
            )

        class Again(Exception):
            pass

        got = Answer(fault="reset")
        try:
            async for attempt in stamina.retry_context(
                on=Again, attempts=3, wait_initial=0.8, wait_jitter=0.1, wait_max=1.0
            ):
                with attempt:
                    try:
                        async with self.inner.request(
                            op["method"], self.base + op["path"], data=op["body"], headers=self.heads(op, 1)
                        ) as answer:
                            got = Answer(answer.status, {}, await answer.read())
                    except TimeoutError:
                        got = Answer(fault="timeout")
                    except aiohttp.ClientError:
                        got = Answer(fault="reset")
                    if self.again(op, got, 1):
                        raise Again
        except Again:
            pass
        return self.conclude(op, got)


class ShorterEachTime(Waiting):
    """Divides where it should multiply."""

    PROFILE = promise(max_attempts=5, backoff={"base_s": 0.4, "cap_s": 2.0, "factor": 2, "jitter": "full"})
    EXPECT, INVARIANTS = frozenset({"RTY005"}), ("RTY005", "JIT001")
    MAY = {"JIT003": "its cap is never reached"}
    ATTEMPTS = 5

    def delay(self, number):
        return random.uniform(0.1, 1) * 0.8 / 2 ** (number - 1)


class ReconnectsAtOnce(Blocking):
    """Waits before it asks a busy provider again, and reconnects at once after a reset."""

    PROFILE, EXPECT, INVARIANTS = promise(max_attempts=5), frozenset({"RTY006"}), ("RTY006", "RTY001")
    MAY = {"JIT001": "resets have no delay to draw"}
    ATTEMPTS = 5

    def wait(self, answer, number):
        return 0.0 if answer.fault == "reset" else super().wait(answer, number)


class LosesItsType(WithHttpx):
    """Takes Content-Type out of the dictionary as it sends: the second attempt has none."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"RTY007"}), ("RTY007", "RTY003")
    MAY = {}

    def heads(self, op, number):
        heads = super().heads(op, number)
        if number > 1:
            heads.pop("Content-Type", None)
        return heads


class ByStamina(WithHttpx):
    """stamina's own loop around httpx."""

    PROFILE = promise(max_attempts=3)
    EXPECT, INVARIANTS = NOTHING, ("RTY001", "RTY003", "RTY006", "RTY002")
    MAY = {}

    async def drive(self, op):
        import stamina

        class Again(Exception):
            pass

        def pause(error):
            asked = self.asked(error.args[0])
            return False if asked is not None and asked > 5 else True if asked is None else asked + 0.1

        got, number = None, 0
        try:
            async for attempt in stamina.retry_context(
                on=lambda e: (
                    isinstance(e, Again)
                    and (
                        pause(e)
                        if pause(e) in (True, False)
                        else __import__("datetime").timedelta(seconds=pause(e))
                    )
                ),
                attempts=3,
                wait_initial=0.1,
                wait_jitter=0.2,
                wait_max=0.8,
                timeout=None,
            ):
                with attempt:
                    number += 1
                    got = await self.exchange(
                        op["method"], self.base and op["path"], self.heads(op, number), op["body"], 0.5
                    )
                    if self.again(op, got, number):
                        raise Again(got)
        except Again:
            pass
        return self.conclude(op, got)


class ByTenacity(WithRequests):
    """tenacity's wait_random_exponential around requests; never waits for a Retry-After: fails at once."""

    PROFILE, EXPECT, INVARIANTS = promise(), NOTHING, ("RTY001", "RTY003", "RTY004", "RTY006")
    MAY = {"RTY003": "a Retry-After is left to the caller"}

    def call(self, method, path, body=None, key=None):
        import tenacity

        op = self.op(method, path, body, key)
        loop = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda a: self.again(op, a, 1) and "retry-after" not in a.headers),
            wait=tenacity.wait_random_exponential(0.2, 1.0, min=0.02),
            stop=tenacity.stop_after_attempt(3),
            retry_error_callback=lambda state: state.outcome.result(),
        )
        value, error = self.conclude(
            op, loop(lambda: self.exchange(method, path, self.heads(op, 1), op["body"], 0.5))
        )
        if error is not None:
            raise error
        return value


class EventuallyThere(WithHttpx):
    """Asks again for what is not there yet; its owner says so."""

    PROFILE = promise(retry_on=[*RETRIES, 404])
    EXPECT, INVARIANTS = NOTHING, ("RTY002",)
    MAY = {}

    def again(self, op, answer, number):
        return super().again(op, answer, number) or (answer.status == 404 and op["method"] == "GET")


class OwnRetryOfUrllib3(WithUrllib3):
    """urllib3's Retry, its first retry immediate, then with backoff and jitter."""

    PROFILE = {
        "max_attempts": 4,
        "read_timeout_s": 0.5,
        "connect_timeout_s": 0.5,
        "retry_on": ["connect", "reset", 502, 503, 504],
    }
    EXPECT, INVARIANTS = NOTHING, ("RTY001", "RTY004", "RTY006")
    MAY = {}

    def call(self, method, path, body=None, key=None):
        import urllib3

        op = self.op(method, path, body, key)
        policy = urllib3.Retry(
            3,
            backoff_factor=0.2,
            backoff_jitter=0.3,
            status_forcelist=[502, 503, 504],
            raise_on_status=False,
            redirect=False,
            respect_retry_after_header=False,
            read=3,
            allowed_methods=["GET"],
        )
        if method == "POST":
            policy = False
        try:
            got = self.pool.request(
                method,
                self.base + path,
                headers=self.heads(op, 1),
                body=op["body"],
                retries=policy,
                timeout=0.5,
            )
            answer = Answer(got.status, {k.lower(): v for k, v in got.headers.items()}, got.data)
        except urllib3.exceptions.HTTPError as error:
            answer = Answer(fault="timeout" if "timed out" in str(error) else "reset")
        value, error = self.conclude(op, answer)
        if error is not None:
            raise error
        return value


class SignsAnew(WithHttpx):
    """Each attempt is signed anew, with its own date, over method, path and body."""

    PROFILE, EXPECT, INVARIANTS = promise(), NOTHING, ("RTY007", "IDM002", "RTY003")
    MAY = {}

    def heads(self, op, number):
        heads = super().heads(op, number)
        stamp = str(time.time_ns())
        signed = hashlib.sha256(stamp.encode() + (op["body"] or b"") + op["path"].encode()).hexdigest()
        return heads | {"X-Amz-Date": stamp, "X-Signature": signed}


class NeverAgain(Blocking):
    """No retries, declared: one attempt, whatever comes."""

    PROFILE = {"max_attempts": 1, "retry_on": [], "read_timeout_s": 0.5, "errors": ERRORS}
    EXPECT, INVARIANTS = NOTHING, ("RTY001", "RTY002", "ERR001")
    MAY = {}
    ATTEMPTS = 1


class UploadsInPieces:
    """Sound: uploads a generator in chunks, made anew from the caller's bytes for each attempt."""

    PROFILE, EXPECT, INVARIANTS = promise(), NOTHING, ("RTY007",)
    MAY = {}

    def __init__(self, base_url, secrets):
        import httpx

        self.secret = Secret(secrets["api_key"])
        self.client = httpx.AsyncClient(base_url=base_url, timeout=2, trust_env=False)

    async def asked(self, method, path, pieces, **heads):
        """Ask up to three times; `pieces` gives the body anew."""
        import httpx

        heads["X-Api-Key"] = self.secret.reveal()
        for number in range(1, 4):
            try:
                got = await self.client.request(method, path, content=pieces(), headers=heads)
            except httpx.TransportError:
                if number == 3:
                    raise
            else:
                if got.status_code not in (429, 502, 503, 504) or number == 3:
                    return got.raise_for_status().json()
            await asyncio.sleep(random.uniform(0.05, 0.2) * number)
        return None

    @read(answer=JSON)
    async def fetch(self, ref):
        return await self.asked("GET", f"/items/{ref}", lambda: None)

    @write(answer=MADE, status=201)
    async def upload(self, ref, body, amount, key):
        async def pieces():
            data = body.encode() if isinstance(body, str) else body
            for start in range(0, len(data), 4096):
                yield data[start : start + 4096]

        named = {"Idempotency-Key": key, "Content-Type": "application/octet-stream"}
        return await self.asked("POST", f"/items/{ref}", pieces, **named)
