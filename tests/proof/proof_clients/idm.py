"""Mutants and traps: idempotency."""

from __future__ import annotations

import hashlib
import json
import random
import time
import uuid

import httpx
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from galeproof import write
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, TRANSIENT, WRITE, Failed, Sound

KEYLESS = {k: v for k, v in PROFILE.items() if k != "idempotency_key"}

# -- IDM001 ------------------------------------------------------------------------------------------

class KeylessRetries(Sound):
    """POST is sent again without a key after an unknown outcome."""

    INVARIANTS, EXPECT = ("IDM001",), frozenset({"IDM001", "IDM002", "IDM004", "IDM007", "IDM009"})

    def key_headers(self, key, attempt):
        return {}


class Urllib3AnyMethod:
    """urllib3's Retry with allowed_methods=None, through requests."""

    PROFILE = KEYLESS
    INVARIANTS, EXPECT = ("IDM001",), frozenset({"IDM001", "IDM004", "IDM007"})
    MAY = {"TMO006": "urllib3 has no deadline",
           "SEC002": "requests' errors keep the headers in the frames of their traceback"}

    def __init__(self, base_url, secrets):
        self.base, self.key = base_url, secrets["api_key"]
        self.http = requests.Session()
        self.http.mount("http://", HTTPAdapter(pool_maxsize=100, max_retries=self.retries()))

    def retries(self):
        return Retry(2, backoff_factor=0.05, status_forcelist=[502, 503, 504], allowed_methods=None)

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
    PROFILE = {**KEYLESS, "retry_on": ["connect"]}
    repeated = ()  # statuses that it sends a POST again after

    def key_headers(self, key, attempt):
        return {}

    def retryable(self, method, error):
        return method == "GET" or isinstance(error, httpx.ConnectError)

    def send(self, method, *args):
        response = super().send(method, *args)
        if method == "POST" and response.status_code in set(TRANSIENT) - set(self.repeated):
            raise Failed(str(response.status_code))
        return response


# -- IDM002 ------------------------------------------------------------------------------------------

class FreshKeyEachAttempt(Sound):
    """uuid4() inside the retry loop: two effects wherever an answer is lost."""

    INVARIANTS, EXPECT = ("IDM002", "IDM007"), frozenset({"IDM002", "IDM007"})

    def attempt_key(self, key, attempt):
        return str(uuid.uuid4())


class KeyFromTheSecondAttempt(Sound):
    """The key comes only once it is retried."""

    INVARIANTS, EXPECT = ("IDM002",), frozenset({"IDM001", "IDM002", "IDM004", "IDM007", "IDM009"})

    def key_headers(self, key, attempt):
        return {"Idempotency-Key": key} if attempt > 1 else {}


class QuotedKey(Sound):
    """Trap: the key as a structured-field string, as some servers want it."""

    INVARIANTS = ("IDM002", "IDM003", "IDM005")

    def key_headers(self, key, attempt):
        return {"idempotency-key": f'"{key}"'}


class KeyInTheBody(Sound):
    """Trap: the key travels in the body, as declared."""

    INVARIANTS = ("IDM001", "IDM002", "IDM003", "IDM004", "IDM005", "IDM007")
    PROFILE = {**PROFILE, "idempotency_key": "body:request_id"}

    def key_headers(self, key, attempt):
        return {}

    def send(self, method, path, ref, body, key, attempt, until):
        body = {**body, "request_id": key} if body else body
        return super().send(method, path, ref, body, key, attempt, until)


# -- IDM003 ------------------------------------------------------------------------------------------

class OneKeyAClient(Sound):
    """The key is made once, with the client object."""

    INVARIANTS, EXPECT = ("IDM003",), frozenset({"IDM003", "IDM005", "IDM007"})

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.once = str(uuid.uuid4())

    def operation_key(self):
        return self.once


class MillisecondKey(Sound):
    """A timestamp in milliseconds: two payments of one millisecond are one."""

    INVARIANTS, EXPECT = ("IDM003",), frozenset({"IDM003", "IDM005", "IDM006", "IDM007"})

    def operation_key(self):
        return str(time.time_ns() // 1_000_000)


class SeededKeys(Sound):
    """Keys from a generator with a fixed seed: the second start makes the keys of the first."""

    INVARIANTS, EXPECT = ("IDM003",), frozenset({"IDM003", "IDM005", "IDM007"})

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.rng = random.Random(7)

    def operation_key(self):
        return str(uuid.UUID(int=self.rng.getrandbits(128)))


class SeededKeysOnRequests(SoundOnRequests):
    """SeededKeys on requests."""

    INVARIANTS, EXPECT = ("IDM003",), frozenset({"IDM003", "IDM005", "IDM007"})

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.rng = random.Random(7)

    operation_key = SeededKeys.operation_key


class HashOfTheBusiness(Sound):
    """Trap: the key is a hash of what is asked for: equal payloads, equal keys."""

    INVARIANTS = ("IDM003", "IDM005")

    def send(self, method, path, ref, body, key, attempt, until):
        key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        return super().send(method, path, ref, body, key, attempt, until)


# -- IDM004 ------------------------------------------------------------------------------------------

class KeylessOnBusy(ResendsOnlyTheUnsent):
    """No key, and a POST is sent again after a 503."""

    INVARIANTS, EXPECT = ("IDM004",), frozenset({"IDM004", "IDM007"})
    PROFILE = {**KEYLESS, "retry_on": ["connect", 503]}
    repeated = (503,)


class ForcelistWithPost(Urllib3AnyMethod):
    """urllib3: status_forcelist=[503] with POST allowed; lost answers are not sent again."""

    INVARIANTS, EXPECT = ("IDM004",), frozenset({"IDM004", "IDM007"})

    def retries(self):
        return Retry(2, connect=0, read=0, other=0, backoff_factor=0.05, status_forcelist=[503],
                     allowed_methods=None)


class RetriesTooMany(KeylessOnBusy):
    """Trap: no key, and a POST is sent again after 429 only."""

    INVARIANTS, EXPECT = ("IDM004", "RAF001"), frozenset()
    repeated = (429,)


class RejectedMeansRejected(KeylessOnBusy):
    """Trap: the API's contract says that a 503 applied nothing."""

    INVARIANTS, EXPECT = ("IDM007",), frozenset()
    PROFILE = {**KeylessOnBusy.PROFILE, "never_applied": [503]}


# -- IDM005 ------------------------------------------------------------------------------------------

class KeyPerPath(Sound):
    """The key is kept by path until a success."""

    INVARIANTS, EXPECT = ("IDM005",), frozenset({"IDM003", "IDM005"})
    MAY = {"IDM002": "a success of another operation takes the key away in mid-operation",
           "IDM007": "where it succeeds, with another operation's receipt"}

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.kept = {}

    def operation(self, method, path, ref, body=None):
        self.kept.setdefault(path, str(uuid.uuid4()))
        value = super().operation(method, path, ref, body)
        self.kept.pop(path, None)
        return value

    def send(self, method, path, ref, body, key, attempt, until):
        return super().send(method, path, ref, body, self.kept.get(path, key), attempt, until)


class KeyOfTheReference(Sound):
    """The key is derived from the reference alone: a changed amount keeps it."""

    INVARIANTS, EXPECT = ("IDM005",), frozenset({"IDM005"})

    def send(self, method, path, ref, body, key, attempt, until):
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, ref))
        return super().send(method, path, ref, body, key, attempt, until)


class KeyOfTheReferenceOnRequests(SoundOnRequests):
    """KeyOfTheReference on requests."""

    INVARIANTS, EXPECT = ("IDM005",), frozenset({"IDM005"})

    def send(self, method, path, ref, body, key, attempt, until):
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, ref))
        return super().send(method, path, ref, body, key, attempt, until)


class FreshTimestamp(Sound):
    """Each attempt's body has a timestamp of its own, under the same key."""

    INVARIANTS, EXPECT = ("IDM005",), frozenset({"IDM005", "RTY007"})

    def send(self, method, path, ref, body, key, attempt, until):
        body = {**body, "sent_at": time.time_ns()} if body else body
        return super().send(method, path, ref, body, key, attempt, until)


class OtherKeyOrder(Sound):
    """Trap: the body is written anew for each attempt, its fields in another order."""

    INVARIANTS = ("IDM005",)
    MAY = {"RTY007": "the bytes differ, what they say does not"}

    def send(self, method, path, ref, body, key, attempt, until):
        fields = list((body or {}).items())
        body = dict(fields[::-1] if attempt % 2 else fields) or None
        return super().send(method, path, ref, body, key, attempt, until)


class SignedBody(Sound):
    """Trap: each attempt's body carries a signature of its own."""

    INVARIANTS = ("IDM005",)
    MAY = {"RTY007": "the signature in the body differs"}

    def send(self, method, path, ref, body, key, attempt, until):
        body = {**body, "signature": uuid.uuid4().hex} if body else body
        return super().send(method, path, ref, body, key, attempt, until)


# -- IDM007 ------------------------------------------------------------------------------------------

class Paid(Failed):
    """An error that tells whether the effect is unknown."""

    def __init__(self, why, effect_unknown):
        super().__init__(why)
        self.effect_unknown = effect_unknown


class MaybePaid(Failed):
    """Declared as the class of errors whose effect is unknown."""


class DeniesTheEffect(Sound):
    """After a lost answer the caller is told that nothing was paid; one attempt only."""

    INVARIANTS, EXPECT = ("IDM007",), frozenset({"IDM007"})
    PROFILE = {**PROFILE, "max_attempts": 1, "retry_on": []}
    attempts = 1

    def give_up(self, why):
        raise Paid(str(why), False)


class DeclaresAnotherClass(DeniesTheEffect):
    """The class declared for unknown effects is not the one that is raised."""

    PROFILE = {**DeniesTheEffect.PROFILE, "errors": {"unknown": f"{__name__}.MaybePaid"}}

    def give_up(self, why):
        raise Failed(str(why)) from None


class FirstReceiptForAll(Sound):
    """Where it had to try again, the caller gets the receipt of the first payment ever made."""

    INVARIANTS, EXPECT = ("IDM007",), frozenset({"IDM007"})
    receipt = None

    def operation(self, method, path, ref, body=None):
        value = super().operation(method, path, ref, body)
        self.receipt = self.receipt or (value if method == "POST" else None)
        return self.receipt if method == "POST" else value


class FreshKeyOnRequests(SoundOnRequests):
    """FreshKeyEachAttempt on requests."""

    INVARIANTS, EXPECT = ("IDM007",), frozenset({"IDM002", "IDM007"})
    attempt_key = FreshKeyEachAttempt.attempt_key


class SaysUnknown(DeniesTheEffect):
    """Trap: the caller is told "unknown, may have been applied"."""

    EXPECT = frozenset()

    def give_up(self, why):
        raise Paid(f"{why}: unknown, may have been applied", True)


class SaysUnknownByClass(DeclaresAnotherClass):
    """Trap: the same by the class that is declared."""

    EXPECT = frozenset()

    def give_up(self, why):
        raise MaybePaid(str(why)) from None
