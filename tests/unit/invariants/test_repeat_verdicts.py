"""RTY002, RTY004, RTY006 and RTY007 on literal histories."""

import itertools

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
PROFILE = {"max_attempts": 3, "deadline_s": 60.0, "retry_on": ["reset", 502, 503, 504]}


def unknown(reason):
    return ("UNKNOWN", reason)


# -- RTY002 ------------------------------------------------------------------------------------------

def _answered(words, *steps):
    """One operation: (status, request headers, answer headers) an attempt."""
    storm = words.Storm(tuple(str(step[0]) for step in steps)).start()
    for status, *more in steps:
        sent, said = (*more, {}, {})[:2]
        storm.request(str(status), headers=sent).answer(status, said).wait(300)
    return storm.end("failed").history()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422, 501, 505])
def test_a_definitive_answer_is_taken_as_one(gale_words, status):
    """Once is right, twice fails alone."""
    assert PASS == gale_words.told(_answered(gale_words, (status,)), "RTY002", **PROFILE)
    history = _answered(gale_words, (status,), (status,))
    assert ["RTY002"] == gale_words.failing(history, **PROFILE)
    assert "2 attempts" in gale_words.verdicts(history, **PROFILE)["RTY002"].findings[0].text


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503])
def test_what_is_policy_or_passes_does_not_exercise_it(gale_words, status):
    """Neither a transient status nor one that some clients rightly retry."""
    history = _answered(gale_words, (status,), (status,))
    assert unknown("not_exercised") == gale_words.told(history, "RTY002", **PROFILE)


def test_a_declared_status_may_be_retried(gale_words):
    """The trap: an eventually consistent 404, in the profile."""
    history = _answered(gale_words, (404,), (404,))
    assert unknown("not_exercised") == gale_words.told(history, "RTY002", retry_on=[404])


def test_one_resend_with_new_credentials_after_a_401_is_right(gale_words):
    """The trap: refresh and resend; the same credentials, or a second resend, fail."""
    old, new, newer = ({"Authorization": f"Bearer {name}"} for name in ("a", "b", "c"))
    assert PASS == gale_words.told(_answered(gale_words, (401, old), (401, new)), "RTY002", **PROFILE)
    assert FAIL == gale_words.told(_answered(gale_words, (401, old), (401, old)), "RTY002", **PROFILE)
    assert FAIL == gale_words.told(
        _answered(gale_words, (401, old), (401, new), (401, newer)), "RTY002", **PROFILE)


def test_a_token_request_between_is_no_retry(gale_words):
    """Where one operation runs at a time the refresh is seen as one of its requests."""
    storm = gale_words.Storm(("401", "ok")).start()
    storm.request("401", headers={"Authorization": "a"}).answer(401).wait(9)
    storm.request("401", "POST", target="/oauth/token", body="x").answer(200).wait(9)
    history = storm.request("ok", headers={"Authorization": "b"}).answer(200).end().history()
    assert PASS == gale_words.told(history, "RTY002", **PROFILE)


def test_an_answer_that_asks_for_it_may_be_retried(gale_words):
    """The trap: x-should-retry: true; the next definitive answer without it ends the matter."""
    asks = {"x-should-retry": "true"}
    assert PASS == gale_words.told(_answered(gale_words, (400, {}, asks), (422,)), "RTY002", **PROFILE)
    history = _answered(gale_words, (400, {}, asks), (422,), (422,))
    assert FAIL == gale_words.told(history, "RTY002", **PROFILE)


def test_a_definitive_answer_after_a_transient_one_is_definitive_too(gale_words):
    """503, 404, 404: the third was wrong."""
    history = _answered(gale_words, (503,), (404,), (404,))
    assert FAIL == gale_words.told(history, "RTY002", **PROFILE)


def test_requests_of_nobody_are_told_as_attribution(gale_words):
    """Two references in one request: nobody knows whose retry it is."""
    storm = gale_words.Storm(("404",)).start()
    history = storm.request("404", target=f"/{gale_words.refs[0]}/{gale_words.refs[1]}").answer(404)
    assert unknown("attribution") == gale_words.told(history.end("failed").history(), "RTY002", **PROFILE)


# -- RTY004 and RTY006 -------------------------------------------------------------------------------

def _storm(words, gaps_ms, operations=10, spread=0, word="503", headers=None):
    """Operations that fail to the end, all with these gaps (ms), a little longer from one to the next."""
    refs = [f"op{letter * 6}" for letter in "abcdefghij"[:operations]]
    storm = words.Storm((word, word), refs=refs)
    for number, ref in enumerate(refs):
        storm.start(ref)
        for gap in (*gaps_ms, None):
            storm.request(word)
            if word == "503":
                storm.answer(503, headers)
            else:
                storm.cut("rst")
            if gap is not None:
                storm.wait(gap + number * spread)
        storm.end("failed")
    return storm.history()


NESTED = [2, 40, 80, 900, 2, 40, 80, 900, 2, 40, 80]


@pytest.mark.parametrize("gaps", [
    NESTED, [20, 20, 300] * 2 + [20, 20], [20, 300, 20], [2, 200, 400, 210, 2, 200, 400, 210, 2, 200, 400]])
@pytest.mark.parametrize("word", ["503", "rst after request"])
def test_bursts_in_every_operation_are_two_layers(gale_words, gaps, word):
    """Short gaps between long ones, or an inner backoff that begins anew."""
    history = _storm(gale_words, gaps, spread=3, word=word)
    verdict = gale_words.verdicts(history, **PROFILE)["RTY004"]
    assert ("FAIL", True) == (verdict.outcome.value, "two layers" in verdict.findings[0].text)
    assert {"RTY001", "RTY004"} == set(gale_words.failing(history, **PROFILE))


def test_the_product_alone_is_arithmetic(gale_words):
    """Four attempts of a declared three are 2 x 2, or one too many: RTY001's, and no verdict here."""
    history = _storm(gale_words, [300, 310, 305])
    assert ["RTY001"] == gale_words.failing(history, **PROFILE)
    assert unknown("undeclared") == gale_words.told(history, "RTY004", **PROFILE)


def test_the_pattern_must_stand_in_every_operation(gale_words):
    """A single layer with jitter draws it once; three operations are too few for a small one."""
    assert unknown("undeclared") == gale_words.told(
        _storm(gale_words, [20, 300, 20], operations=3), "RTY004", **PROFILE)
    storm = _storm(gale_words, [20, 300, 20])
    assert FAIL == gale_words.told(storm, "RTY004", **PROFILE)


@pytest.mark.parametrize("gaps", [
    [100, 200, 400, 800, 1600], [200, 200, 200, 200, 200], [2, 400, 800, 1600, 3200], [50, 90, 60, 80, 70]])
def test_one_layer_of_backoff_is_none(gale_words, gaps):
    """Growing, constant, immediate at first or jittered: one scale."""
    assert unknown("undeclared") == gale_words.told(_storm(gale_words, gaps), "RTY004", **PROFILE)
    assert PASS == gale_words.told(_storm(gale_words, gaps), "RTY004", max_attempts=6)


def test_one_transport_resend_within_the_declared_total_is_right(gale_words):
    """The trap: a resend at once and two retries, four declared."""
    history = _storm(gale_words, [1, 200, 400], word="rst after request")
    assert PASS == gale_words.told(history, "RTY004", max_attempts=4)
    assert PASS == gale_words.told(history, "RTY006", max_attempts=4)


def test_a_declaration_a_layer_that_multiplies_to_what_was_seen_fails(gale_words):
    """No pattern of gaps is needed where the owner declares both layers."""
    history = _storm(gale_words, [300] * 5)
    assert FAIL == gale_words.told(history, "RTY004", max_attempts=6, layers=[2, 3])
    assert PASS == gale_words.told(history, "RTY004", max_attempts=6, layers=[6])


def test_few_attempts_without_a_cap_are_undeclared(gale_words):
    """Three attempts, nothing declared; and none at all never exercises it."""
    assert unknown("undeclared") == gale_words.told(_storm(gale_words, [100, 200]), "RTY004")
    assert unknown("not_exercised") == gale_words.told(_storm(gale_words, []), "RTY004", **PROFILE)


def test_waits_that_the_provider_asked_for_are_no_scale(gale_words):
    """Retry-After makes long gaps of its own."""
    history = _storm(gale_words, NESTED, headers={"Retry-After": "1"})
    assert unknown("not_exercised") == gale_words.told(history, "RTY004", **PROFILE)


@pytest.mark.parametrize(("gaps", "expected"), [
    ([1, 1], FAIL), ([1, 2, 1], FAIL), ([1, 300], PASS), ([300, 400], PASS),
    ([1, 2, 300, 400, 500], PASS), ([1, 2, 300, 400], FAIL), ([30, 30], PASS)])
def test_more_than_one_immediate_retry_is_a_hot_loop(gale_words, gaps, expected):
    """Two in an operation, and half of all gaps; one is no more than a note."""
    assert expected == gale_words.told(_storm(gale_words, gaps), "RTY006", max_attempts=9)


def test_a_hot_loop_fails_alone_and_asks_for_reruns(gale_words):
    """urllib3 with backoff_factor=0."""
    history = _storm(gale_words, [1, 1])
    assert ["RTY006"] == gale_words.failing(history, **PROFILE)
    assert gale_words.verdicts(history, **PROFILE)["RTY006"].timing


def test_one_immediate_retry_is_told_in_the_note(gale_words):
    """Info: urllib3 always makes its first retry at once."""
    assert "50%" in gale_words.verdicts(_storm(gale_words, [1, 300]), **PROFILE)["RTY006"].note


def test_a_client_that_is_late_itself_shows_no_wait(gale_words):
    """Forty milliseconds from call to wire: gaps of thirty are no backoff, gaps of 300 are."""
    for gap, expected in ((30, unknown("noise")), (300, PASS)):
        storm = gale_words.Storm(("503", "503")).start().wait(40)
        for _ in range(3):
            storm.request("503").answer(503).wait(gap)
        assert expected == gale_words.told(storm.end("failed").history(), "RTY006", **PROFILE)


def test_a_fiftieth_of_a_long_base_is_immediate_too(gale_words):
    """Fifteen milliseconds of a declared second."""
    history = _storm(gale_words, [15, 15])
    backoff = {"base_s": 1.0, "cap_s": 9.0}
    assert PASS == gale_words.told(history, "RTY006", **PROFILE)
    assert FAIL == gale_words.told(history, "RTY006", backoff=backoff, **PROFILE)


def test_small_draws_of_full_jitter_are_no_hot_loop(gale_words):
    """The trap: judged together, a few small gaps are chance."""
    storm = gale_words.Storm(("503", "503"))
    for ref, gaps in zip(gale_words.refs, ([2, 1], [40, 90], [20, 3], [45, 60]), strict=True):
        storm.start(ref)
        for gap in gaps:
            storm.request("503").answer(503).wait(gap)
        storm.request("503").answer(503).end("failed")
    assert PASS == gale_words.told(storm.history(), "RTY006", **PROFILE)


def test_a_resend_on_a_stale_connection_is_no_retry(gale_words):
    """The trap: it is immediate, and rightly so."""
    storm = gale_words.Storm(("stale", "503")).start()
    storm.request("stale", whole=False, nth=2).cut("rst").wait(1).request("503").answer(503).wait(1)
    history = storm.request("503").answer(503).wait(300).request("503").answer(503).end("failed").history()
    verdict = gale_words.verdicts(history, **PROFILE)["RTY006"]
    assert ("PASS", 1) == (verdict.outcome.value, verdict.observed)


def test_who_retries_once_cannot_show_a_hot_loop(gale_words):
    """One gap is none."""
    assert unknown("not_exercised") == gale_words.told(_storm(gale_words, [1]), "RTY006", max_attempts=2)


# -- RTY007 ------------------------------------------------------------------------------------------

def _sent(words, first, second, *, status=503, said=None, word=None):
    """Two attempts, each (method, target, headers, body); the first gets this answer."""
    storm = words.Storm((word or str(status), "ok")).start(kind="write", name="create")
    method, target, headers, body = first
    storm.request(word or str(status), method, headers, body, target=target).answer(status, said).wait(300)
    method, target, headers, body = second
    return storm.request("ok", method, headers, body, target=target).answer(200).end().history()


TEXT = {"Content-Type": "text/plain", "Idempotency-Key": "k"}
PUT = ("PUT", "/items/opaaaaaa?v=1", TEXT, "hello")


def test_the_same_request_again_is_right(gale_words):
    """Method, target, body and type are equal."""
    history = _sent(gale_words, PUT, PUT)
    assert PASS == gale_words.told(history, "RTY007", **PROFILE)
    assert [] == gale_words.failing(history, **PROFILE)


@pytest.mark.parametrize("second", [
    ("PUT", "/items/opaaaaaa?v=1&v=1", TEXT, "hello"), ("PATCH", "/items/opaaaaaa?v=1", TEXT, "hello"),
    ("PUT", "/items/items/opaaaaaa?v=1", TEXT, "hello"),
    ("PUT", "/items/opaaaaaa?v=1", {**TEXT, "Content-Type": "text/html"}, "hello"),
    ("PUT", "/items/opaaaaaa?v=1", {**TEXT, "Content-Encoding": "gzip"}, "hello")])
def test_another_request_fails_alone(gale_words, second):
    """Parameters appended, another method, path, type or encoding."""
    assert ["RTY007"] == gale_words.failing(_sent(gale_words, PUT, second), **PROFILE)


@pytest.mark.parametrize("body", ["", "hel", "hello, hello"])
@pytest.mark.parametrize("status", [503, 307, 308, 401])
def test_an_empty_or_short_body_fails(gale_words, body, status):
    """A consumed generator, behind a failure, a redirect or a refresh."""
    second = ("PUT", PUT[1], {**TEXT, "Authorization": "new"}, body)
    history = _sent(gale_words, PUT, second, status=status, said={"Location": PUT[1]})
    assert "RTY007" in gale_words.failing(history, **PROFILE)


def test_what_may_change_may(gale_words):
    """The trap: signed anew, with a date, an attempt counter and a trace."""
    first, second = (("PUT", PUT[1], {**TEXT, "Authorization": f"AWS4 {n}", "X-Amz-Date": f"2026112{n}",
                                      "traceparent": f"00-a-{n}-01", "X-Attempt": n}, "hello") for n in "12")
    assert PASS == gale_words.told(_sent(gale_words, first, second), "RTY007", **PROFILE)


def test_a_303_makes_a_get_of_it(gale_words):
    """The trap: that is what it says; a 307 does not."""
    get = ("GET", "/items/opaaaaaa", {}, "")
    said = {"Location": "/items/opaaaaaa"}
    assert unknown("not_exercised") == gale_words.told(
        _sent(gale_words, PUT, get, status=303, said=said), "RTY007", **PROFILE)
    assert FAIL == gale_words.told(_sent(gale_words, PUT, get, status=307, said=said), "RTY007", **PROFILE)


def test_a_redirect_leads_where_it_says(gale_words):
    """The target changes with the Location, and only so."""
    moved = ("PUT", "/new/opaaaaaa", TEXT, "hello")
    said = {"Location": "http://127.0.0.1/new/opaaaaaa"}
    assert PASS == gale_words.told(
        _sent(gale_words, PUT, moved, status=308, said={"Location": "/new/opaaaaaa"}), "RTY007", **PROFILE)
    assert PASS == gale_words.told(_sent(gale_words, PUT, moved, status=308, said=said), "RTY007", **PROFILE)
    assert FAIL == gale_words.told(
        _sent(gale_words, PUT, PUT, status=308, said={"Location": "/new/opaaaaaa"}), "RTY007", **PROFILE)


def test_the_parts_of_a_multipart_body_are_compared(gale_words):
    """A boundary of its own for each attempt is right, another part is not."""
    def upload(boundary, text):
        return ("POST", "/items", {**TEXT, "Content-Type": f"multipart/form-data; boundary={boundary}",
                                   "X-Request-Id": "opaaaaaa"}, f"--{boundary}\r\n\r\n{text}\r\n--{boundary}--")
    assert PASS == gale_words.told(
        _sent(gale_words, upload("aa1", "x"), upload("bbbb2", "x")), "RTY007", **PROFILE)
    assert FAIL == gale_words.told(
        _sent(gale_words, upload("aa1", "x"), upload("bbbb2", "y")), "RTY007", **PROFILE)


@pytest.mark.parametrize(("again", "expected"), [
    ("0123456789", PASS), ("", FAIL), ("01", FAIL), ("456789", FAIL)])
def test_after_a_cut_in_the_middle_the_whole_body_comes_again(gale_words, again, expected):
    """What had come of the first try is how the second must begin."""
    storm = gale_words.Storm(("rst after 4 request bytes", "ok")).start(kind="write", name="create")
    storm.request("rst after 4 request bytes", "POST", TEXT, whole=False)
    storm.add("tap", "request_part", storm.ref, connection=1, x=1, n=4, body="0123").cut("rst").wait(300)
    history = storm.request("ok", "POST", TEXT, again).answer(201).end().history()
    assert expected == gale_words.told(history, "RTY007", **PROFILE)


def test_a_look_up_before_a_write_is_sent_again_is_another_request(gale_words):
    """A client that asks first whether its lost write was applied does right."""
    storm = gale_words.Storm(("rst after effect", "ok")).start(kind="write", name="create")
    storm.post("rst after effect", "k").cut().wait(50).request("ok").answer(200).wait(50)
    assert unknown("not_exercised") == gale_words.told(
        storm.post("ok", "k").answer(201).end().history(), "RTY007", **PROFILE)


def test_one_attempt_shows_nothing_of_the_second(gale_words):
    """An error in place of a second attempt is right too, and no witness."""
    storm = gale_words.Storm(("503", "ok")).start().request("503").answer(503)
    assert unknown("not_exercised") == gale_words.told(storm.end("failed").history(), "RTY007", **PROFILE)


def test_judging_many_attempts_stays_linear_in_patterns(gale_words):
    """Gaps of every length are looked at without an error."""
    for count in itertools.chain(range(1, 8), [40]):
        gale_words.verdicts(_storm(gale_words, [10, 200] * count, operations=2), **PROFILE)
