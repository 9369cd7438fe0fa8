"""Keeping secrets out of logs and messages."""

from __future__ import annotations

import base64
import logging
import re
import traceback
from collections.abc import Iterable
from urllib.parse import quote

from pydantic import SecretStr

__all__ = ["LOGGER_NAMES", "Redactor"]

MASK = "**********"
# Tokens rotate for ever: the first ones are kept (a client secret is among them) and the newest.
_MOST = 64
_OURS = "galeproof.client"
LOGGER_NAMES = (
    _OURS,
    f"{_OURS}.audit",
    f"{_OURS}.outbox",
    *(
        name
        for suffix in ("", "2")
        for name in (
            f"httpx{suffix}",
            *(
                f"httpcore{suffix}.{part}"
                for part in ("connection", "http11", "http2", "proxy", "socks")
            ),
        )
    ),
)
# httpcore logs answer headers as a list of byte pairs at DEBUG.
_HEADER_PAIR = re.compile(
    r"""(b?['"](?:set-cookie|cookie|authorization|proxy-authorization)['"]\s*[,:]\s*b?)"""
    r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""",
    re.IGNORECASE,
)
_PERCENT = re.compile("%[0-9A-F]{2}")


class _Known:
    """One secret and the forms in which it may be met; shows none of them."""

    __slots__ = ("forms", "secret")

    def __init__(self, secret: SecretStr) -> None:
        self.secret = secret
        plain = secret.get_secret_value()
        encoded = base64.b64encode(plain.encode()).decode()
        forms = [plain, quote(plain, safe=""), quote(plain), encoded]
        forms += [_PERCENT.sub(lambda found: found[0].lower(), form) for form in forms[1:3]]
        # as repr and JSON show it: the library's debug lines are full of both
        escaped = plain.replace("\\", r"\\")
        forms += [escaped, escaped.replace("'", r"\'"), escaped.replace('"', r"\"")]
        self.forms = tuple(dict.fromkeys(forms))

    def __repr__(self) -> str:
        return MASK


class Redactor(logging.Filter):
    """Replaces known secrets and credential headers in text and in log records.

    Args:
        secrets: the values that must never be seen.
    """

    def __init__(self, secrets: Iterable[SecretStr] = ()) -> None:
        super().__init__()
        self._known: tuple[_Known, ...] = ()
        for secret in secrets:
            self.learn(secret)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._known)} secrets)"

    def learn(self, secret: SecretStr) -> None:
        """Know one more secret; the old ones stay known, for they may still be in an answer."""
        if secret.get_secret_value() and all(known.secret != secret for known in self._known):
            half = _MOST // 2
            kept = self._known[:half] + self._known[half:][-half:]
            self._known = (*kept, _Known(secret))

    def text(self, value: str) -> str:
        """Return `value` without secrets, also when they are percent or base64 encoded."""
        value = self._plain(value)
        return _HEADER_PAIR.sub(rf"\g<1>'{MASK}'", value)

    def _plain(self, value: str) -> str:
        for known in self._known:
            for form in known.forms:
                if form in value:
                    value = value.replace(form, MASK)
        return value

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; it is always kept."""
        message = record.getMessage()
        # only the library writes headers; our own lines need no search for them
        clean = self._plain(message) if record.name.startswith(_OURS) else self.text(message)
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[1] is not None:
            # a formatter would print the chain, and httpx's exceptions hold the request
            shown = "".join(traceback.format_exception(record.exc_info[1]))
            record.exc_info, record.exc_text = None, self.text(shown)
        return True

    def install(self) -> None:
        """Watch our logger and those of the HTTP library."""
        # A logger's filter does not see its children's records, hence each one by name.
        for name in LOGGER_NAMES:
            logging.getLogger(name).addFilter(self)

    def remove(self) -> None:
        """Stop watching."""
        for name in LOGGER_NAMES:
            logging.getLogger(name).removeFilter(self)
