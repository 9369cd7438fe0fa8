"""JSON as Go's encoding/json reads and writes it, as far as clients can tell."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence

from galeproof.toxiproxy.embedded._proxy import Proxy
from galeproof.toxiproxy.embedded._stage import Toxic

__all__ = ["BadBody", "boolean", "decode", "fields", "integers", "number", "proxy_text", "text",
           "toxic_text", "toxics_text", "write"]

_DECODER = json.JSONDecoder()


class BadBody(Exception):
    """A request body that does not fit; the text follows ``bad request body: ``."""


def decode(body: bytes) -> object:
    """Read the first JSON value; what follows is ignored.

    Raises:
        BadBody: There is none.
    """
    source = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not source:
        raise BadBody("EOF")
    try:
        return _DECODER.raw_decode(source)[0]
    except (json.JSONDecodeError, RecursionError) as error:
        at_end = isinstance(error, json.JSONDecodeError) and (
            error.pos >= len(source.rstrip()) or error.msg.startswith("Unterminated")
        )
        raise BadBody("unexpected EOF" if at_end else "invalid character") from None


def fields(value: object) -> Mapping[str, object]:
    """The members of an object, keys in lower case, nulls left out.

    Raises:
        BadBody: It is no object.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadBody("json: cannot unmarshal value into an object")
    return {str(key).lower(): item for key, item in value.items() if item is not None}


def text(members: Mapping[str, object], key: str, default: str) -> str:
    """A member that must be a string.

    Raises:
        BadBody: It is something else.
    """
    value = members.get(key, default)
    if not isinstance(value, str):
        raise BadBody(f"json: cannot unmarshal value into field {key} of type string")
    return value


def boolean(members: Mapping[str, object], key: str, default: bool) -> bool:
    """A member that must be true or false.

    Raises:
        BadBody: It is something else.
    """
    value = members.get(key, default)
    if not isinstance(value, bool):
        raise BadBody(f"json: cannot unmarshal value into field {key} of type bool")
    return value


def number(members: Mapping[str, object], key: str, default: float) -> float:
    """A member that must be a number, rounded to float32 as Toxiproxy keeps it.

    Raises:
        BadBody: It is something else, or too large.
    """
    value = members.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadBody(f"json: cannot unmarshal value into field {key} of type float32")
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except (OverflowError, struct.error):
        raise BadBody(f"json: cannot unmarshal number into field {key} of type float32") from None


def integers(members: Mapping[str, object], known: Sequence[str]) -> dict[str, int]:
    """The known members, which must be integers without fraction or exponent.

    Raises:
        BadBody: One is something else.
    """
    found = {}
    for key in known:
        if key not in members:
            continue
        value = members[key]
        if isinstance(value, bool) or not isinstance(value, int) or not -(1 << 63) <= value < 1 << 63:
            raise BadBody(f"json: cannot unmarshal value into field {key} of type int64")
        found[key] = value
    return found


def write(value: object) -> str:
    """Compact JSON with Go's escapes."""
    out = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        out = out.replace(character, f"\\u{ord(character):04x}")
    return out


def toxic_text(toxic: Toxic) -> str:
    """A toxic as the API answers it."""
    return (
        f'{{"attributes":{write(dict(toxic.attributes))},"name":{write(toxic.name)},'
        f'"type":{write(toxic.kind.name)},"stream":{write(toxic.stream)},'
        f'"toxicity":{_float32(toxic.toxicity)}}}'
    )


def toxics_text(toxics: Sequence[Toxic]) -> str:
    """An array of toxics."""
    return f"[{','.join(map(toxic_text, toxics))}]"


def proxy_text(proxy: Proxy) -> str:
    """A proxy as the API answers it, the accidental ``Logger`` included."""
    return (
        f'{{"name":{write(proxy.name)},"listen":{write(proxy.listen)},'
        f'"upstream":{write(proxy.upstream)},"enabled":{write(proxy.enabled)},'
        f'"Logger":{{}},"toxics":{toxics_text(proxy.all_toxics())}}}'
    )


def _float32(value: float) -> str:
    """The shortest decimal that reads back as the same float32."""
    for digits in range(1, 10):
        short = f"{value:.{digits}g}"
        if struct.pack("f", float(short)) == struct.pack("f", value):
            break
    size = abs(float(short))
    if size and not 1e-6 <= size < 1e21:
        mantissa, _, exponent = f"{float(short):.{digits - 1}e}".partition("e")
        return f"{mantissa}e{exponent[0] if exponent[0] == '-' else '+'}{exponent[1:].lstrip('0')}"
    fixed = f"{float(short):.15f}".rstrip("0").rstrip(".")
    return fixed
