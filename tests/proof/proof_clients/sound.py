"""The small sound client that proof clients change one thing of."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import uuid
from email.utils import mktime_tz, parsedate_tz

import httpcore
import httpx

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


def _refuse(text):
    raise ValueError(text)


def _unique(pairs):
    return dict(pairs) if len(dict(pairs)) == len(pairs) else _refuse("a key is there twice")


def strictly(body):
    """One JSON object in UTF-8, without NaN, without a key twice; ValueError else."""
    value = json.loads(body.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_unique)
    return value if isinstance(value, dict) and "id" in value else _refuse("no payment")


class _Ends(threading.local):
    """When the attempt of this thread must be over, on the monotonic clock."""

    at = float("inf")

    def cut(self, timeout):
        if self.at == float("inf"):
            return timeout
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("deadline")
        return left if timeout is None else min(timeout, left)


ENDS = _Ends()


class _Stream:
    """A network stream of which each read and write gets at most what remains."""

    def __init__(self, inner):
        self._inner = inner

    def read(self, max_bytes, timeout=None):
        return self._inner.read(max_bytes, ENDS.cut(timeout))

    def write(self, buffer, timeout=None):
        return self._inner.write(buffer, ENDS.cut(timeout))

    def __getattr__(self, name):
        return getattr(self._inner, name)


class _Network(httpcore.SyncBackend):
    def connect_tcp(self, *args, **more):
        return _Stream(super().connect_tcp(*args, **more))


class Sound:
    """A small sound client: deadline, cap, jitter, Retry-After, one key an operation."""

    PROFILE = PROFILE
    INVARIANTS = ("TMO001", "TMO002", "TMO003", "TMO004", "TMO006", "TMO008", "RTY001", "RTY002", "RTY003",
                  "RTY004", "RTY006", "RTY007", "RAF001", "IDM001", "IDM002", "SEC001",
                  "JIT001", "RAF002", "RAF003", "RAF004", "IDM003", "IDM004", "IDM005", "IDM006", "IDM007", "IDM008",
                  "IDM009", "SEC002", "SEC004")
    EXPECT: frozenset[str] = frozenset()
    MAY: dict[str, str] = {}
    attempts, timeout_s, deadline_s = 3, 0.4, 2.5
    retries_resets = True

    def __init__(self, base_url, secrets):
        self.base, self.key = base_url, secrets["api_key"]
        self.http = self.make_http()

    def make_http(self):
        transport = httpx.HTTPTransport(limits=httpx.Limits(max_connections=100))
        transport._pool._network_backend = _Network()  # the only way to a deadline over drips
        return httpx.Client(timeout=self.timeout_s, transport=transport)

    @read(answer=READ)
    def fetch(self, ref):
        return self.operation("GET", f"/payments/{ref}", ref)

    @write(answer=WRITE, status=201)
    def create(self, ref, amount):
        return self.operation("POST", "/payments", ref, {"reference": ref, "amount": amount})

    @write(answer=WRITE, status=201)
    def upload(self, ref, amount, body):
        return self.operation("POST", "/payments", ref, {"reference": ref, "amount": amount, "text": body})

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
        asked = self.asked_s(response) if response is not None else 0.0
        return max(delay, self.obeyed(asked)) if asked > 0 else delay

    def asked_s(self, response):
        value = response.headers.get("Retry-After", "")
        return float(value) if value.isascii() and value.isdigit() else self.until_s(value, response)

    def until_s(self, date, response):
        parsed = parsedate_tz(date)
        return mktime_tz(parsed) - time.time() if parsed else 0.0

    def obeyed(self, seconds):
        return seconds + random.uniform(0, 0.05)

    def attempt_timeout(self, until):
        return max(0.01, min(self.timeout_s, until - time.monotonic()))

    def attempt_ends(self, until):
        return until

    def may_sleep(self, delay, until):
        return time.monotonic() + delay < until

    def say(self, headers):
        LOG.info("attempt")

    def send(self, method, path, ref, body, key, attempt, until):
        headers = {"Authorization": f"Bearer {self.key}", "X-Request-Id": ref}
        if method == "POST" and key:
            headers |= self.key_headers(self.attempt_key(key, attempt), attempt)
        self.say(headers)
        ENDS.at = self.attempt_ends(until)
        return self.http.request(method, self.base + path, json=body, headers=headers,
                                 timeout=self.attempt_timeout(until), follow_redirects=True)

    def transient(self):
        return TRANSIENT

    def retryable(self, method, error):
        return self.retries_resets

    def give_up(self, why):
        raise Failed(str(why)) from None

    def end(self, why, response):
        return self.give_up(why)

    def operation(self, method, path, ref, body=None):
        until, key = time.monotonic() + self.deadline_s, self.operation_key()
        attempt = 0
        while True:
            attempt += 1
            response, why, lost = None, None, False
            try:
                response = self.send(method, path, ref, body, key, attempt, until)
            except httpx.TransportError as error:
                why, lost = type(error).__name__, not self.retryable(method, error)
            except httpx.RequestError as error:  # too many redirects, a coding that is broken
                why, lost = type(error).__name__, True
            if lost:  # outside the except block: the library's error would be the context of ours
                return self.give_up(why)
            if response is not None and response.status_code not in self.transient():
                return self.result(response)
            if attempt >= self.attempts:
                return self.end(why or response.status_code, response)
            delay = self.wait_s(attempt, response)
            if not self.may_sleep(delay, until):
                return self.end("deadline", response)
            time.sleep(delay)

    def result(self, response):
        if response.status_code >= 300:
            return self.give_up(response.status_code)
        try:
            return self.typed(strictly(response.content))
        except ValueError:
            pass
        return self.give_up("malformed")

    def typed(self, value):
        return value
