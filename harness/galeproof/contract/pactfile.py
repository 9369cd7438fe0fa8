"""Pact files, written from matched fragments only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from galeproof.contract.errors import ContractError
from galeproof.contract.interaction import check_interactions
from galeproof.contract.mock import Fragment
from galeproof.contract.reading import key_of, read_pact
from galeproof.contract.secrets import find_secrets

__all__ = ["merge_documents", "pact_name", "render_pact", "write_pact"]

_SPECIFICATION = "4.0"


def pact_name(consumer: str, provider: str) -> str:
    """Return a pact's file name, as every Pact library names it."""
    return f"{consumer}-{provider}.json"


def merge_documents(
    parts: Iterable[Mapping[str, Any]], folder: Path, *, whole: bool, secrets: Iterable[str] = ()
) -> dict[Path, str]:
    """Merge what many tests saw matched into one pact a consumer and provider.

    Args:
        parts: Objects `{"consumer", "provider", "interactions"}`, names and Pact's own JSON.
        folder: Where the files would be.
        whole: Whether everything ran; otherwise a file that has more is not replaced.
        secrets: Strings that must not occur.

    Returns:
        The text of each file; the same parts in any order give the same bytes.

    Raises:
        ContractError: Two parts say different things of one interaction, a secret would be written, or
            an interaction of the old file would be lost by a run of some paths only.
    """
    found: dict[tuple[str, str], dict[Any, Mapping[str, Any]]] = {}
    for part in parts:
        items = found.setdefault((part["consumer"], part["provider"]), {})
        for item in part["interactions"]:
            known = items.setdefault(key_of(item), item)
            if known != item:
                raise ContractError(
                    f"{part['consumer']} -> {part['provider']}: two tests say different things of "
                    f"interaction {item['description']!r} in states {list(key_of(item)[1])}")
    files = {}
    for (consumer, provider), items in sorted(found.items()):
        ordered = [items[key] for key in sorted(items)]
        path = folder / pact_name(consumer, provider)
        if not whole and path.exists():
            lost = {key_of(item) for item in read_pact(path).interactions} - set(items)
            if lost:
                raise ContractError(f"{path}: has interaction {min(lost)[0]!r}, which did not run; run all "
                                    "tests, without a path, to drop it")
        files[path] = _rendered(consumer, provider, ordered, secrets)
    return files


def render_pact(fragments: Sequence[Fragment], secrets: Iterable[str] = ()) -> str:
    """Merge fragments into one pact; the same fragments in any order give the same bytes.

    Args:
        fragments: From the fault-free baseline, all of one consumer and one provider.
        secrets: Strings that must not occur, the run's canaries for instance.

    Returns:
        JSON text: sorted keys, sorted interactions, no versions of the libraries that made it.

    Raises:
        ContractError: Refused by `check_interactions`, or a secret would be written.
    """
    check_interactions([fragment.interaction for fragment in fragments])
    ordered = sorted(fragments, key=lambda fragment: fragment.interaction.key)
    first = ordered[0].interaction
    items = [one for item in ordered for one in item.document["interactions"]]
    return _rendered(first.consumer, first.provider, items, secrets)


def _rendered(
    consumer: str, provider: str, items: Sequence[Mapping[str, Any]], secrets: Iterable[str]
) -> str:
    document = {
        "consumer": {"name": consumer},
        "provider": {"name": provider},
        "interactions": items,
        # pact-python adds its own versions here, which would change the file at every update
        "metadata": {"pactSpecification": {"version": _SPECIFICATION}},
    }
    found = find_secrets(document, secrets)
    if found:
        raise ContractError(f"not written, {len(found)} secret(s): {'; '.join(found)}")
    return _text(document)


def write_pact(fragments: Sequence[Fragment], folder: Path, secrets: Iterable[str] = ()) -> Path:
    """Write the pact of a fault-free baseline, whole or not at all.

    Args:
        fragments: Of every interaction; what is not among them leaves the file.
        folder: Where; made if it is not there.
        secrets: Strings that must not occur.

    Returns:
        The file's path.

    Raises:
        ContractError: See `render_pact`.
        OSError: The folder cannot be written.
    """
    text = render_pact(fragments, secrets)
    folder.mkdir(parents=True, exist_ok=True)
    first = fragments[0].interaction
    path = folder / pact_name(first.consumer, first.provider)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    draft.replace(path)
    return path


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True) + "\n"
