"""The verifier's own word, and what arrived: neither alone makes a result green."""

from __future__ import annotations

from typing import Any

import pytest

from galeproof.contract.evidence import arrived
from galeproof.contract.verify import _told
from galeproof.contract.witness import Seen, strange

ITEM = {"description": "a thing", "request": {"method": "GET", "path": "/a", "query": {"q": ["1"]},
                                              "headers": {"X-L": ["p", "q"]}}, "response": {"status": 200}}
ONE = {"interactionDescription": "a thing", "result": "OK"}
GOOD = {"error": None, "results": {"result": True, "interactionResults": [ONE]}}
SEEN = Seen("GET", "/a?q=1", (("X-L", "p, q"), ("Host", "x")), b"", 200)


def test_a_word_that_is_whole_is_taken() -> None:
    """One result, of this interaction, OK, and success as a whole."""
    assert [] == _told(ITEM, GOOD)
    assert [] == arrived(ITEM, 4, "http://p", [SEEN], {})


@pytest.mark.parametrize("change", [
    {"error": "it panicked"},  # `.results` says True although `verify()` raised
    {"results": None},  # the process was cut off before it had any
    {"results": {"result": True, "interactionResults": []}},  # nothing was verified
    # found by us
    {"results": {"result": True, "interactionResults": [ONE, ONE]}},
    {"results": {"result": True, "interactionResults": [{**ONE, "interactionDescription": "another"}]}},
    {"results": {"result": False, "interactionResults": [ONE]}},
    {"results": {"interactionResults": [ONE]}},
    {"results": {"result": True, "interactionResults": [{**ONE, "result": "PENDING"}]}},
    {"results": {"result": "True", "interactionResults": [ONE]}},
])
def test_a_word_that_is_not_whole_is_not_taken(change: dict[str, Any]) -> None:
    """Success with an error, no results, two, another's, a part of the word, and a pending one."""
    assert _told(ITEM, {**GOOD, **change})


@pytest.mark.parametrize("seen", [
    [], [SEEN, SEEN], [Seen("POST", "/a?q=1", SEEN.headers, b"")], [Seen("GET", "/b?q=1", SEEN.headers, b"")],
    [Seen("GET", "/a?q=2", SEEN.headers, b"")], [Seen("GET", "/a?q=1", (), b"")],
    [Seen("GET", "/a?q=1", (("X-L", "p"),), b"")], [Seen("GET", "/a?q=1", (("X-L", "other, q"),), b"")]])
def test_what_did_not_arrive_is_said(seen: list[Seen]) -> None:
    """Nobody asked (another program answered), asked twice (a redirect), another method, path, query or
    header (one that was replaced by a custom one, too)."""
    assert arrived(ITEM, 4, "http://p", seen, {})


def test_another_body_did_not_arrive() -> None:
    """JSON is compared as JSON, bytes as bytes."""
    item = {**ITEM, "request": {"method": "POST", "path": "/a",
                                "body": {"content": {"n": 1}, "contentType": "application/json"}}}
    for body, reasons in ((b'{ "n": 1 }', 0), (b'{"n": 2}', 1), (b"", 1)):
        assert reasons == len(arrived(item, 4, "http://p", [Seen("POST", "/a", (), body)], {}))


@pytest.mark.parametrize(("seen", "word"), [
    (Seen("OPTIONS", "/a", (), b""), "OPTIONS /a was asked too"),
    (Seen("GET", "/a", (("X", "1"), ("x", "2")), b""), "header x came with two values"),
    (Seen("GET", "/a?q=1&q=2", (), b""), "parameter q came with two values"),
    (Seen("?", "?", (), b"\x16\x03"), "was asked too"),  # found by us: what is no HTTP
    (Seen("HEAD", "/a", (), b""), "HEAD /a was asked too"),  # found by us
])
def test_what_a_mock_server_lets_pass_is_said(seen: Seen, word: str) -> None:
    """An undeclared method, two values where one matches, and bytes that are no request."""
    assert [] == strange([SEEN], "GET")
    assert word in strange([SEEN, seen], "GET")[0]
