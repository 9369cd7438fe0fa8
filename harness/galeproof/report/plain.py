"""Recorded text made safe to show: what a provider or a client says must not steer a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["each_text", "encodable", "one_line", "plain"]


def plain(text: str) -> str:
    """Return a text whose control characters are shown as escapes; tabs and line ends stay."""
    return "".join(c if c in "\t\n" or c.isprintable() else _shown(c) for c in text)


def one_line(text: str, most: int = 300) -> str:
    """Return it on one line, and not too long."""
    found = " ".join(plain(text).split())
    return found if len(found) <= most else found[: most - 3] + "..."


def encodable(text: str) -> str:
    """Return a text that UTF-8 can carry: half a surrogate pair, as of a command line's bytes, is shown."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with every text in it changed, the keys of mappings too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {each_text(key, change): each_text(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [each_text(inner, change) for inner in value]
    return value


def _shown(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"
