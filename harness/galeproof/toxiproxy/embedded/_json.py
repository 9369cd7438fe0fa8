"""JSON as Go's encoding/json reads it into structs: what is taken, what is refused."""

from __future__ import annotations

import codecs
import json
import math
import re
import struct
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["BadBody", "Members", "decode", "float32"]

_INTEGER = re.compile(r"-?[0-9]+")


class BadBody(Exception):
    """A request body that does not fit; the text follows ``bad request body: ``."""


class _Number(str):
    """A number as it was written: 1000 is an integer, 1000.0 and 1e3 are none."""


class _Pairs(list[tuple[str, object]]):
    """An object as it was written: keys may come twice, in any case."""


def _no_constant(name: str) -> NoReturn:
    raise BadBody(f"invalid character '{name[0]}' looking for beginning of value")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
)


def _one_byte(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd", error.start + 1


codecs.register_error("galeproof-each-byte", _one_byte)


def decode(body: bytes) -> object:
    """Read the first JSON value; what follows is ignored.

    Raises:
        BadBody: There is none.
    """
    source = body.decode("utf-8", "galeproof-each-byte").lstrip(" \t\r\n")
    if not source:
        raise BadBody("EOF")
    try:
        return _DECODER.raw_decode(source)[0]
    except RecursionError:
        raise BadBody("exceeded max depth") from None
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(source.rstrip()) or error.msg.startswith("Unterminated")
        raise BadBody("unexpected EOF" if at_end else "invalid character") from None


def float32(text: str) -> float | None:
    """Round to float32; None where it is out of range."""
    try:
        value = float(struct.unpack("f", struct.pack("f", float(text)))[0])
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


class Members:
    """The members of an object, by key in any case; nulls count as not given.

    Args:
        value: What `decode` gave, an object or null.

    Raises:
        BadBody: It is something else.
    """

    def __init__(self, value: object) -> None:
        if value is not None and not isinstance(value, _Pairs):
            raise BadBody(f"json: cannot unmarshal {_kind(value)} into Go value of type object")
        self._values: dict[str, list[object]] = {}
        for key, item in value or ():
            if item is not None:
                self._values.setdefault(key.casefold(), []).append(item)

    def text(self, key: str) -> str | None:
        """A member that must be a string; None if it is not given.

        Raises:
            BadBody: It is something else.
        """
        found = None
        for value in self._values.get(key, ()):
            if not isinstance(value, str) or isinstance(value, _Number):
                raise _misfit(value, key, "string")
            found = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return found

    def boolean(self, key: str) -> bool | None:
        """A member that must be true or false; None if it is not given.

        Raises:
            BadBody: It is something else.
        """
        found = None
        for value in self._values.get(key, ()):
            if not isinstance(value, bool):
                raise _misfit(value, key, "bool")
            found = value
        return found

    def number(self, key: str) -> float | None:
        """A member that must be a number, as a float32; None if it is not given.

        Raises:
            BadBody: It is something else, or too large.
        """
        found = None
        for value in self._values.get(key, ()):
            found = float32(value) if isinstance(value, _Number) else None
            if found is None:
                raise _misfit(value, key, "float32")
        return found

    def integers(self, known: Sequence[str]) -> dict[str, int]:
        """The known members, which must be integers of 64 bits without fraction or exponent.

        Raises:
            BadBody: One is something else.
        """
        found = {}
        for key in known:
            for value in self._values.get(key, ()):
                whole = isinstance(value, _Number) and len(value) < 32 and _INTEGER.fullmatch(value)
                if not whole or not -(1 << 63) <= int(str(value)) < 1 << 63:
                    raise _misfit(value, key, "int64")
                found[key] = int(str(value))
        return found

    def objects(self, key: str) -> list[Members]:
        """The members of this name, which must be objects.

        Raises:
            BadBody: One is something else.
        """
        return [Members(value) for value in self._values.get(key, ())]


def _misfit(value: object, key: str, type_name: str) -> BadBody:
    return BadBody(f"json: cannot unmarshal {_kind(value)} into Go struct field {key} "
                   f"of type {type_name}")


def _kind(value: object) -> str:
    names = {_Number: "number", str: "string", bool: "bool", _Pairs: "object", list: "array"}
    return names.get(type(value), "value")
