"""Finding secrets in a pact before it is written: Pact itself redacts nothing."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["PLACEHOLDER", "find_secrets", "has_shape", "is_credential"]

# what a credential in a contract must contain
PLACEHOLDER = "placeholder"

_SENSITIVE = re.compile(
    r"^(proxy-)?authorization$|cookie|passw|secret|token|api[-_]?key|credential"
    r"|^pwd$|private[-_]?key|session[-_]?id", re.IGNORECASE
)
_SHAPES = re.compile(
    r"canary|eyJ[\w-]{8,}\.|\bAKIA[0-9A-Z]{16}|\bgh[pousr]_\w{20,}|\bsk[-_](live|test)[-_]\w+"
    r"|-----BEGIN",
    re.IGNORECASE,
)


# a form, or the query of a URL, inside a text
_PAIR = re.compile(r"(?:^|[?&])([\w.-]+)=([^&#\s]+)")


def has_shape(text: str) -> bool:
    """Tell whether a text holds what looks like a credential, wherever it stands."""
    return bool(_SHAPES.search(text))


def is_credential(name: str) -> bool:
    """Tell whether a header, parameter or key is named like a credential."""
    return bool(_SENSITIVE.search(name))


def find_secrets(document: Any, secrets: Iterable[str] = (), where: str = "pact") -> list[str]:
    """Look for credentials that are no placeholders.

    Args:
        document: A pact, as JSON values.
        secrets: Strings that must not occur in any case, the canaries of a run for instance.
        where: What the document is, for the sentences.

    Returns:
        One sentence per place; it names the place, never the value.
    """
    known = tuple(secret for secret in secrets if secret)
    found = []
    for path, sensitive, text in _strings(document, where, False):
        if any(secret in text for secret in known):
            found.append(f"{path}: holds one of the run's secrets")
        elif _SHAPES.search(text):
            found.append(f"{path}: looks like a secret")
        elif sensitive and PLACEHOLDER not in text:
            found.append(f"{path}: a credential must be a placeholder (containing {PLACEHOLDER!r})")
    return found


def _strings(
    value: Any, path: str, sensitive: bool, ruled: bool = False
) -> Iterator[tuple[str, bool, str]]:
    """Yield every string with its place, and whether its key says that it is a credential."""
    if isinstance(value, str):
        yield path, sensitive, value
        if not ruled:
            yield from _inside(value, path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield f"{path} (a key)", False, key
            below = sensitive or bool(_SENSITIVE.search(key))
            # rules repeat the headers' names, but hold patterns instead of values
            in_rules = ruled or key == "matchingRules"
            yield from _strings(item, f"{path}.{key}", below and not in_rules, in_rules)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _strings(item, f"{path}[{number}]", sensitive, ruled)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and sensitive:
        yield path, sensitive, str(value)


def _inside(text: str, path: str) -> Iterator[tuple[str, bool, str]]:
    """Yield what a form, a URL's query or JSON holds inside a text."""
    for name, value in _PAIR.findall(text):
        yield f"{path}: {name}", is_credential(name), value
    if text.lstrip()[:1] in ("{", "["):
        with contextlib.suppress(ValueError, RecursionError):
            yield from _strings(json.loads(text), path, False)
