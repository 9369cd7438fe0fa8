"""What fresh eyes found green for nothing, or red without its reason, in verifying providers."""

from __future__ import annotations

import gzip
import json

import pytest
from tests.wire.contract_rig import interaction, pact, provider

from galeproof.contract import ContractError, StateServer, find_secrets, load_states, verify_provider
from galeproof.contract.checks import check_answers
from galeproof.contract.effects import check_effects
from galeproof.contract.reading import parse_pact, read_pact
from galeproof.contract.sources import read_pacts

pytest.importorskip("pact")

JSON = {"Content-Type": "application/json"}
WORD = {"match": "regex", "regex": r"\w+"}


def _verified(tmp_path, document, answer, states=None):
    path = tmp_path / "pact.json"
    path.write_text(json.dumps(document), "utf-8")
    with provider(lambda *_: answer) as url:
        return verify_provider(url, path, states, provider="things")


def _ruled(example, rules, version="4.0", **more):
    body = {"content": example, "contentType": "application/json", "encoded": False}
    response = {"body": body if version == "4.0" else example, "matchingRules": rules, **more}
    return pact(interaction(response=response), version=version)


def _all(rule, path="$.a"):
    return {"body": {path: {"combine": "AND", "matchers": [rule]}}}


@pytest.mark.parametrize(("document", "actual"), [
    (_ruled({"a": {"k": "1"}}, _all({"match": "eachValue", "rules": [{"match": "regex", "regex": r"\d+"}]})),
     {"a": {"k": 2}}),
    (_ruled({"a": ["ab"]}, _all({"match": "arrayContains", "variants": [{"index": 0, "rules": {
        "$": {"combine": "AND", "matchers": [WORD]}}}]})), {"a": [None]}),
    (_ruled({"a": "ab"}, {"body": {"$.a": {"combine": "OR", "matchers": [WORD, {"match": "integer"}]}}}),
     {"a": None}),
    (_ruled({"@id": "ab"}, _all(WORD, "$.@id")), {"@id": None}),
    (_ruled({"a": "ab"}, {"$['body']['a']": WORD}, "2.0.0"), {"a": None}),
    (_ruled({"a": "ab"}, {"$.body.a": WORD}, "3.0.0"), {"a": None}),
], ids=["each value", "array contains", "either", "a name with a sign", "version 2 brackets", "2's table in 3"])
def test_a_lax_match_is_not_green(tmp_path, document, actual):
    [result] = _verified(tmp_path, document, (200, JSON, json.dumps(actual).encode()))
    assert not result.passed


def test_a_lax_match_in_a_compressed_answer_is_not_green(tmp_path):
    answer = (200, {**JSON, "Content-Encoding": "gzip"}, gzip.compress(b'{"a": null}'))
    [result] = _verified(tmp_path, _ruled({"a": "ab"}, _all(WORD)), answer)
    assert not result.passed


def test_a_status_may_have_a_rule(tmp_path):
    rules = {"status": {"combine": "AND", "matchers": [{"match": "statusCode", "status": "success"}]}}
    assert [True] == [r.passed for r in _verified(tmp_path, _ruled({"a": 1}, rules), (201, JSON, b'{"a": 1}'))]


def test_an_answer_of_five_megabytes_is_held_whole(tmp_path):
    answer = (200, JSON, json.dumps({"a": "x" * 5_000_000}).encode())
    assert [True] == [r.passed for r in _verified(tmp_path, _ruled({"a": "q"}, _all({"match": "type"})), answer)]


@pytest.mark.parametrize("part", [
    {"headers": ["x"]}, {"matchingRules": ["x"]}, {"matchingRules": {"body": {"$.a": {"matchers": "type"}}}},
    {"matchingRules": {"bodi": {"$.a": {"matchers": [WORD]}}}},
])
def test_what_is_misshapen_is_refused(tmp_path, part):
    with pytest.raises(ContractError):
        parse_pact(json.dumps(pact(interaction(response=part))), tmp_path)


def test_a_port_that_is_none_is_refused(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(pact(interaction())), "utf-8")
    with pytest.raises(ContractError, match="absolute http URL"):
        verify_provider("http://127.0.0.1:99999", tmp_path / "p.json", provider="things")


def test_a_pact_with_a_capital_ending_is_read_too(tmp_path):
    for name in ("a.json", "b.JSON"):
        (tmp_path / name).write_text(json.dumps(pact(interaction())), "utf-8")
    assert 2 == len(read_pacts(tmp_path))


class _OfTheirsError(Exception):
    """Its name in a traceback has its module in front."""


@pytest.mark.parametrize("error", [_OfTheirsError("x"), ValueError('say "größe"'), SystemExit(3),
                                   pytest.fail.Exception("no"), ExceptionGroup("g", [ValueError("x")])])
def test_a_handler_fails_with_its_own_traceback(tmp_path, error):
    from galeproof.contract.verify import verify_pact

    def handler():
        raise error

    (tmp_path / "p.json").write_text(
        json.dumps(pact(interaction(providerStates=[{"name": "s"}]))), "utf-8")
    with provider(lambda *_: (200, JSON, b"{}")) as url, StateServer({"s": handler}) as states:
        [result] = verify_pact(read_pact(tmp_path / "p.json"), [0], url, states.url, timeout_s=2,
                               errors=lambda: states.errors)
    assert "in handler" in result.reasons[-1]


@pytest.mark.parametrize("text", ["import sys; sys.exit(0)", (
    "from galeproof.contract import state\n@state('s')\ndef f(): pass\n@state('s')\ndef f(): pass\n")])
def test_a_file_of_states_is_refused(tmp_path, text):
    (tmp_path / "states.py").write_text(text, "utf-8")
    with pytest.raises(ContractError):
        load_states(tmp_path / "states.py")


KEYED = pact(interaction("made", request={
    "method": "POST", "headers": {"Idempotency-Key": ["k"]},
    "body": {"content": {"currency": "EUR"}, "contentType": "application/json", "encoded": False}},
    response={"status": 201}))


def _effects(tmp_path, answer):
    with provider(answer) as url:
        return [c.passed for c in check_effects(parse_pact(json.dumps(KEYED), tmp_path), url, None)]


def test_a_refusal_of_the_payload_itself_is_no_refusal_of_the_key(tmp_path):
    found = _effects(tmp_path, lambda m, t, h, body: (201 if b"other" not in body else 422, JSON, b"{}"))
    assert found[2] is None


def test_answers_that_are_all_the_same_show_no_effect(tmp_path):
    assert [None, None] == _effects(tmp_path, lambda *_: (201, JSON, b"{}"))[:2]


@pytest.mark.parametrize(("request_", "answer", "held"), [
    ({"headers": {"X-Auth-Token": ["placeholder-1"]}}, (401, JSON, b'{"detail": "placeholder-1"}'), False),
    ({"query": {"api_key": ["placeholder-1"]}}, (401, JSON, b'{"detail": "placeholder-1"}'), False),
    ({"headers": {"Cookie": ["sid=placeholder-1; a=1"]}}, (401, JSON, b'{"detail": "placeholder-1"}'), False),
    ({}, (400, JSON, b'{"status": "error"}'), True),
    ({}, (400, JSON, b'{"password": "too short"}'), True),
])
def test_error_answers(tmp_path, request_, answer, held):
    document = pact(interaction(request=request_, response={"status": answer[0]}))
    results = _verified(tmp_path, document, answer)
    assert [r.passed for r in results] == [True]
    checks = check_answers(parse_pact(json.dumps(document), tmp_path), results)
    assert held == all(c.passed is not False for c in checks)


@pytest.mark.parametrize("text", ["user=x&password=hunter2", '{"password": "hunter2"}', "https://x/?token=abc"])
def test_a_secret_inside_a_text_is_found(text):
    assert find_secrets({"content": text})
