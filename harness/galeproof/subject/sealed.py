"""Canary secrets, handed to an adapter by name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["SecretValue", "Secrets"]

SecretValue = str


class Secrets(Mapping[str, SecretValue]):
    """The run's canaries by name; any name that is asked for exists.

    ``secrets.file("api_key")`` gives the path of a file that holds it.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __getitem__(self, name: str) -> SecretValue:
        # one canary serves every name that the run did not foresee: still a canary
        return self._values.get(name) or next(iter(self._values.values()))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._values)})"

    def file(self, name: str) -> Path:
        """Return the path of a file that holds this secret."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="galeproof-secrets-")
        path = Path(self._folder.name) / name
        path.write_text(self[name], "utf-8")
        return path

    def rotate(self, name: str, value: SecretValue) -> bool:
        """Replace a secret in its file, at once and whole; False where nobody asked for the file."""
        path = Path(self._folder.name) / name if self._folder else None
        if path is None or not path.exists():
            return False
        self._values[name] = value
        fresh = path.with_suffix(".next")
        fresh.write_text(value, "utf-8")
        fresh.replace(path)
        return True
