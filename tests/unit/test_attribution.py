"""Giving the wire's events to operations."""

import pytest

from galeproof.model import make_history
from galeproof.model.attribution import attribute

A, B = "opaaaaaa", "opbbbbbb"


def _history(*heads, sequential=False, spans=((A, 0, 100), (B, 0, 100))):
    raw = []
    for ref, lo, hi in spans:
        raw.append((lo, lo, "subject", "op_start", None, ref, {"name": "fetch", "kind": "read"}))
        raw.append((hi, hi, "subject", "op_end", None, ref, {"outcome": "ok", "value": None}))
    for x, (at, target, headers, body) in enumerate(heads, 1):
        raw.append((at, at, "tap", "head", x, None, {
            "x": x, "method": "POST", "target": target, "headers": headers, "nth": 1,
            "word": "ok", "by": "current" if sequential else "none"}))
        raw.append((at, at, "tap", "request_end", x, None, {"x": x, "body": body}))
    return make_history({"refs": [A, B], "sequential": sequential}, raw)


def _owners(history):
    return {o.ref: [a.x for a in o.attempts] for o in attribute(history).operations}


@pytest.mark.parametrize("target", [
    f"/items/{A}", f"/items/{A.upper()}", "/items/%6fpaaaaaa"])
def test_a_reference_in_the_path_names_the_operation(target):
    """In any case, percent-encoded or not."""
    assert _owners(_history((10, target, [], ""))) == {A: [1], B: []}


def test_a_reference_in_a_header_value_counts_as_head():
    """The whole head is searched."""
    assert _owners(_history((10, "/", [["X-Ref", B]], ""))) == {A: [], B: [1]}


def test_the_head_is_stronger_than_the_body():
    """A body may quote another operation."""
    assert _owners(_history((10, f"/{A}", [], f'{{"after":"{B}"}}'))) == {A: [1], B: []}


def test_a_reference_in_the_body_counts_where_the_head_has_none():
    """One reference only: two say nothing."""
    assert _owners(_history((10, "/", [], A), (11, "/", [], A + B))) == {A: [1], B: []}


def test_two_references_in_one_head_are_ambiguous():
    """Never guessed away."""
    found = attribute(_history((10, f"/{A}/{B}", [], "")))
    assert [e.x for e in found.ambiguous] == [1]
    assert {o.ref: [a.x for a in o.attempts] for o in found.operations} == {A: [], B: []}


def test_a_key_that_one_operation_carries_names_it():
    """The second request has no reference, but the first one's key."""
    key = [["Idempotency-Key", "k1"]]
    assert _owners(_history((10, f"/{A}", key, ""), (20, "/", key, ""))) == {A: [1, 2], B: []}


def test_a_key_that_two_operations_carry_names_none():
    """A key made once for each client object is no marker."""
    key = [["Idempotency-Key", "k1"]]
    found = attribute(_history((10, f"/{A}", key, ""), (11, f"/{B}", key, ""), (20, "/", key, "")))
    assert [e.x for e in found.strays] == [3]


def test_one_operation_at_a_time_names_the_open_one():
    """Only where the header says that operations ran so, and only while one is open."""
    spans = ((A, 0, 40), (B, 50, 90))
    heads = ((10, "/", [], ""), (60, "/", [], ""), (95, "/", [], ""))
    assert _owners(_history(*heads, sequential=True, spans=spans)) == {A: [1], B: [2]}
    assert _owners(_history(*heads, spans=spans)) == {A: [], B: []}
