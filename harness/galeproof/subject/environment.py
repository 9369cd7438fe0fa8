"""The subject's environment: what it sends to loopback must reach the tap, and no proxy; over TLS it
must trust the test authority."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping

__all__ = ["spare_loopback", "trusting"]

_STORES = ("CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
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

    return lambda: _put_back(environment, before)


def trusting(environment: MutableMapping[str, str], ca_file: str) -> Callable[[], None]:
    """Let libraries that look for a trust store in the environment find this one only; what is set
    there wins over what a client is given, in some of them.

    Returns:
        What sets it back.
    """
    before = {name: environment.get(name) for name in _STORES}
    environment.update(dict.fromkeys(_STORES, ca_file))

    return lambda: _put_back(environment, before)


def _put_back(environment: MutableMapping[str, str], before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
