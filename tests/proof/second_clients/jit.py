"""JIT: jitter."""

import hashlib
import os
import random
import secrets as drawn
import socket
import zlib

from .policy import NOTHING, promise
from .transports import Waiting, WithAiohttp, WithHttpx

LONG = {"base_s": 0.2, "cap_s": 0.8, "factor": 2, "jitter": "full"}


class DrawnByNumber(Waiting):
    """Draws from a generator that is seeded by the attempt's number: every operation draws alike."""

    PROFILE = promise(max_attempts=5, backoff=LONG)
    EXPECT, INVARIANTS = frozenset({"JIT001", "JIT002"}), ("JIT001", "JIT002")
    MAY = {
        "JIT003": "alike at the cap too",
        "JIT004": "alike everywhere",
        "JIT005": "no width",
        "RTY005": "what is drawn once need not grow",
    }
    ATTEMPTS = 5

    def delay(self, number):
        return min(0.8, 0.2 * 2 ** (number - 1)) * random.Random(number).uniform(0.5, 1)


class GrowsInto(WithAiohttp):
    """Its jitter grows with the number of retries, and begins with none."""

    PROFILE = promise(max_attempts=5, backoff=LONG | {"jitter": 0.4})
    EXPECT, INVARIANTS = frozenset({"JIT002"}), ("JIT002", "JIT001")
    MAY = {}
    ATTEMPTS = 5

    def delay(self, number):
        return min(0.8, 0.2 * 2 ** (number - 1)) * (1 - random.uniform(0, 0.25 * (number - 1)))


class CertainAtTheTop(Waiting):
    """Draws until the cap is reached; there it waits for exactly that."""

    PROFILE = promise(max_attempts=6, backoff=LONG | {"cap_s": 0.4})
    EXPECT, INVARIANTS = frozenset({"JIT003"}), ("JIT003", "JIT001")
    MAY = {}
    ATTEMPTS = 6

    def delay(self, number):
        top = 0.2 * 2 ** (number - 1)
        return 0.4 if top >= 0.4 and number > 2 else random.uniform(0.1, 1) * min(0.4, top)


class SeededByTheKey(Waiting):
    """Seeds its generator with the API key, which the whole fleet has."""

    PROFILE = promise(max_attempts=4, backoff=LONG)
    EXPECT, INVARIANTS = frozenset({"JIT004"}), ("JIT004", "JIT001")
    MAY = {}
    ATTEMPTS = 4

    def opened(self):
        self.dice = random.Random(zlib.crc32(self.secret.reveal().encode()))

    def delay(self, number):
        return self.dice.uniform(0.1, 1) * min(0.8, 0.2 * 2 ** (number - 1))


class KeyedByPlace(WithHttpx):
    """No random number at all: a hash of host, process and a counter."""

    PROFILE = promise(max_attempts=5, backoff=LONG)
    EXPECT, INVARIANTS = NOTHING, ("JIT001", "JIT002", "JIT003", "JIT004")
    MAY = {}
    ATTEMPTS, count = 5, 0

    def delay(self, number):
        self.count += 1
        said = f"{socket.gethostname()}/{os.getpid()}/{id(self)}/{self.count}".encode()
        share = int.from_bytes(hashlib.blake2b(said, digest_size=4).digest(), "big") / 2**32
        return (0.1 + 0.9 * share) * min(0.8, 0.2 * 2 ** (number - 1))


class EqualHalves(Waiting):
    """Equal jitter, of the operating system's randomness."""

    PROFILE = promise(max_attempts=5, backoff=LONG | {"jitter": "equal"})
    EXPECT, INVARIANTS = NOTHING, ("JIT001", "JIT002", "JIT003", "RTY005")
    MAY = {}
    ATTEMPTS = 5

    def delay(self, number):
        return min(0.8, 0.2 * 2 ** (number - 1)) * (0.5 + drawn.randbelow(1000) / 2000)


class FifthEitherWay(WithAiohttp):
    """Twenty per cent either way, as gRPC does."""

    PROFILE = promise(max_attempts=5, backoff={"base_s": 0.2, "cap_s": 0.6, "factor": 2, "jitter": 0.2})
    EXPECT, INVARIANTS = NOTHING, ("JIT001", "JIT002", "RTY005")
    MAY = {}
    ATTEMPTS = 5

    def delay(self, number):
        return min(0.5, 0.2 * 2 ** (number - 1)) * random.uniform(0.8, 1.2)
