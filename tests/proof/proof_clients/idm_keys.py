"""Mutants and traps: what keys are made of, whether they arrive, and conflicts over them."""

from __future__ import annotations

import datetime
import itertools
import random
import threading
import uuid

from galeproof import write
from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import PROFILE, TRANSIENT, WRITE, Sound

# -- IDM006 ------------------------------------------------------------------------------------------

class SixDigits(Sound):
    """randint(0, 10**6)."""

    INVARIANTS, EXPECT = ("IDM006",), frozenset({"IDM006"})
    MAY = {"IDM003": "two of a hundred meet once in two hundred runs",
           "IDM007": "and one of the two is then not made"}

    def operation_key(self):
        return str(random.randint(100_000, 999_999))


class Counter(Sound):
    """A counter that goes on over restarts, so that its keys are unique."""

    INVARIANTS, EXPECT = ("IDM006",), frozenset({"IDM006"})
    counts = itertools.count(1)

    def operation_key(self):
        return f"payment-{next(self.counts)}"


class CounterOnRequests(SoundOnRequests):
    """The same on requests."""

    INVARIANTS, EXPECT = ("IDM006",), frozenset({"IDM006"})
    counts = itertools.count(1)
    operation_key = Counter.operation_key


class TimeBasedUuid(Sound):
    """Trap: UUIDs of version 1 differ in few characters, and are unique all the same."""

    INVARIANTS = ("IDM006", "IDM009")

    def operation_key(self):
        return str(uuid.uuid1())


class RandomHex(Sound):
    """Trap: 128 random bits in no known format."""

    INVARIANTS = ("IDM006",)

    def operation_key(self):
        return f"{random.SystemRandom().getrandbits(128):032x}"


class BusinessKeyAndDate(Sound):
    """Trap: the caller's reference and the day, declared to be the business's."""

    PROFILE = {**PROFILE, "idempotency_key_from": "business"}
    INVARIANTS = ("IDM003", "IDM006", "IDM009")

    def send(self, method, path, ref, body, key, attempt, until):
        amount = (body or {}).get("amount")
        key = f"{ref}/{amount}/{datetime.date(2026, 11, 25)}"
        return super().send(method, path, ref, body, key, attempt, until)


# -- IDM008 ------------------------------------------------------------------------------------------

class NewKeyOnConflict(Sound):
    """409 is retried with a fresh key."""

    INVARIANTS, EXPECT = ("IDM008",), frozenset({"IDM002", "IDM008"})
    waits_for = {409}

    def send(self, method, path, ref, body, key, attempt, until):
        kept = getattr(self.mine, "key", None) if attempt > 1 else None
        response = super().send(method, path, ref, body, kept or key, attempt, until)
        self.mine.key = self.next_key() if response.status_code in self.waits_for else None
        return response

    def next_key(self):
        return str(uuid.uuid4())

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.mine = threading.local()

    def transient(self):
        return TRANSIENT | self.waits_for


class SendsRefusedKeysAgain(NewKeyOnConflict):
    """422 stands in the list of statuses that are retried."""

    EXPECT = frozenset({"IDM008", "RTY002"})
    waits_for = {422}

    def next_key(self):
        return None


class SendsRefusedKeysAgainOnRequests(SoundOnRequests):
    """The same on requests."""

    INVARIANTS, EXPECT = ("IDM008",), frozenset({"IDM008", "RTY002"})

    def transient(self):
        return {*TRANSIENT, 422}


class WaitsForTheFirst(NewKeyOnConflict):
    """Trap: 409 is waited for, with the same key."""

    EXPECT = frozenset()
    next_key = SendsRefusedKeysAgain.next_key


class LeavesConflictsToTheCaller(Sound):
    """Trap: a conflict is told to the caller, who knows that the outcome is unknown."""

    INVARIANTS = ("IDM008",)


# -- IDM009 ------------------------------------------------------------------------------------------

class TakesTheCallersKey(Sound):
    """Trap: a key of the caller's is sent as it is."""

    INVARIANTS = ("IDM009",)

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.mine = threading.local()

    @write(answer=WRITE, status=201)
    def create_keyed(self, ref, amount, key):
        self.mine.given = key
        try:
            return self.create(ref, amount)
        finally:
            self.mine.given = None

    def operation_key(self):
        return getattr(self.mine, "given", None) or super().operation_key()


class QuotesTheCallersKey(TakesTheCallersKey):
    """Trap: the key as a structured-field string."""

    def key_headers(self, key, attempt):
        return {"Idempotency-Key": f'"{key}"'}


class LosesTheKey(TakesTheCallersKey):
    """The headers with the key in them are replaced by a later line, where nothing is retried."""

    EXPECT = frozenset({"IDM009"})
    MAY = {"IDM007": "the same call twice makes two payments"}

    def key_headers(self, key, attempt):
        headers = {"Idempotency-Key": key}
        if getattr(self.mine, "given", None):
            headers = {"X-Caller": "yes"}
        return headers


class CutsTheKey(TakesTheCallersKey):
    """The key is cut to 32 characters."""

    EXPECT = frozenset({"IDM009"})

    def key_headers(self, key, attempt):
        return {"Idempotency-Key": key[:32]}


class IgnoresTheCallersKeyOnRequests(SoundOnRequests):
    """The caller's key is taken and a fresh one sent, on requests."""

    INVARIANTS, EXPECT = ("IDM009",), frozenset({"IDM009"})
    MAY = {"IDM007": "the same call twice makes two payments"}

    @write(answer=WRITE, status=201)
    def create_keyed(self, ref, amount, key):
        return self.create(ref, amount)
