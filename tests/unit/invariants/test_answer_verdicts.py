"""ERR002, ERR003, ERR004 on literal histories: answers that are not what was promised."""

import pytest

PASS, FAIL, IDLE = ("PASS", None), ("FAIL", None), ("UNKNOWN", "not_exercised")
UNDECLARED = ("UNKNOWN", "undeclared")


def _spoilt(words, kind, outcome="failed", value=None, later=False):
    storm = words.Storm((f"garbage {kind}",)).start().request(f"garbage {kind}").answer(200, spoilt=kind)
    if later:
        storm.wait(50).request("ok").answer(200)
    return storm.end(outcome, value).history()


def _calm(words):
    return words.Storm(("ok",)).start().request("ok").answer(200).end().history()


@pytest.mark.parametrize("kind", ["html", "truncated_json", "empty", "nan", "charset", "no_content"])
def test_a_malformed_answer_is_an_error_or_it_fails(gale_words, kind):
    """An error passes, an empty value is critical, and nothing else fails."""
    assert PASS == gale_words.told(_spoilt(gale_words, kind), "ERR002")
    history = _spoilt(gale_words, kind, "ok", {})
    assert ["ERR002"] == gale_words.failing(history)
    assert "critical" == gale_words.verdicts(history)["ERR002"].severity


def test_a_key_that_is_there_twice_is_minor(gale_words):
    """JSON does not forbid it."""
    history = _spoilt(gale_words, "duplicate_keys", "ok", {"id": "another"})
    assert "minor" == gale_words.verdicts(history)["ERR002"].severity


def test_what_may_be_read_all_the_same(gale_words):
    """Valid JSON under another type, a documented default, and an answer that was healthy later."""
    lenient = _spoilt(gale_words, "wrong_type", "ok", {"id": gale_words.refs[0]})
    default = _spoilt(gale_words, "html", "ok", {"none": True})
    assert PASS == gale_words.told(lenient, "ERR002")
    assert PASS == gale_words.told(default, "ERR002", operations={"fetch": {"default": {"none": True}}})
    assert IDLE == gale_words.told(_spoilt(gale_words, "html", "ok", {}, later=True), "ERR002")


def test_raw_text_and_calm_air_say_nothing(gale_words):
    """Who returns the body as it came promises no reading."""
    assert UNDECLARED == gale_words.told(_spoilt(gale_words, "html", "ok", "<html>"), "ERR002")
    assert IDLE == gale_words.told(_calm(gale_words), "ERR002")


def _cut(words, outcome, word="fin after 500 bytes", later=None, value="usual"):
    storm = words.Storm((word,)).start().request(word).cut("fin", 500)
    if later:
        storm.wait(50).request(word).answer(later)
    return storm.end(outcome, value).history()


def test_half_a_body_is_an_error_or_it_fails(gale_words):
    """It fails alone, though what came can be read."""
    assert PASS == gale_words.told(_cut(gale_words, "failed"), "ERR003")
    assert ["ERR003"] == gale_words.failing(_cut(gale_words, "ok"))


def test_a_rest_that_came_later_makes_it_whole(gale_words):
    """A resumed range, or a retry that brought all of it: nothing is to be judged."""
    assert IDLE == gale_words.told(_cut(gale_words, "ok", later=206), "ERR003")
    assert IDLE == gale_words.told(_calm(gale_words), "ERR003")


def test_a_reset_before_the_answer_is_no_truncation(gale_words):
    """Nothing of a body had come."""
    history = gale_words.Storm(("rst after request",)).start().request("rst after request").cut().end("failed")
    assert IDLE == gale_words.told(history.history(), "ERR003")


@pytest.mark.parametrize("kind", ["missing_field amount", "null_field id", "number_as_string amount"])
def test_a_wrong_value_is_refused_or_it_fails(gale_words, kind):
    """Declared types: letting it in fails alone; undeclared it is told, under strict it fails."""
    refused, taken = _spoilt(gale_words, kind), _spoilt(gale_words, kind, "ok", {"id": 1})
    assert PASS == gale_words.told(refused, "ERR004", typed_answers=True)
    assert ["ERR004"] == gale_words.failing(taken, typed_answers=True)
    assert UNDECLARED == gale_words.told(taken, "ERR004")
    assert FAIL == gale_words.told(taken, "ERR004", strict=True)


def test_only_the_fields_that_are_promised_count(gale_words):
    """A list of names leaves the others alone; coercion may be declared."""
    taken = _spoilt(gale_words, "number_as_string amount", "ok", {"id": 1})
    assert FAIL == gale_words.told(taken, "ERR004", typed_answers=["amount"])
    assert IDLE == gale_words.told(taken, "ERR004", typed_answers=["id"])
    assert PASS == gale_words.told(taken, "ERR004", typed_answers=True, coerces=True)


def test_a_field_that_is_new_must_be_read(gale_words):
    """Refusing it is minor."""
    added = "unknown_field galeproof_added"
    assert PASS == gale_words.told(_spoilt(gale_words, added, "ok", {"id": 1}), "ERR004")
    history = _spoilt(gale_words, added)
    assert ("FAIL", "minor") == (gale_words.told(history, "ERR004")[0],
                                 gale_words.verdicts(history)["ERR004"].severity)
    assert IDLE == gale_words.told(_calm(gale_words), "ERR004")
