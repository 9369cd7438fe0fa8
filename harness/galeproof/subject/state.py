"""What a client shows of itself: repr and str of its objects, and their attributes one level."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from galeproof.kernel.clock import now_ns
from galeproof.subject.capture import Captured

__all__ = ["probe", "state_of"]

_PLAIN = (str, bytes, int, float, bool, type(None))
_HOLDERS = (Mapping, list, tuple, set, frozenset)
_LONGEST = 4096
_PROBE = "galeproof-probe-7f3a"


def state_of(adapter: Any) -> list[Captured]:
    """Capture what the adapter's client objects show, and the objects that these hold.

    The adapter's own plain attributes are left out: they are the harness's side. A repr that its
    class writes or inherits (an adapter may be the client itself) is shown.

    Args:
        adapter: The instance of the user's adapter class.

    Returns:
        Captures on the channels ``repr`` (repr, str) and ``state`` (plain attributes and
        containers, asdict).
    """
    found: list[Captured] = []
    if _says(type(adapter)):
        _show(found, "repr", type(adapter).__name__, lambda: f"{adapter!r}\n{adapter!s}")
    for name, value in _attributes(adapter):
        if isinstance(value, _PLAIN) or type(value).__module__.startswith("galeproof.subject"):
            continue
        if isinstance(value, _HOLDERS) and not dataclasses.is_dataclass(value):
            _show(found, "state", name, lambda value=value: repr(value))
            continue
        _show(found, "repr", name, lambda value=value: f"{value!r}\n{value!s}")
        if not hasattr(value, "get_secret_value"):  # made to keep one: pydantic's SecretStr
            _show(found, "state", name, lambda value=value: _state(value))
        for inner, item in _attributes(value):
            if isinstance(item, (*_PLAIN, *_HOLDERS, type)) or callable(item):
                continue
            _show(found, "repr", f"{name}.{inner}", lambda item=item: f"{item!r}\n{item!s}")
            if dataclasses.is_dataclass(item):
                _show(found, "state", f"{name}.{inner}", lambda item=item: dataclasses.asdict(item))
    return found


def probe() -> list[dict[str, Any]]:
    """Plant a probe in the repr and in the attributes of an object, and look for it."""
    class Planted:
        """Shows the probe in its repr and keeps it in an attribute."""

        __module__ = "planted"  # ours are left out

        def __init__(self) -> None:
            self.token = _PROBE

        def __repr__(self) -> str:
            return _PROBE

    class Adapter:
        """Holds one client."""

        def __init__(self) -> None:
            self.client = Planted()

    shown = state_of(Adapter())
    return [{"channel": channel, "found": any(
        data["channel"] == channel and _PROBE in data["text"] for _, data in shown)}
        for channel in ("repr", "state")]


def _says(kind: type) -> bool:
    """Whether a class has a repr or str that somebody wrote, or that a client's class brings."""
    generated = dataclasses.is_dataclass(kind) and "__dataclass_fields__" in vars(kind)
    said = [getattr(kind, name) for name in ("__repr__", "__str__")]
    return not generated and said != [object.__repr__, object.__str__]


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of an object, one level, slots included."""
    yield from list(getattr(value, "__dict__", {}).items())
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            with contextlib.suppress(AttributeError):
                yield name, getattr(value, name)


def _show(found: list[Captured], channel: str, name: str, text: Any) -> None:
    with contextlib.suppress(Exception):  # a repr that raises shows nothing
        found.append((now_ns(), {"channel": channel, "level": None, "logger": name,
                                 "text": str(text())[:_LONGEST]}))


def _state(value: Any) -> str:
    parts = []
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        with contextlib.suppress(Exception):
            parts.append(repr(dataclasses.asdict(value)))
    for key, item in _attributes(value):
        if isinstance(item, (*_PLAIN, *_HOLDERS)):
            with contextlib.suppress(Exception):
                parts.append(f"{key}={item!r}"[:_LONGEST // 4])
    return "\n".join(parts)
