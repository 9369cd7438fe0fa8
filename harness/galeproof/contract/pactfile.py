"""Pact files: written from matched fragments only, and read with suspicion.

Pact's own core takes an empty object for a pact, drops a mistyped `interactions` and takes an
unknown specification for a known one, all of it in green. So what is not understood is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from galeproof.contract.errors import ContractError
from galeproof.contract.interaction import check_interactions, check_keys
from galeproof.contract.mock import Fragment
from galeproof.contract.secrets import find_secrets

__all__ = ["PactFile", "merge_documents", "pact_name", "read_pact", "render_pact", "write_pact"]

_SPECIFICATION = "4.0"
_KIND = "Synchronous/HTTP"
_TOP = frozenset({"consumer", "provider", "interactions", "metadata"})
_KNOWN = frozenset({
    "type", "description", "key", "pending", "providerStates", "request", "response", "comments",
    "transport",
})


@dataclass(frozen=True, slots=True)
class PactFile:
    """A pact that was read and understood; `interactions` are Pact's own JSON."""

    path: Path
    consumer: str
    provider: str
    interactions: tuple[Mapping[str, Any], ...]
    document: Mapping[str, Any]

    def single(self, number: int) -> str:
        """Return the text of this pact with one interaction only."""
        return _text({**self.document, "interactions": [self.interactions[number]]})


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
            known = items.setdefault(_key(item), item)
            if known != item:
                raise ContractError(
                    f"{part['consumer']} -> {part['provider']}: two tests say different things of "
                    f"interaction {item['description']!r} in states {list(_key(item)[1])}")
    files = {}
    for (consumer, provider), items in sorted(found.items()):
        ordered = [items[key] for key in sorted(items)]
        path = folder / pact_name(consumer, provider)
        if not whole and path.exists():
            lost = {_key(item) for item in read_pact(path).interactions} - set(items)
            if lost:
                raise ContractError(f"{path}: has interaction {min(lost)[0]!r}, which did not run; run all "
                                    "tests, without a path, to drop it")
        files[path] = _rendered(consumer, provider, ordered, secrets)
    return files


def _key(item: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return `Interaction.key` of an interaction of a file."""
    return item["description"], tuple(sorted(s["name"] for s in item.get("providerStates", ())))


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


def read_pact(path: Path) -> PactFile:
    """Read and validate a pact file.

    Raises:
        ContractError: Unreadable, not a version 4 pact of HTTP interactions, empty, ambiguous,
            or with something in it that would not be verified.
    """
    try:
        document = json.loads(path.read_text("utf-8"), object_pairs_hook=_unique)
    except (OSError, ValueError, RecursionError) as error:
        raise ContractError(f"{path}: no pact can be read: {error}") from None
    top = _mapping(document, f"{path}")
    _only(top, _TOP, f"{path}")
    metadata = _mapping(top.get("metadata"), f"{path}: metadata")
    specification = _mapping(metadata.get("pactSpecification"), f"{path}: pactSpecification")
    if specification.get("version") != _SPECIFICATION:
        raise ContractError(
            f"{path}: pact specification {specification.get('version')!r}, expected "
            f"{_SPECIFICATION!r}"
        )
    listed = top.get("interactions")
    if not isinstance(listed, list) or not listed:
        raise ContractError(f"{path}: no interactions, so nothing would be verified")
    found = tuple(_interaction(item, f"{path}: interaction {n}") for n, item in enumerate(listed))
    check_keys(map(_key, found), str(path))
    consumer = _name(top.get("consumer"), f"{path}: consumer")
    provider = _name(top.get("provider"), f"{path}: provider")
    return PactFile(path, consumer, provider, found, top)


def _interaction(value: Any, where: str) -> Mapping[str, Any]:
    item = _mapping(value, where)
    _only(item, _KNOWN, where)
    if item.get("type") != _KIND:
        raise ContractError(f"{where}: type {item.get('type')!r}, only {_KIND!r} is verified")
    if not isinstance(item.get("description"), str) or not item["description"]:
        raise ContractError(f"{where}: no description")
    request = _mapping(item.get("request"), f"{where}: request")
    response = _mapping(item.get("response"), f"{where}: response")
    for key in ("method", "path"):
        if not isinstance(request.get(key), str):
            raise ContractError(f"{where}: request.{key} must be a text")
    status = response.get("status")
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise ContractError(f"{where}: response.status must be 100 to 599, not {status!r}")
    states = item.get("providerStates", [])
    if not isinstance(states, list):
        raise ContractError(f"{where}: providerStates must be a list")
    for state in states:
        _name(state, f"{where}: provider state")
        _mapping(state.get("params", {}), f"{where}: params of state {state['name']!r}")
    if "ProviderState" in json.dumps([request.get("generators"), response.get("generators")]):
        raise ContractError(f"{where}: values from provider states are not supported")
    return item


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ContractError(f"{where}: expected an object, found {type(value).__name__}")
    return value


def _name(value: Any, where: str) -> str:
    name = _mapping(value, where).get("name")
    if not isinstance(name, str) or not name:
        raise ContractError(f"{where}: has no name")
    return name


def _only(value: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    strange = sorted(set(value) - known)
    if strange:
        raise ContractError(
            f"{where}: unknown key {strange[0]!r} would not be verified; known: "
            f"{', '.join(sorted(known))}"
        )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True) + "\n"
