"""Spoilt answers: bodies that are no JSON, values that were not promised, and far too much."""

from __future__ import annotations

import functools
import gzip
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from galeproof.faults.steps import VALUES

__all__ = ["BOMB_BYTES", "HUGE_HEAD_BYTES", "Spoilt", "bomb", "spoil"]

BOMB_BYTES = 100_000_000  # what a bomb unpacks to, a thousand times its own size
HUGE_HEAD_BYTES = 1_000_000
_JSON = "application/json"
_PAGE = b"<html><body>Bad gateway</body></html>"


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A spoilt body: its bytes, headers, status (None: as it would have been), what was done to it
    (None: it could not be spoilt so), and whether a reader may still take its value."""

    body: bytes
    headers: Mapping[str, str]
    done: str | None
    status: int | None = None
    readable: bool = False


def spoil(kind: str, document: Any, *, nth: int, fields: Sequence[str], gzips: bool,
          healthy: int) -> Spoilt:
    """Spoil a healthy answer.

    Args:
        kind: One of ``faults.steps.GARBAGE``.
        document: The healthy answer.
        nth: Which of the values that can be spoilt so, from 0.
        fields: The values that may be spoilt; all of the first level if empty.
        gzips: Whether the client takes gzip.
        healthy: The healthy status.
    """
    if kind in VALUES:
        return _value(kind, document, nth, fields)
    text = json.dumps(document)
    headers = {"Content-Type": _JSON}
    match kind:
        case "html":
            return Spoilt(_PAGE, {"Content-Type": "text/html"}, kind)
        case "truncated_json":
            return Spoilt(text[: -max(2, len(text) // 3)].encode(), headers, kind)
        case "empty":
            return Spoilt(b"", headers, kind)
        case "wrong_type":
            return Spoilt(text.encode(), {"Content-Type": "text/html"}, kind, readable=True)
        case "no_content":
            return Spoilt(b"", headers, None if healthy == 204 else kind, 204)
        case "gzip_cut" if gzips:
            packed = gzip.compress(text.encode(), 0, mtime=0)
            return Spoilt(packed[:-12], {**headers, "Content-Encoding": "gzip"}, kind)
        case "gzip_cut":  # who takes no gzip gets what is left of it
            return Spoilt(text[:-4].encode(), headers, "truncated_json")
    return _nearly(kind, document, text, headers)


def _nearly(kind: str, document: Any, text: str, headers: dict[str, str]) -> Spoilt:
    """JSON but for one thing."""
    if not isinstance(document, Mapping) or not document:
        return Spoilt(text.encode(), headers, None, readable=True)
    if kind == "duplicate_keys":
        first = json.dumps(next(iter(document)))
        return Spoilt(f'{{{first}: "another", {text[1:]}'.encode(), headers, kind)
    if kind == "charset":
        noted = json.dumps({**document, "note": "caf\u00e9"}, ensure_ascii=False)
        return Spoilt(noted.encode("latin-1"), {"Content-Type": f"{_JSON}; charset=utf-8"}, kind)
    numbers = [k for k, v in document.items() if _number(v)] or ["score"]
    return Spoilt(json.dumps({**document, numbers[0]: float("nan")}).encode(), headers, kind)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(kind: str, document: Any, nth: int, fields: Sequence[str]) -> Spoilt:
    """Change one value; ``done`` names it."""
    headers = {"Content-Type": _JSON}
    names = [k for k in (document if isinstance(document, Mapping) else ()) if not fields or k in fields]
    numeric = kind in ("number_as_string", "infinite_number")
    fit = [name for name in names if not numeric or _number(document[name])]
    if kind == "unknown_field" and isinstance(document, Mapping):
        added = json.dumps({**document, "galeproof_added": {"new": True}})
        return Spoilt(added.encode(), headers, "unknown_field galeproof_added", readable=True)
    if not fit:
        return Spoilt(json.dumps(document).encode(), headers, None, readable=True)
    name = fit[nth % len(fit)]
    changed = {k: v for k, v in document.items() if k != name}
    if kind != "missing_field":
        changed[name] = {"null_field": None, "number_as_string": str(document[name]),
                         "infinite_number": "\0", "wrong_value": {"unexpected": True}}[kind]
    text = json.dumps(changed).replace('"\\u0000"', "1e400")  # beyond every double
    return Spoilt(text.encode(), headers, f"{kind} {name}")


@functools.cache
def _piece() -> tuple[bytes, bytes]:
    """A megabyte of white space, and its deflate block, which stands for itself."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = b" " * 1_000_000
    return piece, packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)


@functools.lru_cache(maxsize=64)
def bomb(text: str) -> bytes:
    """Return a text that white space follows, BOMB_BYTES of it, packed by gzip."""
    piece, packed = _piece()
    times = BOMB_BYTES // len(piece)
    begin = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = begin.compress(text.encode()) + begin.flush(zlib.Z_FULL_FLUSH)
    checksum = zlib.crc32(text.encode())
    for _ in range(times):
        checksum = zlib.crc32(piece, checksum)
    size = (len(text.encode()) + BOMB_BYTES) & 0xFFFFFFFF
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return b"".join([head, first, packed * times, b"\x03\x00", struct.pack("<II", checksum, size)])
