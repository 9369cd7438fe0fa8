"""Quantities: a number, or an expression of what the profile declares."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from galeproof.scenario.source import LocatedError

__all__ = ["QUANTITY_NAMES", "QUANTITY_SCHEMA", "Quantity", "Unresolved", "parse_quantity", "resolve"]

QUANTITY_NAMES = (
    "backoff_base_s",
    "backoff_cap_s",
    "connect_timeout_s",
    "deadline_s",
    "max_attempts",
    "read_timeout_s",
    "retry_after_max_s",
    "secret_reload_s",
)
QUANTITY_SCHEMA: dict[str, Any] = {
    "description": "A number, or profile names and numbers with + and *: deadline_s + 5.",
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string"},
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["value"],
            "properties": {
                "value": {"type": ["number", "string"]},
                "otherwise": {"type": "number", "minimum": 0},
            },
        },
    ],
}

_LIMIT = 1e9
_MAX_CHARS = 200
_TOKEN = re.compile(r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<name>[A-Za-z_]\w*)|(?P<op>[+*]))\s*")


class Unresolved(ValueError):
    """A quantity has no value under this profile; the message says why."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A sum of products of numbers and profile names.

    Attributes:
        text: As written.
        terms: The products; each a tuple of numbers and names.
        otherwise: The value where a name is undeclared, or None.
    """

    text: str
    terms: tuple[tuple[float | str, ...], ...]
    otherwise: float | None = None

    @property
    def constant(self) -> bool:
        """Whether it names nothing of the profile."""
        return not any(isinstance(factor, str) for term in self.terms for factor in term)


def parse_quantity(raw: Any, *, lowest: float = 0.0) -> Quantity:
    """Parse a number, an expression, or ``{value: ..., otherwise: number}``.

    Args:
        raw: Plain data.
        lowest: The lowest plain number allowed.

    Raises:
        ValueError: It is none of these; the message names what is allowed.
    """
    if isinstance(raw, Mapping):
        return _parse_mapping(raw, lowest)
    if isinstance(raw, str):
        return Quantity(raw, _parse_terms(raw))
    return Quantity(str(raw), ((_number(raw, lowest),),))


def _parse_mapping(raw: Mapping[str, Any], lowest: float) -> Quantity:
    for key in raw:
        if key not in ("value", "otherwise"):
            raise LocatedError((key,), "unknown key; allowed: otherwise, value")
    if "value" not in raw or isinstance(raw["value"], Mapping):
        raise LocatedError((), "value: a number or an expression is required")
    value = parse_quantity(raw["value"], lowest=lowest)
    if raw.get("otherwise") is None:
        return value
    return Quantity(value.text, value.terms, _number(raw["otherwise"], lowest))


def _number(raw: Any, lowest: float) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not lowest <= raw <= _LIMIT:
        raise ValueError(
            f"{str(raw)[:40]} is no quantity; allowed: a number from {lowest:g} to {_LIMIT:.0f}, "
            "or an expression of profile names, numbers, + and *"
        )
    return float(raw)


def _parse_terms(text: str) -> tuple[tuple[float | str, ...], ...]:
    if len(text) > _MAX_CHARS:
        raise ValueError(f"longer than {_MAX_CHARS} characters")
    terms: list[tuple[float | str, ...]] = []
    term: tuple[float | str, ...] = ()
    at, operand_next = 0, True
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token or (token["op"] is None) != operand_next:
            raise _bad(text)
        if token["op"] == "+":
            terms, term = [*terms, term], ()
        elif token["name"]:
            term = (*term, _known(token["name"]))
        elif token["number"]:
            term = (*term, _number(float(token["number"]), 0.0))
        at, operand_next = token.end(), token["op"] is not None
    if operand_next:
        raise _bad(text)
    return (*terms, term)


def _known(name: str) -> str:
    if name not in QUANTITY_NAMES:
        raise ValueError(f"{name[:40]}: no quantity of a profile; allowed: {', '.join(QUANTITY_NAMES)}")
    return name


def _bad(text: str) -> ValueError:
    return ValueError(f"{text[:60]!r} is no expression; allowed: profile names, numbers, + and *")


def resolve(quantity: Quantity, known: Mapping[str, float]) -> float:
    """Return the value under a profile.

    Args:
        quantity: What to compute.
        known: The declared numbers by name.

    Raises:
        Unresolved: A name is undeclared and there is no ``otherwise``, or the value is too large.
    """
    names = {f for term in quantity.terms for f in term if isinstance(f, str)}
    missing = sorted(names - known.keys())
    if missing and quantity.otherwise is None:
        raise Unresolved(f"the profile does not declare {', '.join(missing)} ({quantity.text})")
    if missing and quantity.otherwise is not None:
        return quantity.otherwise
    value = sum(
        math.prod(known[f] if isinstance(f, str) else f for f in term) for term in quantity.terms
    )
    if not value <= _LIMIT:
        raise Unresolved(f"{quantity.text} comes to {value:g}, more than {_LIMIT:.0f}")
    return value
