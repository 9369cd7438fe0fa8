"""Finding a canary in text, in every form that careless code gives it.

Nearly all text shows nothing: one pass of an automaton over all forms and fragments of all secrets says so,
and only what it stops at is looked at form by form.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote_to_bytes

import ahocorasick  # type: ignore[import-not-found]

__all__ = ["Sighting", "find_canary", "forms", "shows"]

_FRAGMENT = 12  # base62 characters: beyond chance
_MASKED = 6
_HEX = 18
_CODED = 10  # characters of base64 that hold more than _MASKED of the secret
_ESCAPE = re.compile(r"\\(?:(?:u00|x)([0-9a-fA-F]{2})|([^\w\s]))")


@dataclass(frozen=True, slots=True)
class Sighting:
    """How much of a secret was seen, in which form."""

    form: str
    size: int
    whole: bool


@lru_cache(maxsize=64)
def _base64_cores(secret: bytes) -> list[str]:
    """The parts of a base64 text that do not depend on what stands around, at 3 alignments."""
    cores = []
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + secret).decode().rstrip("=")
        start = (shift * 4 + 2) // 3
        end = (shift + len(secret)) * 4 // 3
        cores.append(text[start + (1 if shift else 0) : end])
    return cores


@lru_cache(maxsize=64)
def forms(secret: str) -> tuple[tuple[str, str], ...]:
    """Return (form, text) for each way in which the secret may appear."""
    raw = secret.encode()
    found = [
        ("plain", secret), ("url-encoded", quote(secret, safe="")),
        ("form-encoded", quote_plus(secret)),
        ("url-encoded twice", quote(quote(secret, safe=""), safe="")),
        ("json-escaped", json.dumps(secret)[1:-1]),
        ("backslash-escaped", secret.encode("unicode_escape").decode()),
        ("hex", raw.hex()), ("reversed", secret[::-1]),
    ]
    found += [("base64", core) for core in _base64_cores(raw)]
    found += [("base64url", core.replace("+", "-").replace("/", "_"))
              for core in _base64_cores(raw)]
    seen: dict[str, str] = {}
    for name, text in found:
        seen.setdefault(text, name)
    return tuple((name, text) for text, name in seen.items() if text)


def find_canary(secret: str, text: str) -> Sighting | None:
    """Return the worst sighting of a secret in a text, or None.

    At most 6 characters shown is masking; 7 to 11 is told, and no leak; 12 are.
    """
    joined = _joined(text)
    folded = joined.casefold()
    if not _near((secret,), joined, folded):
        return None
    for name, form in forms(secret):
        if form.casefold() in folded:
            return Sighting(name, len(secret), True)
    body = _body(secret)
    best = max(_longest(body.casefold(), folded), _longest(body[::-1].casefold(), folded))
    for name, plainer in _plainer(joined) if not body.isalnum() else ():
        if secret.casefold() in plainer.casefold():
            return Sighting(name, len(secret), True)
        best = max(best, _longest(body.casefold(), plainer.casefold()))
    for core in _base64_cores(body.encode()):
        for text64 in (core, core.replace("+", "-").replace("/", "_")):
            best = max(best, _longest(text64, joined) * 3 // 4)
    hexed = _longest(secret.encode().hex(), joined.lower())
    if hexed >= _HEX and hexed // 2 > best:
        return Sighting("hex fragment", hexed * _FRAGMENT // _HEX, False)  # eighteen digits count as twelve
    return Sighting("fragment", best, False) if best > _MASKED else None


def shows(secrets: Collection[str], text: str) -> bool:
    """Tell whether any of several secrets stands in a text, in one pass where none does."""
    joined = _joined(text)
    return _near(tuple(secrets), joined, joined.casefold()) and any(find_canary(s, text) for s in secrets)


def _near(secrets: tuple[str, ...], joined: str, folded: str) -> bool:
    """Whether anything stands in the text that may be a sighting; no sighting is missed."""
    net = _net(secrets)
    if net is None or next(net.iter(folded), None):
        return net is not None
    if all(_body(secret).isalnum() for secret in secrets):
        return False
    return any(next(net.iter(plainer.casefold()), None) for _, plainer in _plainer(joined))


@lru_cache(maxsize=64)
def _net(secrets: tuple[str, ...]) -> Any:
    """An automaton over all forms of these secrets and their shortest pieces that count; None for none."""
    words = {form.casefold() for secret in secrets for _, form in forms(secret)}
    for secret in secrets:
        body = _body(secret).casefold()
        words |= {*_pieces(body, _MASKED + 1), *_pieces(body[::-1], _MASKED + 1),
                  *_pieces(secret.encode().hex(), _HEX)}
        for core in (c.casefold() for c in _base64_cores(_body(secret).encode())):
            words |= {*_pieces(core, _CODED), *_pieces(core.replace("+", "-").replace("/", "_"), _CODED)}
    if not words:
        return None
    net = ahocorasick.Automaton(ahocorasick.STORE_LENGTH)
    for word in words:
        net.add_word(word)
    net.make_automaton()
    return net


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(len(text) - size + 1))


def _body(secret: str) -> str:
    """What is random of a secret."""
    return secret.removeprefix("sk_test_")


def _joined(text: str) -> str:
    """The text without its line breaks, and what indents the line after one."""
    return re.sub(r"[\r\n]+\s*", "", text)


def _plainer(text: str) -> Iterator[tuple[str, str]]:
    """The text with one or two layers of escapes undone: which characters a library leaves as they
    are differs from one to the next, so that no list of encoded forms is whole."""
    for name, undo in (("url-encoded", _unquoted), ("backslash-escaped", _unescaped),
                       ("html-escaped", html.unescape)):
        before = text
        for layer in ("", " twice"):
            after = undo(before)
            if after == before:
                break
            yield name + layer, after
            before = after


def _unquoted(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else m[2], text)


def _longest(secret: str, text: str) -> int:
    """Length of the longest piece of the secret (over 6) that stands in the text."""
    best = _MASKED
    # any seven characters in a row hold four that begin at a multiple of four: most texts have none
    if not any(secret[at : at + 4] in text for at in range(0, len(secret) - 3, 4)):
        return best
    for start in range(len(secret) - _MASKED):
        while best < len(secret) - start and secret[start : start + best + 1] in text:
            best += 1
    return best
