"""A lane's toxics: from a scenario's words with units to Toxiproxy's own attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from galeproof.faults.toxics import OWN_TOXICS, TOXICS
from galeproof.scenario.quantity import (
    QUANTITY_SCHEMA,
    Quantity,
    Unresolved,
    parse_quantity,
    resolve,
)
from galeproof.scenario.source import LocatedError

__all__ = ["LANE_SCHEMA", "TOXIC_KEYS", "ToxicSpec", "parse_lane", "toxics_of"]

TOXIC_KEYS: Mapping[str, Mapping[str, str]] = {
    "bandwidth": {"rate_kbps": "rate"},
    "latency": {"latency_ms": "latency", "jitter_ms": "jitter"},
    "limit_data": {"bytes": "bytes"},
    "noop": {},
    "reset_after": {"bytes": "bytes"},
    "reset_peer": {"timeout_ms": "timeout"},
    "slicer": {
        "average_size_bytes": "average_size",
        "size_variation_bytes": "size_variation",
        "delay_us": "delay",
    },
    "slow_close": {"delay_ms": "delay"},
    "stall_after": {"bytes": "bytes"},
    "timeout": {"timeout_ms": "timeout"},
}
"""By type: the key in a scenario (with its unit), and the attribute of its toxic.

``reset_after`` and ``stall_after`` are ours: a lane that has them needs the embedded engine.
"""

_KINDS = {name: {**TOXICS, **OWN_TOXICS}[name] for name in TOXIC_KEYS}

# without it the toxic would do nothing, and a green run would prove nothing
_REQUIRED = {
    "bandwidth": "rate_kbps",
    "latency": "latency_ms",
    "limit_data": "bytes",
    "reset_after": "bytes",
    "slicer": "average_size_bytes",
    "slow_close": "delay_ms",
    "stall_after": "bytes",
    "timeout": "timeout_ms",
}
_COMMON = ("attributes", "stream", "toxicity", "type")
_STREAMS = ("downstream", "upstream")
_MAX_TOXICS = 10

LANE_SCHEMA: dict[str, Any] = {
    "description": (
        "Toxics of this attempt's lane; or Toxiproxy's own form, with attributes. "
        f"{' and '.join(sorted(OWN_TOXICS.keys() & TOXIC_KEYS.keys()))} need the embedded engine."
    ),
    "type": "array",
    "items": {
        "oneOf": [
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["type"],
                "properties": {
                    "type": {"const": kind},
                    "stream": {"enum": list(_STREAMS), "default": "downstream"},
                    "toxicity": {"type": "number", "minimum": 0, "maximum": 1, "default": 1},
                    "attributes": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {name: QUANTITY_SCHEMA for name in keys.values()},
                    },
                    **{key: QUANTITY_SCHEMA for key in keys},
                },
            }
            for kind, keys in TOXIC_KEYS.items()
        ]
    },
}


@dataclass(frozen=True, slots=True)
class ToxicSpec:
    """One toxic, its quantities not yet resolved.

    Attributes:
        type: A key of ``TOXIC_KEYS``.
        stream: ``downstream`` or ``upstream``.
        toxicity: The probability, 0 to 1, that a connection gets it.
        values: By Toxiproxy's attribute.
    """

    type: str
    stream: str
    toxicity: float
    values: Mapping[str, Quantity]


def parse_lane(raw: Any) -> tuple[ToxicSpec, ...]:
    """Parse the toxics of a lane.

    Raises:
        LocatedError: Names the key and what is allowed.
    """
    if raw is None:
        return ()
    if not isinstance(raw, list) or len(raw) > _MAX_TOXICS:
        raise LocatedError((), f"must be a list of at most {_MAX_TOXICS} toxics")
    return tuple(_parse_toxic(item, index) for index, item in enumerate(raw))


def _parse_toxic(raw: Any, index: int) -> ToxicSpec:
    if not isinstance(raw, Mapping):
        raise LocatedError((index,), "must be a mapping: {type: latency, latency_ms: 200}")
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise LocatedError(
            (index, "type"), f"{str(kind)[:40]!r} is no toxic; allowed: {', '.join(sorted(_KINDS))}"
        )
    keys = TOXIC_KEYS[kind]
    for key in raw:
        if key not in keys and key not in _COMMON:
            allowed = ", ".join(sorted((*keys, *_COMMON)))
            raise LocatedError((index, key), f"unknown key of {kind}; allowed: {allowed}")
    stream, toxicity = raw.get("stream", "downstream"), raw.get("toxicity", 1.0)
    if stream not in _STREAMS:
        raise LocatedError((index, "stream"), f"allowed: {', '.join(_STREAMS)}")
    if isinstance(toxicity, bool) or not isinstance(toxicity, int | float) or not 0 <= toxicity <= 1:
        raise LocatedError((index, "toxicity"), "allowed: a number from 0 to 1")
    spec = ToxicSpec(kind, stream, float(toxicity), _values(raw, kind, index))
    if all(quantity.constant for quantity in spec.values.values()):
        problem = _KINDS[kind].validate(_attributes(spec, {}))
        if problem:
            raise LocatedError((index,), f"{kind}: {problem}")
    return spec


def _values(raw: Mapping[str, Any], kind: str, index: int) -> dict[str, Quantity]:
    keys = TOXIC_KEYS[kind]
    native = raw.get("attributes", {})
    if not isinstance(native, Mapping):
        raise LocatedError((index, "attributes"), "must be a mapping")
    values: dict[str, Quantity] = {}
    for key, attribute in keys.items():
        if key in raw:
            values[attribute] = _quantity(raw[key], (index, key))
    for attribute, value in native.items():
        where = (index, "attributes", attribute)
        if attribute not in keys.values():
            allowed = ", ".join(sorted(keys.values())) or "none"
            raise LocatedError(where, f"unknown attribute of {kind}; allowed: {allowed}")
        if attribute in values:
            raise LocatedError(where, "given twice, here and with its unit")
        values[attribute] = _quantity(value, where)
    required = _REQUIRED.get(kind)
    if required and keys[required] not in values:
        raise LocatedError((index,), f"{kind} needs {required}")
    return values


def _quantity(raw: Any, where: tuple[str | int, ...]) -> Quantity:
    try:
        quantity = parse_quantity(raw)
    except ValueError as error:
        below = error.path if isinstance(error, LocatedError) else ()
        raise LocatedError((*where, *below), str(error)) from None
    if isinstance(raw, float) and not raw.is_integer():
        raise LocatedError(where, f"{raw:g}: Toxiproxy takes whole numbers")
    return quantity


def _attributes(spec: ToxicSpec, known: Mapping[str, float]) -> dict[str, int]:
    found = dict.fromkeys(_KINDS[spec.type].fields, 0)
    for name, quantity in spec.values.items():
        value = resolve(quantity, known)
        # a small quantity must not be rounded away to "no fault"
        found[name] = max(1, round(value)) if value > 0 else 0
    return found


def toxics_of(specs: tuple[ToxicSpec, ...], known: Mapping[str, float]) -> tuple[dict[str, Any], ...]:
    """Return the toxics in the JSON form of Toxiproxy's API, with names unique in their lane.

    Args:
        specs: As ``parse_lane`` returns them.
        known: The profile's declared numbers by name.

    Raises:
        Unresolved: A quantity has no value under this profile, or one out of its toxic's range.
    """
    toxics: list[dict[str, Any]] = []
    for index, spec in enumerate(specs):
        attributes = _attributes(spec, known)
        problem = _KINDS[spec.type].validate(attributes)
        if problem:
            raise Unresolved(f"{spec.type}: {problem}")
        toxics.append({
            "name": f"{spec.type}_{spec.stream}_{index}",
            "type": spec.type,
            "stream": spec.stream,
            "toxicity": spec.toxicity,
            "attributes": attributes,
        })
    return tuple(toxics)
