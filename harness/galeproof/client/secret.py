"""A static secret from a value, the environment, a file or a callback; rotation is picked up."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from galeproof.client.audit import AuditLog
from galeproof.client.clock import Now
from galeproof.client.errors import SettingsError
from galeproof.client.redaction import Redactor
from galeproof.client.urls import VISIBLE

__all__ = ["StaticSecret", "Token"]


@dataclass(frozen=True, slots=True)
class Token:
    """A value that is sent as it is, and which one of its kind it is."""

    value: SecretStr = field(repr=False)
    generation: int


class _Unreadable(Exception):
    """Internal: the source has no usable value now; the text says why, without a value."""


class StaticSecret:
    """A secret that is given, not negotiated; safe between threads.

    The environment and a file are looked at before each use, a callback every `reload_s` seconds
    and whenever the value was refused. A source that cannot be read for a moment (a file that is
    being replaced) leaves the last value in use.

    Args:
        name: for the audit log and for errors: the setting's name.
        value: the value, or None.
        env: name of an environment variable, or None.
        file: path of a file, or None; white space around its content is cut.
        callback: gives the value, or None.
        reload_s: how long a callback's value is kept, in seconds.
        clock: for `reload_s`.
        audit: where changes are written.
        redactor: learns every value.

    Raises:
        SettingsError: there is no usable value; the message names the setting.
    """

    def __init__(
        self,
        name: str,
        *,
        value: SecretStr | None = None,
        env: str | None = None,
        file: str | None = None,
        callback: Callable[[], SecretStr] | None = None,
        reload_s: float = 60.0,
        clock: Now,
        audit: AuditLog,
        redactor: Redactor,
    ) -> None:
        kind = "_file" if file is not None else "_env" if env is not None else "_callback" if callback else ""
        self.name = name + kind
        self._value, self._env, self._callback = value, env, callback
        self._file = None if file is None else Path(file)
        self._reload_s, self._clock = reload_s, clock
        self._audit, self._redactor = audit, redactor
        self._lock = threading.Lock()
        self._revoked = False
        self._seen: object = None
        self._read_at_s = clock.monotonic()
        problem = ""
        try:
            self._seen, first = self._stamp(), self._read()
            self._token = Token(first, 1)
            redactor.learn(first)
        except _Unreadable as error:
            problem = str(error)
        if problem:
            raise SettingsError(f"{self.name}: {problem}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, generation={self._token.generation})"

    @property
    def revoked(self) -> bool:
        """True once it was revoked, until its source has another value."""
        return self._revoked

    def current(self) -> Token:
        """Return the value in force, read anew where its source may have changed."""
        if self._value is None and self._due():
            self.reload()
        return self._token

    def reload(self) -> bool:
        """Read the source; True when the value is another one than before."""
        with self._lock:
            try:
                self._seen, value = self._stamp(), self._read()
            except _Unreadable as error:
                self._audit.note("reload_failed", self.name, self._token.generation, detail=str(error))
                return False
            finally:
                self._read_at_s = self._clock.monotonic()
            if value == self._token.value:
                return False
            self._redactor.learn(value)
            self._token = Token(value, self._token.generation + 1)
            self._revoked = False
        self._audit.note("changed", self.name, self._token.generation)
        return True

    def revoke(self) -> None:
        """Never use this value again; another value of its source ends that."""
        self._revoked = True
        self._audit.note("revoked", self.name, self._token.generation, detail="by the caller")

    def _due(self) -> bool:
        if self._callback is not None:
            return self._clock.monotonic() - self._read_at_s >= self._reload_s
        try:
            return self._stamp() != self._seen
        except _Unreadable:
            return True

    def _stamp(self) -> object:
        """Return what is another when the source has changed, without reading a file."""
        if self._env is not None:
            return os.environ.get(self._env)
        if self._file is None:
            return None
        try:
            stat = self._file.stat()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no path"
            raise _Unreadable(f"the file cannot be read ({why})") from None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> SecretStr:
        if self._value is not None:
            return self._value
        if self._callback is not None:
            text = self._called()
        elif self._env is not None:
            text = os.environ.get(self._env, "")
        else:
            assert self._file is not None
            try:
                text = self._file.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                raise _Unreadable("the file cannot be read") from None
        if not text or not VISIBLE.issuperset(text):
            raise _Unreadable("there must be one or more visible ASCII characters")
        return SecretStr(text)

    def _called(self) -> str:
        assert self._callback is not None
        try:
            text = self._callback().get_secret_value()
            if not isinstance(text, str):
                raise TypeError
            return text
        except Exception as error:
            # its text may hold the value
            raise _Unreadable(f"the callback raised {type(error).__name__}") from None
