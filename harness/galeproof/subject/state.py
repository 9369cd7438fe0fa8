"""What a client shows of itself: repr and str of its objects, and their attributes one level."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

from galeproof.kernel.clock import now_ns
from galeproof.subject.capture import Captured

__all__ = ["state_of"]

_PLAIN = (str, bytes, int, float, bool, type(None))
_LONGEST = 4096


def state_of(adapter: Any) -> list[Captured]:
    """Capture what the adapter's client objects show.

    The adapter's own plain attributes are left out: they are the harness's side.

    Args:
        adapter: The instance of the user's adapter class.

    Returns:
        Captures on the channels ``repr`` (repr, str) and ``state`` (attributes, asdict).
    """
    found: list[Captured] = []
    for name, value in list(getattr(adapter, "__dict__", {}).items()):
        if isinstance(value, _PLAIN) or type(value).__module__.startswith("galeproof.subject"):
            continue
        _show(found, "repr", name, lambda value=value: f"{value!r}\n{value!s}")
        _show(found, "state", name, lambda value=value: _attributes(value))
    return found


def _show(found: list[Captured], channel: str, name: str, text: Any) -> None:
    with contextlib.suppress(Exception):  # a repr that raises shows nothing
        found.append((now_ns(), {"channel": channel, "level": None, "logger": name,
                                 "text": str(text())[:_LONGEST]}))


def _attributes(value: Any) -> str:
    parts = []
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        with contextlib.suppress(Exception):
            parts.append(repr(dataclasses.asdict(value)))
    parts += [f"{key}={item!r}" for key, item in list(getattr(value, "__dict__", {}).items())]
    return "\n".join(parts)
