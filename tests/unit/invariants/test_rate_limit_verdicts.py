"""RAF005 on literal histories."""

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
READS = {"rate_limit_fields": True}
EMPTY = {"RateLimit": '"default";r=0;t=2'}


def _then(words, rest_ms, field=EMPTY, more=1):
    """An answer with the field, and operations that come so much later."""
    storm = words.Storm(()).start().request("ok").answer(200, field).end()
    for ref in words.refs[1 : 1 + more]:
        storm.start(ref).wait(rest_ms).request("ok").answer(200).end()
        rest_ms = 5
    return storm.history()


def test_operations_that_wait_until_it_is_over_pass(gale_words):
    """Two seconds."""
    history = _then(gale_words, 2010)
    assert gale_words.told(history, "RAF005", **READS) == PASS
    assert gale_words.failing(history, **READS) == []


def test_a_request_too_many_before_it_is_over_fails_alone(gale_words):
    """t read as an instant: no wait at all."""
    history = _then(gale_words, 5)
    assert gale_words.failing(history, **READS) == ["RAF005"]
    text = gale_words.verdicts(history, **READS)["RAF005"].findings[0].text
    assert '"default";r=0;t=2, and 1 requests came before it was over' in text


@pytest.mark.parametrize(("more", "told"), [(2, PASS), (3, FAIL)])
def test_what_is_left_may_be_used(gale_words, more, told):
    """r=2: two more, not three."""
    history = _then(gale_words, 5, {"RateLimit": '"default";r=2;t=9'}, more)
    assert gale_words.told(history, "RAF005", **READS) == told


@pytest.mark.parametrize("field", ['"d";r=;t=2', ";;;", "", "r=0, t=2", '"d";r=0;t=soon', '"d;r=0'])
def test_a_malformed_field_must_not_make_an_answer_fail(gale_words, field):
    """Whether support is declared or not; ignored, it passes."""
    storm = gale_words.Storm(()).start().request("ok").answer(200, {"RateLimit": field})
    crashed = storm.end("failed", error="builtins.ValueError").history()
    assert gale_words.told(crashed, "RAF005") == FAIL
    ignored = gale_words.Storm(()).start().request("ok").answer(200, {"RateLimit": field}).end()
    ignored.start(gale_words.refs[1]).request("ok").answer(200, EMPTY).end()
    ignored.start(gale_words.refs[2]).wait(2100).request("ok").answer(200).end()
    assert gale_words.told(ignored.history(), "RAF005", **READS) == PASS


@pytest.mark.parametrize(("gap", "told"), [(1100, FAIL), (2100, ("UNKNOWN", "not_exercised"))])
def test_retry_after_holds_where_both_are_said(gale_words, gap, told):
    """Two seconds against t=1."""
    both = {"RateLimit": '"default";r=0;t=1', "Retry-After": "2"}
    storm = gale_words.Storm(("429", "ok")).start().request("429").answer(429, both).wait(gap)
    assert gale_words.told(storm.request("ok").answer(200).end().history(), "RAF005", **READS) == told


def test_a_client_that_promises_nothing_is_undeclared(gale_words):
    """It may ignore the fields altogether."""
    assert gale_words.told(_then(gale_words, 5), "RAF005") == ("UNKNOWN", "undeclared")


@pytest.mark.parametrize("more", [0, 1])
def test_no_field_or_nobody_after_it_exercises_nothing(gale_words, more):
    """There is nothing to obey."""
    history = _then(gale_words, 5, {} if more else EMPTY, more)
    assert gale_words.told(history, "RAF005", **READS) == ("UNKNOWN", "not_exercised")
