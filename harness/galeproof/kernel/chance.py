"""Named random streams from one seed: the same seed and name give the same draws."""

from __future__ import annotations

import random
import secrets

__all__ = ["ALPHABET", "canary", "new_seed", "reference", "stream"]

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_BASE62 = ALPHABET + ALPHABET[:26].upper()


def new_seed() -> int:
    """Draw a fresh seed, short enough to be typed."""
    return secrets.randbelow(2**31)


def stream(seed: int, name: str) -> random.Random:
    """Return the stream of that name; streams of different names are independent."""
    return random.Random(f"{seed}/{name}")


def reference(rng: random.Random) -> str:
    """Draw an operation's reference: 16 lower-case letters and digits, a letter first."""
    return "g" + "".join(rng.choices(ALPHABET, k=15))


def canary(rng: random.Random) -> str:
    """Draw a secret that exists nowhere else: 32 base62 characters behind a public prefix."""
    return "sk_test_" + "".join(rng.choices(_BASE62, k=32))
