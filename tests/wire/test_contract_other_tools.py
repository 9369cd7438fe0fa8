"""Pacts as other tools write them: versions 2, 3 and 4, matchers of every kind, bodies of every kind."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.wire.contract_rig import interaction, pact, provider

from galeproof.contract import verify_provider

pytest.importorskip("pact")

JSON = {"Content-Type": "application/json"}
BYTES = bytes(range(64))
FORM = "a=1&b=x+y&b="


def _v3(rules: Mapping[str, Any]) -> dict[str, Any]:
    return {path: {"combine": "AND", "matchers": [rule]} for path, rule in rules.items()}


VERSION_2 = {
    "consumer": {"name": "web"}, "provider": {"name": "things"},
    "metadata": {"pactSpecification": {"version": "2.0.0"}},
    "interactions": [{
        "description": "old", "providerState": "there is one",
        "request": {"method": "get", "path": "/things", "query": "a=1&b=x%20y&a=2", "headers": {"X-L": "p, q"}},
        "response": {
            "status": 200, "headers": {"Content-Type": "application/json"},
            "body": {"id": 1, "name": "a", "list": [{"n": 1}]},
            "matchingRules": {
                "$.body.id": {"match": "type"}, "$.body.name": {"match": "regex", "regex": "[a-z]+"},
                "$.body.list": {"min": 1, "match": "type"}, "$.body.list[*].n": {"match": "type"},
                "$.headers.Content-Type": {"match": "regex", "regex": "application/json.*"}}}}]}
VERSION_3 = {
    "consumer": {"name": "web"}, "provider": {"name": "things"},
    "metadata": {"pactSpecification": {"version": "3.0.0"}, "pact-jvm": {"version": "4.6.0"}},
    "interactions": [{
        "description": "newer",
        "providerStates": [{"name": "there are", "params": {"n": 2, "names": ["a", "b"]}}, {"name": "it is day"}],
        "request": {"method": "POST", "path": "/things", "query": {"q": ["1", "2"], "e": [""]},
                    "headers": {"Content-Type": "application/json", "X-L": ["p", "q"]}, "body": {"n": 1},
                    "matchingRules": {"body": _v3({"$.n": {"match": "integer"}}),
                                      "path": {"combine": "AND", "matchers": [{"match": "regex", "regex": "/.+"}]},
                                      "query": _v3({"q": {"match": "type"}})}},
        "response": {
            "status": 200, "headers": {"Content-Type": "application/json"},
            "body": {"i": 1, "d": 1.5, "n": 3, "b": True, "z": None, "s": "x-1", "t": "2026-01-01", "m": {"k": 1},
                     "l": [1], "e": "same"},
            "matchingRules": {"body": _v3({
                "$.i": {"match": "integer"}, "$.d": {"match": "decimal"}, "$.n": {"match": "number"},
                "$.b": {"match": "boolean"}, "$.z": {"match": "null"}, "$.s": {"match": "include", "value": "x"},
                "$.t": {"match": "date", "date": "yyyy-MM-dd", "format": "yyyy-MM-dd"},
                "$.m": {"match": "values"}, "$.m.*": {"match": "type"}, "$.l": {"match": "type", "min": 1, "max": 3},
                "$.e": {"match": "equality"}})}}}]}
ANSWERS: dict[str, Any] = {
    "old": {"id": 7, "name": "zz", "list": [{"n": 3}, {"n": 4}]},
    "newer": {"i": 9, "d": 2.25, "n": 8, "b": False, "z": None, "s": "ax", "t": "2026-12-24", "m": {"other": 4},
              "l": [5, 6], "e": "same"},
}


def _verify(document: Mapping[str, Any], folder: Path, body: bytes, headers: Mapping[str, str] = JSON) -> Any:
    """Return the results, and what reached the state endpoint and the provider."""
    seen: list[Any] = []

    def answer(method: str, target: str, got: Mapping[str, str], sent: bytes) -> Any:
        if target == "/states":
            seen.append(json.loads(sent))
            return 204, {}, b""
        seen.append((method, target, sent))
        return 200, headers, body

    path = folder / "pact.json"
    path.write_text(json.dumps(document))
    with provider(answer) as url:
        return verify_provider(url, path, f"{url}/states", provider="things"), seen


@pytest.mark.parametrize(("document", "name"), [(VERSION_2, "old"), (VERSION_3, "newer")])
def test_old_versions_are_verified(document: Any, name: str, tmp_path: Path) -> None:
    """Passes where the rules hold."""
    (result,), _ = _verify(document, tmp_path, json.dumps(ANSWERS[name]).encode())
    assert (name, True, ()) == (result.description, result.passed, result.reasons)


@pytest.mark.parametrize(("document", "name", "member", "value"), [
    (VERSION_2, "old", "name", "9"), (VERSION_3, "newer", "b", "true"),
    *(pytest.param(VERSION_3, "newer", member, value, marks=pytest.mark.full) for member, value in [
        ("i", 1.5), ("d", 1), ("n", "1"), ("z", 0), ("s", "a"), ("t", "2026-02-31"), ("l", []),
        ("l", [1, 2, 3, 4]), ("e", "other")]),
    pytest.param(VERSION_2, "old", "list", [], marks=pytest.mark.full)])
def test_old_versions_fail_where_a_rule_does_not_hold(
    document: Any, name: str, member: str, value: Any, tmp_path: Path
) -> None:
    """Each kind of matcher can fail."""
    (result,), _ = _verify(document, tmp_path, json.dumps({**ANSWERS[name], member: value}).encode())
    assert not result.passed


def test_states_with_parameters_are_set_in_order_and_torn_down_in_reverse(tmp_path: Path) -> None:
    """Two states, one with nested parameters."""
    _, seen = _verify(VERSION_3, tmp_path, json.dumps(ANSWERS["newer"]).encode())
    told = [(order["action"], order["state"], order["params"]) for order in seen if isinstance(order, dict)]
    first, second = ("there are", {"n": 2, "names": ["a", "b"]}), ("it is day", {})
    assert [("setup", *first), ("setup", *second), ("teardown", *second), ("teardown", *first)] == told


BODIES: dict[str, Any] = {
    "empty": ({"content": ""}, b""),
    "binary": ({"content": base64.b64encode(BYTES).decode(), "contentType": "application/octet-stream",
                "encoded": "base64"}, BYTES),
    "form": ({"content": FORM, "contentType": "application/x-www-form-urlencoded", "encoded": False},
             FORM.encode()),
    "text": ({"content": "h\u00e9llo", "contentType": "text/plain", "encoded": False}, "h\u00e9llo".encode()),
    "JSON text": ({"content": {"a": [1, None]}, "contentType": "application/json", "encoded": False},
                  b'{"a":[1,null]}'),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_of_every_kind_arrive(name: str, tmp_path: Path) -> None:
    """Empty, binary, form, text and JSON: the provider saw those bytes, and answers with the same."""
    body, raw = BODIES[name]
    media = {"Content-Type": body.get("contentType", "text/plain")}
    asked = {"method": "POST", "body": body, "headers": {k: [v] for k, v in media.items()}}
    document = pact(interaction(request=asked, response={"body": body} if raw else {}))
    (result,), seen = _verify(document, tmp_path, raw, media)
    assert (True, ()) == (result.passed, result.reasons)
    assert [raw] == [sent for _, _, sent in seen]


def test_another_binary_body_fails(tmp_path: Path) -> None:
    """Bytes are compared."""
    body, _ = BODIES["binary"]
    document = pact(interaction(response={"body": body}))
    (result,), _ = _verify(document, tmp_path, b"other", {"Content-Type": "application/octet-stream"})
    assert not result.passed


def test_what_is_not_sent_over_http_is_said_to_be_so(tmp_path: Path) -> None:
    """A message beside an interaction: one verified, one named, and the whole is not green."""
    message = {"type": "Asynchronous/Messages", "description": "an event", "contents": {"content": "x"}}
    results, _ = _verify(pact(interaction(), message), tmp_path, b"")
    assert [("a thing", True, True), ("an event", False, False)] == [
        (r.description, r.verified, r.passed) for r in results]
    assert "Asynchronous/Messages is not sent over HTTP" in results[1].reasons[0]
