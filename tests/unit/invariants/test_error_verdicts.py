"""ERR001, ERR005, ERR006, SEC008 on literal histories."""

import base64

import pytest

PASS, FAIL, IDLE = ("PASS", None), ("FAIL", None), ("UNKNOWN", "not_exercised")
UNDECLARED = ("UNKNOWN", "undeclared")
ERRORS = {"server": "shop.Down", "rate_limit": "shop.Busy", "timeout": "shop.Late"}


def _refused(words, error, said=503, headers=None, **facts):
    storm = words.Storm((str(said),)).start().request(str(said)).answer(said, headers)
    return storm.end("failed", error=error, **facts).history()


def test_the_declared_type_passes_and_a_subclass_does(gale_words):
    """Also where the package exports it from elsewhere than its home."""
    for error, bases in [("shop.Down", []), ("shop.errors.Down", []), ("shop.Worse", ["shop.Down"])]:
        history = _refused(gale_words, error, bases=bases)
        assert PASS == gale_words.told(history, "ERR001", errors=ERRORS)


@pytest.mark.parametrize("error", ["httpx.HTTPStatusError", "builtins.ValueError", "shop.Busy", "shop.Late"])
def test_another_type_fails_alone(gale_words, error):
    """The library's own, or that of another class: the caller cannot tell them apart."""
    assert ["ERR001"] == gale_words.failing(_refused(gale_words, error), errors=ERRORS)


def test_an_answer_that_comes_as_the_wait_ends_may_be_a_timeout(gale_words):
    """The wire saw it, the client did not; in good time it must be told as what it was."""
    for waited, verdict in [(390, PASS), (20, FAIL)]:
        storm = gale_words.Storm(("503",)).start().request("503").wait(waited).answer(503)
        history = storm.end("failed", error="shop.Late").history()
        assert verdict == gale_words.told(history, "ERR001", errors=ERRORS, read_timeout_s=0.4)


def test_nothing_declared_gives_a_table(gale_words):
    """UNKNOWN, and the note says what was seen."""
    verdict = gale_words.verdicts(_refused(gale_words, "httpx.HTTPStatusError"))["ERR001"]
    assert ("undeclared", True) == (verdict.reason, "server: httpx.HTTPStatusError" in verdict.note)


def test_a_failure_that_is_told_as_nothing_fails(gale_words):
    """return None."""
    history = gale_words.Storm(("503",)).start().request("503").answer(503).end("ok", None).history()
    assert FAIL == gale_words.told(history, "ERR001", errors=ERRORS)


def test_status_and_retry_after_must_be_kept(gale_words):
    """The right type without them is minor; of a foreign process they are not asked."""
    busy = {"Retry-After": "9"}
    kept = _refused(gale_words, "shop.Busy", 429, busy, status=429, retry_after=9.0)
    lost = _refused(gale_words, "shop.Busy", 429, busy, status=429, retry_after=None)
    assert PASS == gale_words.told(kept, "ERR001", errors=ERRORS)
    assert "minor" == gale_words.verdicts(lost, errors=ERRORS)["ERR001"].severity
    assert PASS == gale_words.told(_refused(gale_words, "shop.Busy", 429, busy), "ERR001", errors=ERRORS)


def test_a_success_exercises_no_error(gale_words):
    """Nothing failed."""
    history = gale_words.Storm(("ok",)).start().request("ok").answer(200).end().history()
    assert IDLE == gale_words.told(history, "ERR001", errors=ERRORS)


def _redirects(words, count, outcome="failed", value=None):
    storm = words.Storm(("302",), secrets={"api_key": words.canary}).start()
    for _ in range(count):
        storm.request("302", headers={"X-Key": words.canary}).answer(302, {"Location": "/x"})
    return storm.end(outcome, value).history()


def test_a_redirect_limit_is_obeyed_or_it_fails(gale_words):
    """n redirects are n + 1 requests; one more fails alone; undeclared it is told."""
    assert PASS == gale_words.told(_redirects(gale_words, 3), "ERR006", max_redirects=2)
    assert ["ERR006"] == gale_words.failing(_redirects(gale_words, 4), max_redirects=2)
    assert UNDECLARED == gale_words.told(_redirects(gale_words, 4), "ERR006")


def test_a_redirect_is_no_value(gale_words):
    """Not followed, and returned as a success."""
    assert FAIL == gale_words.told(_redirects(gale_words, 1, "ok", {}), "ERR006", max_redirects=0)
    calm = gale_words.Storm(("ok",)).start().request("ok").answer(200).end().history()
    assert IDLE == gale_words.told(calm, "ERR006", max_redirects=0)


@pytest.mark.parametrize(("count", "verdict"), [(21, PASS), (22, FAIL)])
def test_twenty_redirects_may_be_followed(gale_words, count, verdict):
    """Whatever is declared of sizes."""
    assert verdict == gale_words.told(_redirects(gale_words, count), "ERR005", max_attempts=1)


def _bomb(words, outcome, grown_mb, word="gzip bomb"):
    storm = words.Storm((word,)).add("subject", "memory", mb=60.0).wait(1).start().request(word)
    storm.answer(200).add("subject", "memory", mb=60.0 + grown_mb)
    return storm.wait(1).end(outcome).history()


def test_a_bomb_is_refused_or_it_fails(gale_words):
    """Taken whole, or unpacked before it was refused: both fail; undeclared they are told."""
    assert PASS == gale_words.told(_bomb(gale_words, "failed", 8), "ERR005", max_response_bytes=10**6)
    for history in (_bomb(gale_words, "ok", 8), _bomb(gale_words, "failed", 100)):
        assert ["ERR005"] == gale_words.failing(history, max_response_bytes=10**6)
        assert UNDECLARED == gale_words.told(history, "ERR005")


def test_a_download_is_not_judged_for_its_size(gale_words):
    """It is declared as one."""
    history = _bomb(gale_words, "ok", 8)
    assert IDLE == gale_words.told(history, "ERR005", max_response_bytes=10**6,
                                   operations={"fetch": {"download": True}})


def _asked(words, target, headers=None, sent=True):
    storm = words.Storm(("ok",), secrets={"api_key": words.canary}).start()
    key = {"Authorization": f"Bearer {words.canary}"} if sent else {}
    return storm.request("ok", headers=key | (headers or {}), target=target).answer(200).end().history()


def test_a_secret_in_the_url_fails_alone(gale_words):
    """Plain, in base64, and in Referer."""
    coded = base64.urlsafe_b64encode(gale_words.canary.encode()).decode()
    for target, headers in [(f"/x?k={gale_words.canary}", {}), (f"/{coded}/x", {}),
                            ("/x", {"Referer": f"http://a/{gale_words.canary}"})]:
        assert ["SEC008"] == gale_words.failing(_asked(gale_words, target, headers))


def test_a_clean_url_passes_where_the_secret_was_sent(gale_words):
    """PASS means that it went by another way."""
    assert PASS == gale_words.told(_asked(gale_words, "/x?sig=9f86d081884c7d659a2feaa0c55ad015"), "SEC008")
    silent = _asked(gale_words, "/x", sent=False)
    assert ("UNKNOWN", "capture_missing") == gale_words.told(silent, "SEC008")
