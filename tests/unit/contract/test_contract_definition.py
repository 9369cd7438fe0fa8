"""What is refused before a mock server starts or a pact is written."""

from __future__ import annotations

from typing import Any

import pytest

from galeproof.contract import (
    ContractError,
    Fragment,
    Interaction,
    Request,
    Response,
    State,
    check_interactions,
    find_secrets,
    load_pact,
    render_pact,
)

pytest.importorskip("pact")


def _interaction(description: str = "a thing", state: str = "it is there", **parts: Any) -> Any:
    request = Request("GET", "/things/1", parts.get("headers", {}))
    response = Response(200, {}, parts.get("body"))
    return Interaction("web", "things", description, request, response, (State(state),))


def _fragment(item: Interaction, **request: Any) -> Fragment:
    document = {
        "description": item.description,
        "request": {"method": "GET", "path": "/things/1", **request},
        "response": {"status": 200},
    }
    return Fragment(item, {"interactions": [document], "metadata": {"pactRust": {"ffi": "9"}}})


def test_explicit_values_are_taken() -> None:
    """Matchers with explicit values, combined and nested, are accepted."""
    match = load_pact().match
    body = {"n": match.int(1), "list": match.each_like({"x": match.str("a")}), "none": None}
    check_interactions([_interaction(body=body)])


@pytest.mark.parametrize("name", ["int", "str", "uuid", "bool", "datetime"])
def test_matcher_without_value_is_refused(name: str) -> None:
    """A matcher whose example would be random is refused, and the message says where."""
    made = getattr(load_pact().match, name)()
    with pytest.raises(ContractError, match=r"response body\.deep\[0\]"):
        check_interactions([_interaction(body={"deep": [made]})])


def test_bare_generator_is_refused() -> None:
    """A generator in a body is refused, because Pact writes garbage for it."""
    with pytest.raises(ContractError, match="generator"):
        check_interactions([_interaction(body={"id": load_pact().generate.uuid()})])


def test_ambiguous_interactions_are_refused() -> None:
    """Two interactions with the same description and states are refused."""
    with pytest.raises(ContractError, match="two interactions 'a thing'"):
        check_interactions([_interaction(body={"n": 1}), _interaction(body={"n": 2})])


def test_same_description_in_another_state_is_no_conflict() -> None:
    """The state tells two interactions of one description apart."""
    check_interactions([_interaction(), _interaction(state="it is gone")])


def test_empty_contract_is_refused() -> None:
    """A contract without interactions is refused."""
    with pytest.raises(ContractError, match="at least one"):
        check_interactions([])


def test_rendering_ignores_order_and_library_versions() -> None:
    """The same fragments in another order give the same bytes, without library versions."""
    one, two = _fragment(_interaction("a")), _fragment(_interaction("b"))
    expected = render_pact([one, two])
    assert expected == render_pact([two, one])
    assert "pactRust" not in expected


@pytest.mark.parametrize(
    "request_part",
    [
        {"headers": {"Authorization": ["Bearer abc"]}},
        {"headers": {"Cookie": ["sid=1"]}},
        {"query": {"api_key": ["abc"]}},
        {"body": {"content": {"user": {"password": "abc"}}}},
        {"body": {"content": {"pin_token": 1234}}},
        {"headers": {"X-Note": ["sk_test_0123456789abcdefghijABCDEFGHIJ01"]}},
        {"headers": {"X-Note": ["this run's own canary-free secret: tr0ub4dor"]}},
    ],
)
def test_secret_is_never_written(request_part: dict[str, Any]) -> None:
    """A literal credential, a secret's shape and a known secret are refused without a quote."""
    with pytest.raises(ContractError, match="not written") as caught:
        render_pact([_fragment(_interaction(), **request_part)], secrets=["tr0ub4dor"])
    assert not [v for v in ("abc", "1234", "sk_test", "tr0ub4dor") if v in str(caught.value)]


def test_placeholder_credential_is_no_secret() -> None:
    """A placeholder and the rule that matches it are no secrets."""
    document = {
        "headers": {"Authorization": ["Bearer pact-placeholder"]},
        "matchingRules": {"header": {"Authorization": {"combine": "AND"}}},
    }
    assert find_secrets(document) == []
