"""Where pacts come from: a file or a folder. What is not read is said, never dropped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from galeproof.contract.errors import ContractError
from galeproof.contract.reading import PactFile, read_pact

__all__ = ["for_provider", "read_pacts"]


def read_pacts(path: Path) -> list[PactFile]:
    """Return the pacts of a file, or of all `*.json` files of a folder (not of the folders below it).

    Raises:
        ContractError: Nothing is there, a file is refused, or a folder below has pacts.
    """
    if not path.is_dir():
        return [read_pact(path)]
    every = [found for found in path.rglob("*") if found.suffix.lower() == ".json"]
    files = sorted(found for found in every if found.parent == path)
    deeper = sorted(found for found in every if found.parent != path)
    if deeper:
        raise ContractError(f"{path}: {deeper[0]} lies in a folder below, which is not read: name it")
    if not files:
        raise ContractError(f"{path}: no pact in this folder (*.json), so nothing would be verified")
    return [read_pact(file) for file in files]


def for_provider(pacts: Sequence[PactFile], provider: str, consumer: str | None = None) -> list[PactFile]:
    """Return the pacts of one provider, and of one consumer where it is given.

    Raises:
        ContractError: There is none.
    """
    found = [p for p in pacts if p.provider == provider and consumer in (None, p.consumer)]
    if not found:
        there = ", ".join(sorted(f"{p.consumer!r} -> {p.provider!r}" for p in pacts))
        wanted = f"{consumer!r} -> {provider!r}" if consumer else f"provider {provider!r}"
        raise ContractError(f"no pact for {wanted}; there are {there}")
    return found
