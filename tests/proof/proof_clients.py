"""Clients that must fail an invariant (mutants) and sound ones that must not (traps).

Each commits EXPECT (codes that it must fail) and MAY (codes that it may fail, with the reason).
All share one small sound client; a mutant changes one thing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
import uuid

import httpx
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from galeproof import read, write

PROFILE = {
    "max_attempts": 3, "connect_timeout_s": 0.4, "read_timeout_s": 0.4, "deadline_s": 2.5,
    "retry_on": ["connect", "reset", "timeout", "truncated", 408, 429, 500, 502, 503, 504],
    "backoff": {"base_s": 0.05, "factor": 2, "cap_s": 0.2, "jitter": "full"},
    "retry_after_max_s": 3.2, "idempotency_key": "Idempotency-Key",
    "correlation_id": "X-Request-Id",
}
READ = {"id": "{ref}", "amount": 1250}
WRITE = {"id": "{effect}", "amount": "{amount}", "reference": "{ref}"}
TRANSIENT = {408, 429, 500, 502, 503, 504}
LOG = logging.getLogger("proof.client")


class Failed(Exception):
    """What the sound client raises."""


class Sound:
    """A small sound client: deadline, cap, jitter, Retry-After, one key an operation."""

    PROFILE = PROFILE
    INVARIANTS = ("TMO002", "TMO006", "RTY001", "RTY003", "RAF001", "IDM001", "IDM002", "SEC001")
    EXPECT: frozenset[str] = frozenset()
    MAY: dict[str, str] = {}
    attempts, timeout_s, deadline_s = 3, 0.4, 2.5
    retries_resets = True

    def __init__(self, base_url, secrets):
        self.base, self.key = base_url, secrets["api_key"]
        self.http = self.make_http()

    def make_http(self):
        return httpx.Client(timeout=self.timeout_s, limits=httpx.Limits(max_connections=100))

    @read(answer=READ)
    def fetch(self, ref):
        return self.operation("GET", f"/payments/{ref}", ref)

    @write(answer=WRITE, status=201)
    def create(self, ref, amount):
        return self.operation("POST", "/payments", ref, {"reference": ref, "amount": amount})

    def close(self):
        self.http.close()

    # -- what mutants change ---------------------------------------------------------------

    def operation_key(self):
        return str(uuid.uuid4())

    def key_headers(self, key, attempt):
        return {"Idempotency-Key": key}

    def attempt_key(self, key, attempt):
        return key

    def wait_s(self, attempt, response):
        delay = random.uniform(0, min(0.2, 0.05 * 2 ** (attempt - 1)))
        asked = response.headers.get("Retry-After", "") if response is not None else ""
        return max(delay, self.obeyed(float(asked))) if asked.isdigit() else delay

    def obeyed(self, seconds):
        return seconds + random.uniform(0, 0.05)

    def attempt_timeout(self, until):
        return max(0.01, min(self.timeout_s, until - time.monotonic()))

    def may_sleep(self, delay, until):
        return time.monotonic() + delay < until

    def say(self, headers):
        LOG.info("attempt")

    def send(self, method, path, ref, body, key, attempt, until):
        headers = {"Authorization": f"Bearer {self.key}", "X-Request-Id": ref}
        if method == "POST" and key:
            headers |= self.key_headers(self.attempt_key(key, attempt), attempt)
        self.say(headers)
        return self.http.request(method, self.base + path, json=body, headers=headers,
                                 timeout=self.attempt_timeout(until), follow_redirects=True)

    def retryable(self, method, error):
        return self.retries_resets

    def give_up(self, why):
        raise Failed(str(why)) from None

    def operation(self, method, path, ref, body=None):
        until, key = time.monotonic() + self.deadline_s, self.operation_key()
        attempt = 0
        while True:
            attempt += 1
            response, why = None, None
            try:
                response = self.send(method, path, ref, body, key, attempt, until)
            except httpx.TransportError as error:
                why = type(error).__name__
                if not self.retryable(method, error):
                    return self.give_up(why)
            if response is not None and response.status_code not in TRANSIENT:
                return self.result(response)
            if attempt >= self.attempts:
                return self.give_up(why or response.status_code)
            delay = self.wait_s(attempt, response)
            if not self.may_sleep(delay, until):
                return self.give_up("deadline")
            time.sleep(delay)

    def result(self, response):
        if response.status_code >= 300:
            return self.give_up(response.status_code)
        try:
            value = response.json()
        except ValueError:
            return self.give_up("malformed")
        return value if isinstance(value, dict) and "id" in value else self.give_up("malformed")


# -- TMO002 -----------------------------------------------------------------------------------


class NoTimeout(Sound):
    """No read timeout at all."""

    INVARIANTS, EXPECT = ("TMO002",), frozenset({"TMO002"})
    MAY = {"TMO006": "an operation without a timeout outlives its deadline too",
           "RTY003": "it never comes to its second attempt"}

    def attempt_timeout(self, until):
        return None


class MillisecondsAsSeconds(NoTimeout):
    """400 ms given where seconds are meant."""

    def attempt_timeout(self, until):
        return 400


class SlowSetUp(Sound):
    """Trap: 0.15 s of set-up before any network, as a TLS context costs."""

    INVARIANTS = ("TMO002",)

    def send(self, *args):
        time.sleep(0.15)
        return super().send(*args)


# -- TMO006 -----------------------------------------------------------------------------------


class PerAttemptTimeoutOnly(Sound):
    """Each attempt is bounded, the operation is not."""

    INVARIANTS, EXPECT = ("TMO006",), frozenset({"TMO006"})
    PROFILE = {**PROFILE, "deadline_s": 1.0, "read_timeout_s": 1.0}
    timeout_s, deadline_s = 1.0, 1e9

    def attempt_timeout(self, until):
        return self.timeout_s


class DeadlineRestarts(PerAttemptTimeoutOnly):
    """The deadline is counted anew for each attempt."""

    deadline_s = 1.0

    def attempt_timeout(self, until):
        return 1.0

    def may_sleep(self, delay, until):
        return True


class GivesUpEarly(Sound):
    """Trap: gives up when the next sleep would cross the deadline, and does so generously."""

    INVARIANTS = ("TMO006",)

    def may_sleep(self, delay, until):
        return time.monotonic() + delay + 0.3 < until


# -- RTY001 -----------------------------------------------------------------------------------


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


# -- RTY003 -----------------------------------------------------------------------------------


class StatusesOnly(Sound):
    """Retries statuses, not resets."""

    INVARIANTS, EXPECT = ("RTY003",), frozenset({"RTY003"})
    retries_resets = False


class SwallowsTheEnd(Sound):
    """The loop catches everything and returns None instead of trying again."""

    INVARIANTS, EXPECT = ("RTY003",), frozenset({"RTY003"})

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


# -- RAF001 -----------------------------------------------------------------------------------


class IgnoresRetryAfter(Sound):
    """The header is not looked at."""

    INVARIANTS, EXPECT = ("RAF001",), frozenset({"RAF001"})

    def obeyed(self, seconds):
        return 0.0


class CapsRetryAfter(Sound):
    """min(v, 1)."""

    INVARIANTS, EXPECT = ("RAF001",), frozenset({"RAF001"})

    def obeyed(self, seconds):
        return min(seconds, 1.0)


class PatientAndJittered(Sound):
    """Trap: v plus jitter of up to half a second."""

    INVARIANTS = ("RAF001",)
    PROFILE = {**PROFILE, "deadline_s": 5.0}
    deadline_s = 5.0

    def obeyed(self, seconds):
        return seconds + random.uniform(0, 0.5)


# -- IDM001 -----------------------------------------------------------------------------------


class KeylessRetries(Sound):
    """POST is sent again without a key after an unknown outcome."""

    INVARIANTS, EXPECT = ("IDM001",), frozenset({"IDM001", "IDM002"})

    def key_headers(self, key, attempt):
        return {}


class Urllib3AnyMethod:
    """urllib3's Retry with allowed_methods=None, through requests."""

    PROFILE = {k: v for k, v in PROFILE.items() if k != "idempotency_key"}
    INVARIANTS, EXPECT = ("IDM001",), frozenset({"IDM001"})
    MAY = {"TMO006": "urllib3 has no deadline"}

    def __init__(self, base_url, secrets):
        self.base, self.key = base_url, secrets["api_key"]
        self.http = requests.Session()
        self.http.mount("http://", HTTPAdapter(max_retries=Retry(
            2, backoff_factor=0.05, status_forcelist=[502, 503, 504], allowed_methods=None)))

    @write(answer=WRITE, status=201)
    def create(self, ref, amount):
        response = self.http.post(self.base + "/payments", timeout=0.4,
                                  json={"reference": ref, "amount": amount},
                                  headers={"Authorization": self.key, "X-Request-Id": ref})
        response.raise_for_status()
        return response.json()

    def close(self):
        self.http.close()


class ResendsOnlyTheUnsent(Sound):
    """Trap: no key, and a POST is sent again only where the connection was refused."""

    INVARIANTS = ("IDM001",)
    PROFILE = {**{k: v for k, v in PROFILE.items() if k != "idempotency_key"},
               "retry_on": ["connect"]}

    def key_headers(self, key, attempt):
        return {}

    def retryable(self, method, error):
        return method == "GET" or isinstance(error, httpx.ConnectError)

    def send(self, method, *args):
        response = super().send(method, *args)
        if method == "POST" and response.status_code in TRANSIENT:
            raise Failed(str(response.status_code))
        return response


# -- IDM002 -----------------------------------------------------------------------------------


class FreshKeyEachAttempt(Sound):
    """uuid4() inside the retry loop."""

    INVARIANTS, EXPECT = ("IDM002",), frozenset({"IDM002"})

    def attempt_key(self, key, attempt):
        return str(uuid.uuid4())


class KeyFromTheSecondAttempt(Sound):
    """The key comes only once it is retried."""

    INVARIANTS, EXPECT = ("IDM002",), frozenset({"IDM001", "IDM002"})

    def key_headers(self, key, attempt):
        return {"Idempotency-Key": key} if attempt > 1 else {}


class QuotedKey(Sound):
    """Trap: the key as a structured-field string, as some servers want it."""

    INVARIANTS = ("IDM002",)

    def key_headers(self, key, attempt):
        return {"idempotency-key": f'"{key}"'}


class KeyInTheBody(Sound):
    """Trap: the key travels in the body, as declared."""

    INVARIANTS = ("IDM001", "IDM002")
    PROFILE = {**PROFILE, "idempotency_key": "body:request_id"}

    def key_headers(self, key, attempt):
        return {}

    def send(self, method, path, ref, body, key, attempt, until):
        body = {**body, "request_id": key} if body else body
        return super().send(method, path, ref, body, key, attempt, until)


# -- SEC001 -----------------------------------------------------------------------------------


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


class MasksAndHashes(Sound):
    """Trap: logs `Bearer ****abcd` and a SHA-256 prefix."""

    INVARIANTS = ("SEC001",)

    def say(self, headers):
        digest = hashlib.sha256(self.key.encode()).hexdigest()[:12]
        LOG.info("Authorization: Bearer ****%s sha256=%s", self.key[-4:], digest)


CLIENTS = {
    found.__name__: found
    for found in list(globals().values())
    if isinstance(found, type) and hasattr(found, "EXPECT")
}
