"""Interactions as data, and what is refused when one is defined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from galeproof.contract.errors import ContractError
from galeproof.contract.secrets import find_secrets

__all__ = ["Interaction", "Request", "Response", "State", "check_definition", "check_interactions",
           "example", "plain", "same_contract"]

# matchers that rightly have no example of their own
_WITHOUT_VALUE = frozenset({"null", "arrayContains"})


@dataclass(frozen=True, slots=True)
class State:
    """What must be true of the provider: a name, and JSON parameters."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What the client sends; path, header and query values may be `pact.match` matchers."""

    method: str
    path: Any
    headers: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Response:
    """What the provider answers; header and body values may be `pact.match` matchers."""

    status: int
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One request and its answer, in one state of the provider."""

    consumer: str
    provider: str
    description: str
    request: Request
    response: Response
    states: tuple[State, ...] = ()

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """Return what tells this interaction from others: description and state names.

        Parameters are left out, because Pact's own merge leaves them out and would silently
        replace the one by the other.
        """
        return self.description, tuple(sorted(state.name for state in self.states))


def plain(value: Any) -> Any:
    """Return a value with its matchers and generators as integration JSON."""
    turn = getattr(value, "to_integration_json", None)
    if turn is not None:
        return plain(turn())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def example(value: Any) -> Any:
    """Return a value with its matchers replaced by their examples: what would go over the wire."""
    return _without_matchers(plain(value))


def _without_matchers(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "pact:matcher:type" in value:
            return _without_matchers(value.get("value"))
        return {key: _without_matchers(item) for key, item in value.items()}
    return [_without_matchers(item) for item in value] if isinstance(value, list) else value


def check_interactions(interactions: Sequence[Interaction]) -> None:
    """Refuse what would make a pact that is not deterministic, or not what it seems.

    Args:
        interactions: All interactions of one consumer and one provider.

    Raises:
        ContractError: None given, several consumers or providers, two interactions with the same
            description and states, a bare generator, a matcher without an explicit value, or a
            credential that is no placeholder.
    """
    if not interactions:
        raise ContractError("a contract needs at least one interaction")
    pairs = sorted({(i.consumer, i.provider) for i in interactions})
    if len(pairs) > 1:
        raise ContractError(f"one contract is of one consumer and one provider, not {pairs}")
    check_keys(item.key for item in interactions)
    for item in interactions:
        for place, value in _values(item):
            where = f"interaction {item.description!r}, {place}"
            _check_value(plain(value), where)
            if found := find_secrets(example(value), where=where):
                raise ContractError("; ".join(found))


def check_definition(interactions: Sequence[Interaction]) -> None:
    """Refuse interactions of one test that could not be told apart: one request, an answer a status.

    Args:
        interactions: The one that the client asks for, then the answers of other statuses to it.

    Raises:
        ContractError: Refused by `check_interactions`, two of one status, or another request.
    """
    check_interactions(interactions)
    first = interactions[0]
    statuses = [item.response.status for item in interactions]
    for item in interactions[1:]:
        if statuses.count(item.response.status) > 1:
            raise ContractError(
                f"interaction {item.description!r}: a second answer {item.response.status} to the same "
                "request: nothing tells them apart")
        if plain(_asked(item.request)) != plain(_asked(first.request)):
            raise ContractError(
                f"interaction {item.description!r}: its request is not that of {first.description!r}")


def _asked(request: Request) -> list[Any]:
    return [request.method, request.path, request.headers, request.query, request.body]


def same_contract(one: Interaction, other: Interaction) -> bool:
    """Tell whether two definitions say the same."""
    return bool(_whole(one) == _whole(other))


def _whole(item: Interaction) -> Any:
    return plain([
        _asked(item.request), item.request.content_type, item.response.status, item.response.headers,
        item.response.body, item.response.content_type,
        [[state.name, state.params] for state in item.states]])


def check_keys(keys: Iterable[tuple[str, tuple[str, ...]]], where: str = "contract") -> None:
    """Refuse a key that comes twice.

    Raises:
        ContractError: Two interactions have the same description and states.
    """
    seen = set()
    for key in keys:
        if key in seen:
            raise ContractError(
                f"{where}: two interactions {key[0]!r} in states {list(key[1])}: Pact would keep "
                "or match only one; give one of them another description or state"
            )
        seen.add(key)


def _values(item: Interaction) -> Iterable[tuple[str, Any]]:
    yield "request path", item.request.path
    yield "request headers", item.request.headers
    yield "request query", item.request.query
    yield "request body", item.request.body
    yield "response headers", item.response.headers
    yield "response body", item.response.body
    for state in item.states:
        yield f"state {state.name!r}", state.params


def _check_value(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        if "pact:generator:type" in value:
            raise ContractError(
                f"{where}: generator {value['pact:generator:type']!r} makes another pact each "
                "time; use a matcher with an explicit value"
            )
        kind = value.get("pact:matcher:type")
        if kind is not None and "value" not in value and kind not in _WITHOUT_VALUE:
            raise ContractError(
                f"{where}: matcher {kind!r} has no explicit value, its example would be random"
            )
        for key, part in value.items():
            _check_value(part, f"{where}.{key}" if not key.startswith("pact:") else where)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            # the kinds and rules of a combined matcher have no value of their own
            if not (isinstance(part, Mapping) and where.endswith(".rules")):
                _check_value(part, f"{where}[{number}]")
