"""Where the refresh token is kept: in memory, and in a file that outlives the process."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from pydantic import SecretStr

from galeproof.client.errors import SettingsError
from galeproof.client.redaction import Redactor

__all__ = ["RefreshStore"]


class RefreshStore:
    """One refresh token; an authority that rotates makes the old one worthless with each use.

    Args:
        value: the first token, or None.
        file: a path that is read at the start, and rewritten (mode 0600, atomically) when the
            token changes; or None.
        redactor: learns every token.

    Raises:
        SettingsError: the file cannot be read, or is not there and there is no first token.
    """

    def __init__(self, value: SecretStr | None, file: str | None, redactor: Redactor) -> None:
        self._path = None if file is None else Path(file)
        self._redactor = redactor
        self._held = value
        if self._path is not None and self._path.exists():
            self._held = self._read()
        elif self._path is not None and value is None:
            raise SettingsError("oauth.refresh_token_file: the file is not there")
        if self._held is not None:
            redactor.learn(self._held)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'held' if self._held else 'empty'})"

    @property
    def held(self) -> SecretStr | None:
        """The token in force, or None."""
        return self._held

    def take(self) -> SecretStr | None:
        """Return the token and forget it, in the file too."""
        token, self._held = self._held, None
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
        return token

    def reread(self) -> bool:
        """Read the file again; True when there is another token than the one in force."""
        if self._path is None or not self._path.exists():
            return False
        found = self._read()
        if found is None or found == self._held:
            return False
        self._redactor.learn(found)
        self._held = found
        return True

    def put(self, token: SecretStr) -> bool:
        """Keep a new token; False when it is the one that we have.

        Raises:
            OSError: the file cannot be written; the token is kept in memory.
        """
        if token == self._held:
            return False
        self._redactor.learn(token)
        self._held = token
        if self._path is not None:
            self._write(self._path, token)
        return True

    def _read(self) -> SecretStr | None:
        assert self._path is not None
        try:
            text = self._path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            text = None
        if text is None:
            raise SettingsError("oauth.refresh_token_file: the file cannot be read")
        return SecretStr(text) if text else None

    def _write(self, path: Path, token: SecretStr) -> None:
        # No moment with half a token, and none with a file that others can read.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(token.get_secret_value())
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
