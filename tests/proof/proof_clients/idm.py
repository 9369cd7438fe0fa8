"""Mutants and traps: idempotency."""

from __future__ import annotations

import uuid

import httpx
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from galeproof import write
from proof_clients.sound import PROFILE, TRANSIENT, WRITE, Failed, Sound

# -- IDM001 ------------------------------------------------------------------------------------------

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


# -- IDM002 ------------------------------------------------------------------------------------------

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
