"""Keeping secrets out of logs and messages."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterable
from urllib.parse import quote

from pydantic import SecretStr

__all__ = ["LOGGER_NAMES", "Redactor"]

MASK = "**********"
LOGGER_NAMES = (
    "galeproof.client",
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


class Redactor(logging.Filter):
    """Replaces known secrets and credential headers in text and in log records.

    Args:
        secrets: the values that must never be seen.
    """

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._secrets)} secrets)"

    def text(self, value: str) -> str:
        """Return `value` without secrets, also when they are percent or base64 encoded."""
        for secret in self._secrets:
            plain = secret.get_secret_value()
            encoded = base64.b64encode(plain.encode()).decode()
            for shape in (plain, quote(plain, safe=""), quote(plain), encoded):
                value = value.replace(shape, MASK)
        return _HEADER_PAIR.sub(rf"\g<1>'{MASK}'", value)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; it is always kept."""
        message = record.getMessage()
        clean = self.text(message)
        if clean != message:
            record.msg, record.args = clean, ()
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
