"""RAF003 on literal histories."""

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
WALL = {"start_wall_s": 1_795_600_000.0}
PAST, AGES = "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"
FORMS = ["-1", "0", "1.5", "1e3", "inf", "nan", "\u00b2", "", "soon", "2, 5", PAST, AGES]


def _busy(words, value, *, gaps=(100, 200), error="shop.Busy", times=3, plain="shop.Busy", **header):
    """One plain operation, and some that meet the value at each attempt."""
    refs = [f"op{i:06d}" for i in range(times + 1)]
    storm = words.Storm(("503",), refs=refs, **{**WALL, **header})
    for ref in refs:
        headers = None if ref == refs[0] else {"Retry-After": value}
        storm.start(ref)
        for gap in gaps:
            storm.request("503").answer(503, headers).wait(gap)
        storm.request("503").answer(503, headers)
        storm.end("failed", error=plain if ref == refs[0] else error)
    return storm


@pytest.mark.parametrize("value", FORMS)
def test_the_usual_backoff_and_the_usual_error_pass(gale_words, value):
    """Whatever the value."""
    history = _busy(gale_words, value).history()
    assert gale_words.told(history, "RAF003") == PASS
    assert gale_words.failing(history) == []


@pytest.mark.parametrize("value", FORMS)
def test_a_crash_in_another_type_fails_alone(gale_words, value):
    """ValueError where a plain 503 gives the client's own error."""
    history = _busy(gale_words, value, gaps=(), error="builtins.ValueError").history()
    failing = gale_words.failing(history)
    assert ["RAF003"] == [c for c in failing if c != "RAF002"]
    assert ("RAF002" in failing) == (value == PAST)
    verdict = gale_words.verdicts(history)["RAF003"]
    assert "the caller got builtins.ValueError" in verdict.findings[0].text


def test_another_error_of_the_clients_own_package_is_no_crash(gale_words):
    """A refusal to wait so long may have a type of its own."""
    assert gale_words.told(_busy(gale_words, "1e3", error="shop.errors.TooLong").history(), "RAF003") == PASS


@pytest.mark.parametrize("error", ["shop.Busy", "shop.Other"])
def test_declared_errors_are_what_callers_expect(gale_words, error):
    """The declared ones, and their kin."""
    history = _busy(gale_words, "-1", error=error, plain="other.Thing").history()
    assert gale_words.told(history, "RAF003", errors={"rate_limit": "shop.Busy"}) == PASS


def test_a_hot_loop_fails(gale_words):
    """Six retries after a word, each at once."""
    history = _busy(gale_words, "soon", gaps=(2, 2)).history()
    assert "RAF003" in gale_words.failing(history)


@pytest.mark.parametrize(("value", "gaps", "told"), [
    ("0", (2, 200), PASS), (PAST, (2, 200), PASS), ("0", (2, 2), FAIL), (PAST, (2, 2), FAIL)])
def test_zero_and_the_past_allow_one_retry_at_once(gale_words, value, gaps, told):
    """One, and then a backoff."""
    assert gale_words.told(_busy(gale_words, value, gaps=gaps).history(), "RAF003") == told


@pytest.mark.parametrize(("value", "profile", "told"), [
    ("inf", {}, FAIL), (AGES, {}, FAIL), ("1e3", {}, PASS), ("1e3", {"deadline_s": 2.0}, FAIL)])
def test_a_sleep_without_end_fails(gale_words, value, profile, told):
    """Cut off in it; a thousand seconds only against a deadline."""
    storm = gale_words.Storm(("503",), **WALL).start().request("503").answer(503).end("failed")
    storm.start(gale_words.refs[1]).request("503").answer(503, {"Retry-After": value}).wait(9000)
    assert gale_words.told(storm.over_budget().history(), "RAF003", **profile) == told


def test_no_plain_failure_and_nothing_declared_is_unknown(gale_words):
    """Whether a ValueError is the client's own cannot be known."""
    storm = gale_words.Storm(("503",), **WALL).start().request("503").answer(503, {"Retry-After": "-1"})
    history = storm.end("failed", error="builtins.ValueError").history()
    assert gale_words.told(history, "RAF003") == ("UNKNOWN", "not_exercised")


def test_a_sound_header_exercises_nothing(gale_words):
    """Two seconds are RAF001's matter."""
    assert gale_words.told(_busy(gale_words, "2").history(), "RAF003") == ("UNKNOWN", "not_exercised")


def test_a_client_that_is_slow_to_the_wire_hides_a_hot_loop(gale_words):
    """Calls take 30 ms, retries 20."""
    storm = gale_words.Storm(("503",), **WALL)
    for ref, headers in zip(gale_words.refs, (None, {"Retry-After": "soon"}), strict=False):
        storm.start(ref).wait(30)
        for _ in range(5):
            storm.request("503").answer(503, headers).wait(20)
        storm.end("failed")
    assert gale_words.told(storm.history(), "RAF003") == ("UNKNOWN", "noise")


def test_a_hot_loop_that_a_loaded_machine_slows_down_is_undecided(gale_words):
    """Gaps of 12 ms where a plain failure is followed by 100 and 200."""
    storm = gale_words.Storm(("503",), **WALL)
    for ref, gap in zip(gale_words.refs, (100, 12, 12, 12), strict=False):
        headers = None if gap == 100 else {"Retry-After": "soon"}
        storm.start(ref).request("503").answer(503, headers).wait(gap)
        storm.request("503").answer(503, headers).wait(2 * gap if gap == 100 else gap)
        storm.request("503").answer(503, headers).end("failed")
    assert gale_words.told(storm.history(), "RAF003") == ("UNKNOWN", "noise")


@pytest.mark.parametrize(("value", "began_ms", "told"), [
    ("1e3", 8000, PASS), ("nan", 6000, PASS), ("nan", 0, FAIL)])
def test_what_we_cut_off_is_no_crash_and_no_sleep_of_its_own(gale_words, value, began_ms, told):
    """One call outlives its budget, and those beside it are cut off for its sake, in mid-backoff."""
    storm = gale_words.Storm(("503",), **WALL).start().request("503").answer(503).end("failed")
    longest, beside = gale_words.refs[1:3]
    storm.start(longest).request("503").answer(503, {"Retry-After": "1e3"}).wait(began_ms)
    storm.start(beside).request("503").answer(503, {"Retry-After": value}).wait(8000 - began_ms)
    for ref in (longest, beside):
        storm.ref = ref
        storm.add("controller", "over_budget", ref).end("killed", error="galeproof.Killed")
    assert gale_words.told(storm.history(), "RAF003") == told
