"""Named random streams from one seed: the same seed and name give the same draws."""

from __future__ import annotations

import random
import secrets
import zlib

__all__ = ["ALPHABET", "canary", "canary_of", "new_seed", "reference", "stream",
           "symbol_canary"]

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_BASE62 = ALPHABET + ALPHABET[:26].upper()
_SYMBOLS = '+/=&"\\@:%'


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


def symbol_canary(rng: random.Random) -> str:
    """Draw a secret that every encoding changes: 32 base62 characters with ``+ / = & " \\ @ : %``
    in turn among its first half, so that what a careless pattern leaves behind is still a leak."""
    letters = rng.choices(_BASE62, k=32)
    symbols = rng.sample(_SYMBOLS, k=len(_SYMBOLS))
    head = "".join(a + b for a, b in zip(letters[4:], symbols, strict=False))
    return "sk_test_" + "".join(letters[:4]) + head + "".join(letters[4 + len(symbols):])


def canary_of(rng: random.Random, name: str) -> str:
    """Draw the secret of a scenario: half of them, by their names alone, get one with symbols."""
    return symbol_canary(rng) if zlib.crc32(name.encode()) % 2 else canary(rng)
