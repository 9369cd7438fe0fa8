"""Pact files, read with suspicion: version 2, 3 and 4, whoever wrote them.

Pact's own core takes an empty object for a pact, drops a mistyped `interactions` and takes an unknown
specification for a known one, all of it in green. So what is not understood is refused, and what cannot
be verified over HTTP is named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from galeproof.contract.errors import ContractError
from galeproof.contract.interaction import check_keys
from galeproof.contract.rules import broken_examples, exact_float

__all__ = ["PactFile", "key_of", "parse_pact", "read_pact", "states_of"]

_HTTP = "Synchronous/HTTP"
_KINDS = frozenset({_HTTP, "Asynchronous/Messages", "Synchronous/Messages"})
_VERSION = re.compile(r"([234])(\.\d+){0,2}")
_TOP = frozenset({"consumer", "provider", "interactions", "messages", "metadata", "_links", "createdAt"})
_KNOWN = frozenset({
    "_id", "comments", "description", "interactionMarkup", "key", "pending", "pluginConfiguration",
    "providerState", "providerStates", "provider_state", "request", "response", "transport", "type",
})
_REQUEST = frozenset({"method", "path", "query", "headers", "body", "matchingRules", "generators"})
_RESPONSE = frozenset({"status", "headers", "body", "matchingRules", "generators"})


@dataclass(frozen=True, slots=True)
class PactFile:
    """A pact that was read and understood.

    Attributes:
        path: Where it came from.
        version: Of the specification: 2, 3 or 4.
        interactions: Those over HTTP, in Pact's own JSON.
        others: What cannot be verified over HTTP: description and why.
        document: The whole.
    """

    path: Path
    consumer: str
    provider: str
    interactions: tuple[Mapping[str, Any], ...]
    document: Mapping[str, Any]
    version: int = 4
    others: tuple[tuple[str, str], ...] = ()

    def single(self, number: int) -> str:
        """Return the text of this pact with one interaction only."""
        kept = {k: v for k, v in self.document.items() if k not in ("messages", "_links", "createdAt")}
        return json.dumps({**kept, "interactions": [self.interactions[number]]})


def states_of(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an interaction's provider states as `{"name", "params"}`, whatever its version."""
    old = item.get("providerState") or item.get("provider_state")
    if old:
        return [{"name": old, "params": {}}]
    return [{"name": s["name"], "params": s.get("params") or {}} for s in item.get("providerStates") or ()]


def key_of(item: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return `Interaction.key` of an interaction of a file."""
    return item["description"], tuple(sorted(state["name"] for state in states_of(item)))


def read_pact(path: Path) -> PactFile:
    """Read and validate a pact file.

    Raises:
        ContractError: Unreadable, of no known version, empty, ambiguous, with an example that breaks its
            own rule, or with something in it that would not be verified.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ContractError(f"{path}: no pact can be read: {error}") from None
    return parse_pact(text, path)


def parse_pact(text: str, path: Path) -> PactFile:
    """Validate a pact's text; see `read_pact`.

    Raises:
        ContractError: See `read_pact`.
    """
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_float=exact_float)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{path}: no pact can be read: {error}") from None
    top = _mapping(document, f"{path}")
    _only(top, _TOP, f"{path}")
    version, plugins = _specification(top, path)
    listed, messages = top.get("interactions", []), top.get("messages", [])
    if not isinstance(listed, list) or not isinstance(messages, list):
        raise ContractError(f"{path}: interactions and messages must be lists")
    if not listed and not messages:
        raise ContractError(f"{path}: no interactions, so nothing would be verified")
    if "messages" in top and (version != 3 or listed):
        raise ContractError(f"{path}: messages beside interactions: Pact's core would drop one of them")
    found, others = [], [(str(_described(m, path)), "messages are not sent over HTTP") for m in messages]
    for number, value in enumerate(listed):
        item, why = _interaction(value, f"{path}: interaction {number}", version, plugins)
        if why is None:
            found.append(item)
        else:
            others.append((item["description"], why))
    check_keys(map(key_of, found), str(path))
    consumer = _name(top.get("consumer"), f"{path}: consumer")
    provider = _name(top.get("provider"), f"{path}: provider")
    return PactFile(path, consumer, provider, tuple(found), top, version, tuple(others))


def _specification(top: Mapping[str, Any], path: Path) -> tuple[int, bool]:
    """Return the version, and whether plug-ins are needed."""
    metadata = _mapping(top.get("metadata"), f"{path}: metadata")
    told = metadata.get("pactSpecification", metadata.get("pact-specification"))
    word = _mapping(told, f"{path}: pactSpecification").get("version")
    known = _VERSION.fullmatch(word) if isinstance(word, str) else None
    if known is None:
        raise ContractError(f"{path}: pact specification {word!r}, expected 2, 3 or 4")
    return int(known[1]), bool(metadata.get("plugins"))


def _interaction(value: Any, where: str, version: int, plugins: bool) -> tuple[Mapping[str, Any], str | None]:
    """Return a valid interaction, and why it cannot be verified over HTTP, or None."""
    item = _mapping(value, where)
    _only(item, _KNOWN, where) if item.get("type", _HTTP) == _HTTP else None
    _described(item, where)
    kind = item.get("type")
    if version == 4 and kind not in _KINDS:
        raise ContractError(f"{where}: type {kind!r}; known: {', '.join(sorted(_KINDS))}")
    if version == 4 and kind != _HTTP:
        return item, f"{kind} is not sent over HTTP"
    if plugins or item.get("pluginConfiguration"):
        return item, "it needs a plug-in"
    if item.get("transport") not in (None, "http", "https"):
        return item, f"transport {item['transport']!r} is not HTTP"
    request = _mapping(item.get("request"), f"{where}: request")
    response = _mapping(item.get("response"), f"{where}: response")
    _only(request, _REQUEST, f"{where}: request")
    _only(response, _RESPONSE, f"{where}: response")
    for key in ("method", "path"):
        if not isinstance(request.get(key), str):
            raise ContractError(f"{where}: request.{key} must be a text")
    status = response.get("status")
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise ContractError(f"{where}: response.status must be 100 to 599, not {status!r}")
    _states(item, where)
    if not isinstance(request.get("query") or {}, (str, Mapping)):
        raise ContractError(f"{where}: request.query must be a text or an object")
    for name, part in (("request", request), ("response", response)):
        _mapping(part.get("headers") or {}, f"{where}: {name}.headers")
        _ruled(part.get("matchingRules") or {}, f"{where}: {name}.matchingRules")
        if wrong := broken_examples(part, version):
            raise ContractError(f"{where}: {name}: {wrong[0]}")
    return item, None


def _states(item: Mapping[str, Any], where: str) -> None:
    old = item.get("providerState", item.get("provider_state"))
    if old is not None and not isinstance(old, str):
        raise ContractError(f"{where}: providerState must be a text")
    states = item.get("providerStates", [])
    if not isinstance(states, list):
        raise ContractError(f"{where}: providerStates must be a list")
    if old and states:
        raise ContractError(f"{where}: has both providerState and providerStates: one would be dropped")
    for state in states:
        _name(state, f"{where}: provider state")
        _mapping(state.get("params") or {}, f"{where}: params of state {state['name']!r}")


def _ruled(value: Any, where: str) -> None:
    for key, inner in _mapping(value, where).items():
        if key == "matchers":
            if not isinstance(inner, list):
                raise ContractError(f"{where}: matchers must be a list")
            for rule in inner:
                _mapping(rule, f"{where}: matcher")
        elif key not in ("combine", "match", "regex", "min", "max"):
            _ruled(inner, f"{where}.{key}")


def _described(value: Any, where: object) -> str:
    found = _mapping(value, str(where)).get("description")
    if not isinstance(found, str) or not found:
        raise ContractError(f"{where}: no description")
    return found


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
