"""Where Pact's verifier is green for nothing, and we are not: each by itself, and with our guard gone.

`test_we_are_not_green` is the guard's test; `test_the_tool_alone_is_green` shows what removing it would give.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.wire.contract_rig import bare, interaction, pact, provider

from galeproof.contract import ContractError, verify_provider
from galeproof.contract.sources import for_provider, read_pacts

pytest.importorskip("pact")

JSON = {"Content-Type": "application/json"}
OK = (200, JSON, b"{}")


@dataclass(frozen=True)
class Case:
    """One way to be green for nothing: the pact's text, and what the provider answers."""

    text: str
    answer: Callable[[str, str, Mapping[str, str], bytes], Any] = lambda *_: OK
    word: str = ""


def _case(document: Any, body: bytes | None = None, word: str = "", headers: Mapping[str, str] = JSON) -> Case:
    answer = (200, headers, b"{}" if body is None else body)
    return Case(json.dumps(document), lambda *_: answer, word)


def _body(example: Any, rules: Mapping[str, Any], actual: str, word: str) -> Case:
    ruled = {path: {"combine": "AND", "matchers": [rule]} for path, rule in rules.items()}
    response = {"headers": {"Content-Type": ["application/json"]}, "matchingRules": {"body": ruled},
                "body": {"content": example, "contentType": "application/json", "encoded": False}}
    return _case(pact(interaction(response=response)), actual.encode(), word)


def _regex(actual: str, word: str = "a pattern for text") -> Case:
    return _body({"x": "a"}, {"$.x": {"match": "regex", "regex": ".+"}}, actual, word)


def _rules(place: str, name: str) -> Case:
    rule = {"combine": "AND", "matchers": [{"match": "regex", "regex": "q"}]}
    return _case(pact(interaction(response={"headers": {"A": ["b"]}, "matchingRules": {place: {name: rule}}})),
                 b"", "holds nothing", {"A": "b"})


def _asked(**request: Any) -> Case:
    return _case(pact(interaction(request=request)), word="the provider saw")


def _message(**more: Any) -> dict[str, Any]:
    return {"type": "Asynchronous/Messages", "description": "a message", **more}


V4 = {"pactSpecification": {"version": "4.0"}}
NAMES = {"consumer": {"name": "web"}, "provider": {"name": "things"}}
LOADING = {
    "an empty object": _case({}, word="metadata"),
    "any object": _case({"x": 1}, word="unknown key"),
    "interactions mistyped": _case({**NAMES, "interaction": [interaction()], "metadata": V4}, word="unknown key"),
    "an unknown specification": _case(pact(interaction(), version="7.0"), word="specification"),
    "no interactions": _case(pact(), word="no interactions"),
    "empty messages beside": _case(
        pact({"description": "a thing", "request": {"method": "GET", "path": "/"}, "response": {"status": 200}},
             version="3.0.0", messages=[]), word="messages"),
    "a status over 16 bits": _case(pact(interaction(response={"status": 65736})), word="status"),
    # found by us
    "a key twice": Case(json.dumps(pact(interaction(response={"status": 500})))[:-1]
                        + ', "interactions": ' + json.dumps([interaction()]) + "}", word="twice"),
    "headers mistyped": _case(pact(interaction(response={"header": {"X": ["1"]}})), word="unknown key"),
    "a number longer than a double": Case(
        json.dumps(pact(interaction(response={"body": {"content": {"x": 0.5}, "contentType": JSON["Content-Type"],
                                                       "encoded": False}}))).replace(
            "0.5", "0.12345678901234567890"),
        lambda *_: (200, JSON, b'{"x": 0.12345678901234567899}'), "more digits"),
    "a body that cannot be decoded": _case(pact(interaction(request={
        "method": "POST", "body": {"content": "@@", "contentType": "text/plain", "encoded": "base64"}})),
        word="decoded"),
    "a header without a value": _case(pact(interaction(request={"headers": {"X-L": []}})), word="no value"),
}
ASKED = {
    "a query without value": _asked(query={"full": []}),
    "a normalised path": _asked(path="/x/../things/1"),
    # found by us
    "a fragment in the path": _asked(path="/things/1#x"),
    "a query in the path": _asked(path="/things/1?a=b"),
    "an encoded step up": _asked(path="/things/%2e%2e/1"),
    "a path without a slash": _asked(path="things/1"),
    "a null in a query": _asked(query={"full": [None]}),
}
MATCHING = {
    "a regex and null": _regex('{"x": null}'),
    "a regex and a number": _regex('{"x": 12}'),
    "a regex and an object": _regex('{"x": {"a": 1}}'),
    "digits of another script": _body({"x": "1"}, {"$.x": {"match": "regex", "regex": r"\d+"}},
                                      '{"x": "\\u0661"}', "another script"),
    "a boolean and a text": _body({"x": True}, {"$.x": {"match": "boolean"}}, '{"x": "true"}', "boolean"),
    "a key twice in the answer": _body({"x": 1}, {}, '{"x": 2, "x": 1}', "twice"),
    "a long number in the answer": _body({"x": 0.5}, {"$.x": {"match": "decimal"}},
                                         '{"x": 0.12345678901234567890}', "more digits"),
    "a rule without its header": _rules("header", "X"),
    "an example that breaks its rule": _body({"x": "zzz"}, {"$.x": {"match": "regex", "regex": "^a+$"}},
                                             '{"x": "aa"}', "does not match"),
    # found by us
    "a regex and a list": _regex('{"x": [1]}'),
    "a date and a number": _body({"x": "2026"}, {"$.x": {"match": "date", "format": "yyyy"}}, '{"x": 2026}',
                                 "expected date"),
    "a part of a text and a number": _body({"x": "1"}, {"$.x": {"match": "include", "value": "1"}}, '{"x": 21}',
                                           "expected include"),
    "a rule without its member": _body({"x": "a"}, {"$.y": {"match": "regex", "regex": "q"}}, '{"x": "a"}',
                                       "holds nothing"),
    "JSON without a content type": _case(pact(interaction(response={
        "body": {"content": {"x": 1}, "contentType": "application/json", "encoded": False}})), b'{"x": 1}',
        "no Content-Type", {}),
}
MESSAGES = {
    "a message without contents": Case(json.dumps(pact(_message())), lambda *_: (500, {}, b""), "not verified"),
    # found by us
    "a message in a file of version 3": Case(
        json.dumps({**NAMES, "messages": [{"description": "m", "contents": {}}],
                    "metadata": {"pactSpecification": {"version": "3.0.0"}}}), word="not verified"),
    "a plug-in that is not there": Case(json.dumps({
        **pact(interaction()), "metadata": {**V4, "plugins": [{"name": "nope", "version": "1"}]}}),
        word="not verified"),
    "a transport that is not HTTP": _case(pact(interaction(transport="grpc")), word="not verified"),
}
CASES = {**LOADING, **ASKED, **MATCHING, **MESSAGES}
# refused by the tool too, or by its crash: kept, for its next version may be green
RED_TOO = frozenset({"a plug-in that is not there", "no interactions", "a transport that is not HTTP",
                     "a message in a file of version 3"})


# each of these takes a process of the verifier's: one of a kind in the quick tier
LONG = frozenset([*list(ASKED)[2:], *list(MATCHING)[2:]]) - {
    "digits of another script", "a key twice in the answer", "a rule without its header",
    "an example that breaks its rule", "JSON without a content type"}


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.full if name in LONG else ()) for name in CASES])
def test_we_are_not_green(name: str, tmp_path: Path) -> None:
    """An error, or no interaction that passed; the reason names what is wrong."""
    case, path = CASES[name], tmp_path / "pact.json"
    path.write_text(case.text, "utf-8")
    with provider(case.answer) as url:
        try:
            results = verify_provider(url, path, provider="things")
        except ContractError as error:
            assert case.word in str(error)
        else:
            assert [False] * len(results) == [r.passed for r in results]
            assert case.word in " ".join(r for one in results for r in one.reasons)
            assert results


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(set(CASES) - RED_TOO))
def test_the_tool_alone_is_green(name: str, tmp_path: Path) -> None:
    """Without our guard the same pact and provider are green: each guard is needed."""
    case, path = CASES[name], tmp_path / "pact.json"
    path.write_text(case.text, "utf-8")
    with provider(case.answer) as url:
        assert bare(url, path)


def test_a_right_pact_is_green(tmp_path: Path) -> None:
    """The rig can pass: matched by type, regex, numbers, with query, header list and state-free."""
    rules = {"$.x": {"match": "regex", "regex": "a+"}, "$.n": {"match": "integer"}, "$.b": {"match": "boolean"}}
    case = _body({"x": "a", "n": 1, "b": True}, rules, '{"x": "aaa", "n": 7, "b": false}', "")
    document = json.loads(case.text)
    document["interactions"][0]["request"] |= {"query": {"q": ["1", ""]}, "headers": {"X-L": ["a", "b"]}}
    path = tmp_path / "pact.json"
    path.write_text(json.dumps(document), "utf-8")
    with provider(case.answer) as url:
        (result,) = verify_provider(url, path, provider="things")
    assert (True, ()) == (result.passed, result.reasons)


def test_a_folder_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    """An empty folder, pacts in a folder below, and only those of others: an error; a README is no pact."""
    with pytest.raises(ContractError, match="nothing would be verified"):
        read_pacts(tmp_path)
    (tmp_path / "README.md").write_text("# pacts")
    (tmp_path / "one.json").write_text(json.dumps(pact(interaction())), "utf-8")
    assert ["things"] == [p.provider for p in read_pacts(tmp_path)]
    with pytest.raises(ContractError, match="no pact for provider 'thing'"):
        for_provider(read_pacts(tmp_path), "thing")
    with pytest.raises(ContractError, match="no pact for 'shop' -> 'things'"):
        for_provider(read_pacts(tmp_path), "things", "shop")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "two.json").write_text("{}")
    with pytest.raises(ContractError, match="folder below"):
        read_pacts(tmp_path)


@pytest.mark.full
def test_the_tool_alone_takes_folders_and_names_for_green(tmp_path: Path) -> None:
    """An empty folder, another provider's pact and no source at all."""
    (tmp_path / "pact.json").write_text(json.dumps(pact(interaction())), "utf-8")
    (tmp_path / "empty").mkdir()
    with provider(lambda *_: OK) as url:
        assert [True, True, True] == [
            bare(url, tmp_path / "empty"), bare(url, tmp_path / "pact.json", name="others"), bare(url, None)]


STATEFUL = pact(interaction(providerStates=[{"name": "it is there", "params": {"id": 1}}]))
STATES: dict[str, Any] = {
    "a redirect": lambda order: (302, {"Location": "/elsewhere"}, b""),
    "a page": lambda order: (200, {"Content-Type": "text/html"}, b"<html>"),
    # found by us: what is not JSON, a list, and a tear-down that fails
    "no content type": lambda order: (200, {}, b"ok"),
    "a text that says JSON": lambda order: (200, JSON, b"done"),
    "a failed tear-down": lambda order: (500, JSON, b"{}") if order["action"] == "teardown" else (200, JSON, b"{}"),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_that_was_not_taken_is_not_green(name: str, tmp_path: Path) -> None:
    """The endpoint's word is read, and it is asked once."""
    asked = []

    def answer(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        if target != "/states":
            return OK
        asked.append(json.loads(body)["action"])
        return STATES[name](json.loads(body))

    path = tmp_path / "pact.json"
    path.write_text(json.dumps(STATEFUL), "utf-8")
    with provider(answer) as url:
        (result,) = verify_provider(url, path, f"{url}/states", provider="things")
    assert not result.passed
    assert ["setup", "teardown"] == asked


@pytest.mark.full
@pytest.mark.parametrize("name", ["a redirect", "a page", "no content type"])
def test_the_tool_alone_takes_it_for_a_state(name: str, tmp_path: Path) -> None:
    """Without our own call the interaction passes."""

    def answer(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        return STATES[name](json.loads(body or b'{"action": ""}')) if target == "/states" else OK

    path = tmp_path / "pact.json"
    path.write_text(json.dumps(STATEFUL), "utf-8")
    with provider(answer) as url:
        assert bare(url, path, f"{url}/states")


@pytest.mark.full
def test_the_tool_alone_ignores_a_state_without_a_handler(tmp_path: Path) -> None:
    """With no endpoint at all it is green; we refuse."""
    path = tmp_path / "pact.json"
    path.write_text(json.dumps(STATEFUL), "utf-8")
    with provider(lambda *_: OK) as url:
        assert bare(url, path)
        with pytest.raises(ContractError, match="state_url"):
            verify_provider(url, path, provider="things")
