"""Recorded text made safe to show: what a provider or a client says must not steer a terminal."""

from __future__ import annotations

__all__ = ["one_line", "plain"]


def plain(text: str) -> str:
    """Return a text whose control characters are shown as escapes; tabs and line ends stay."""
    return "".join(c if c in "\t\n" or c.isprintable() else _shown(c) for c in text)


def one_line(text: str, most: int = 300) -> str:
    """Return it on one line, and not too long."""
    found = " ".join(plain(text).split())
    return found if len(found) <= most else found[: most - 3] + "..."


def _shown(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"
