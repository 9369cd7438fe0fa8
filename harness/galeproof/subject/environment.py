"""Proxy variables: what the subject sends to loopback must reach the tap, and no proxy."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping

__all__ = ["spare_loopback"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def spare_loopback(environment: MutableMapping[str, str]) -> Callable[[], None]:
    """Put loopback into ``NO_PROXY`` and ``no_proxy``.

    Args:
        environment: Changed in place.

    Returns:
        A function that puts it back as it was.
    """
    before = {name: environment.get(name) for name in ("NO_PROXY", "no_proxy")}
    given = ",".join(dict.fromkeys(value for value in before.values() if value))
    wanted = ",".join([*([given] if given else []), *_LOOPBACK])
    for name in before:
        environment[name] = wanted

    def restore() -> None:
        for name, value in before.items():
            if value is None:
                environment.pop(name, None)
            else:
                environment[name] = value

    return restore
