"""IDM001 and IDM002 on literal histories."""

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)


def _lost(words, first, second, word="rst after effect"):
    storm = words.Storm((word, "ok")).start(kind="write", name="create")
    storm.post(word, first).cut("rst").wait(200)
    return storm.post("ok", second).answer(201).end().history()


def test_one_key_on_both_sides_of_a_lost_answer_passes(gale_words):
    """The provider can tell the retry from a new payment."""
    history = _lost(gale_words, "k1", "k1")
    assert [gale_words.told(history, c) for c in ("IDM001", "IDM002")] == [PASS, PASS]
    assert gale_words.failing(history) == []


def test_a_retry_without_any_key_fails_alone(gale_words):
    """Undeclared and unseen: IDM001 fails, IDM002 cannot say."""
    history = _lost(gale_words, None, None)
    assert gale_words.failing(history) == ["IDM001"]
    assert gale_words.told(history, "IDM002") == ("UNKNOWN", "undeclared")


def test_another_key_at_the_retry_fails_alone(gale_words):
    """uuid4() inside the loop."""
    assert gale_words.failing(_lost(gale_words, "k1", "k2")) == ["IDM002"]


def test_a_key_from_the_second_attempt_on_is_missing_from_the_first(gale_words):
    """Both invariants see it after a lost answer."""
    assert gale_words.failing(_lost(gale_words, None, "k1")) == ["IDM001", "IDM002"]


def test_quotes_of_a_structured_field_do_not_make_another_key(gale_words):
    """A string item is its content."""
    assert gale_words.told(_lost(gale_words, '"k1"', "k1"), "IDM002") == PASS


def test_a_key_may_stand_in_the_body(gale_words):
    """The profile names the field."""
    storm = gale_words.Storm(("rst after effect", "ok")).start(kind="write", name="create")
    body = '{"request_id":"r1"}'
    storm.request("rst after effect", "POST", None, body).cut("rst").wait(200)
    history = storm.request("ok", "POST", None, body).answer(201).end().history()
    where = {"idempotency_key": "body:request_id"}
    assert [gale_words.told(history, c, **where) for c in ("IDM001", "IDM002")] == [PASS, PASS]


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_error_after_the_request_is_as_unclear_as_a_lost_answer(gale_words, status):
    """502 does not say whether the payment was made; 503 is IDM004's matter."""
    storm = gale_words.Storm((str(status), "ok")).start(kind="write", name="create")
    history = storm.post(str(status)).answer(status).wait(200).post("ok").answer(201).end()
    assert gale_words.failing(history.history()) == ["IDM001"]


def test_a_reset_before_the_request_was_whole_is_safe_to_resend(gale_words):
    """The trap of IDM001: nothing was read, nothing can have been applied."""
    storm = gale_words.Storm(("rst after accept", "ok")).start(kind="write", name="create")
    history = storm.rst0().wait(100).post("ok").answer(201).end().history()
    assert gale_words.told(history, "IDM001") == ("UNKNOWN", "not_exercised")


def test_reads_and_operations_declared_idempotent_are_left_out(gale_words):
    """A search by POST is declared so; a GET needs no key."""
    declared = {"operations": {"create": {"naturally_idempotent": True}}}
    history = _lost(gale_words, None, None)
    assert gale_words.told(history, "IDM001", **declared) == ("UNKNOWN", "not_exercised")
    storm = gale_words.Storm(("rst after request", "ok")).start()
    storm.request("rst after request").cut("rst").wait(9)
    read = storm.request("ok").answer(200).end().history()
    assert gale_words.told(read, "IDM001") == ("UNKNOWN", "not_exercised")
    assert gale_words.told(read, "IDM002") == ("UNKNOWN", "not_exercised")


def test_a_client_that_does_not_send_again_holds_the_rule(gale_words):
    """An error that says unknown is the honest answer."""
    storm = gale_words.Storm(("rst after effect", "ok")).start(kind="write", name="create")
    history = storm.post("rst after effect").cut("rst").end("failed").history()
    assert gale_words.told(history, "IDM001") == PASS
    assert gale_words.told(history, "IDM002") == ("UNKNOWN", "not_exercised")


def test_a_post_that_names_two_operations_is_attribution(gale_words):
    """An ambiguous request is never guessed into a verdict."""
    storm = gale_words.Storm(("rst after effect", "ok")).start(kind="write", name="create")
    both = f"/pay/{gale_words.refs[0]}/{gale_words.refs[1]}"
    storm.post("rst after effect", target=both).cut("rst").wait(9)
    history = storm.post("ok", target=both).answer(201).end().history()
    assert gale_words.told(history, "IDM001") == ("UNKNOWN", "attribution")
