"""RTY001, RTY003 and RAF001 on literal histories."""

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)


def _storm(words, attempts, *, gap=300, outcome="failed"):
    storm = words.Storm(("503", "503")).start()
    for _ in range(attempts):
        storm.request("503").answer(503).wait(gap)
    return storm.end(outcome)


@pytest.mark.parametrize(("attempts", "severity"), [
    (4, "minor"), (6, "minor"), (7, "major"), (49, "major"), (50, "critical")])
def test_the_severity_grows_with_the_excess(gale_words, attempts, severity):
    """Twice the cap is minor, above is major, fifty are critical; nothing else fails."""
    history = _storm(gale_words, attempts).history()
    assert gale_words.failing(history, max_attempts=3) == ["RTY001"]
    verdict = gale_words.verdicts(history, max_attempts=3)["RTY001"]
    assert (severity, attempts, 3) == (verdict.severity, verdict.observed, verdict.limit)
    assert f"{attempts} attempts > 3" in verdict.findings[0].text


def test_attempts_at_the_cap_pass(gale_words):
    """Three of three is what was promised."""
    assert gale_words.told(_storm(gale_words, 3).history(), "RTY001", max_attempts=3) == PASS


def test_an_undeclared_cap_is_five(gale_words):
    """Five pass and six fail where nothing is declared."""
    assert gale_words.told(_storm(gale_words, 5).history(), "RTY001") == PASS
    assert gale_words.told(_storm(gale_words, 6).history(), "RTY001") == FAIL


def test_one_stale_resend_is_counted_apart(gale_words):
    """A resend on a fresh connection right after a kept one was reset is no retry."""
    storm = gale_words.Storm(("stale", "503", "503")).start()
    storm.request("stale", whole=False, nth=2).cut("rst")
    for _ in range(3):
        storm.request("503").answer(503).wait(300)
    assert gale_words.told(storm.end("failed").history(), "RTY001", max_attempts=3) == PASS


def test_connections_without_a_request_count_as_attempts(gale_words):
    """Resets on accept are tries too, where one operation runs at a time."""
    storm = gale_words.Storm(("rst after accept",)).start()
    for _ in range(4):
        storm.rst0().wait(100)
    history = storm.end("failed").history()
    assert gale_words.failing(history, max_attempts=3) == ["RTY001"]


def test_a_storm_that_outlasts_the_observation_within_the_cap_is_undecided(gale_words):
    """Nobody knows what the client would have done next."""
    storm = gale_words.Storm(("503", "503")).start().request("503").answer(503)
    history = storm.wait(9000).over_budget().history()
    assert gale_words.told(history, "RTY001", max_attempts=3) == ("UNKNOWN", "budget_exhausted")


def test_success_with_the_providers_value_recovers(gale_words):
    """One declared failure, then the very value of the origin."""
    storm = gale_words.Storm().start().request("503").answer(503).wait(200)
    history = storm.request("ok").answer(200).end().history()
    profile = {"retry_on": [503], "max_attempts": 3}
    assert gale_words.told(history, "RTY003", **profile) == PASS
    assert gale_words.failing(history, **profile) == []


@pytest.mark.parametrize("value", [None, {"id": "opzzzzzz"}])
def test_success_without_the_providers_value_fails_alone(gale_words, value):
    """A swallowed error that returns None, or another value, is no recovery."""
    storm = gale_words.Storm().start().request("503").answer(503).wait(200)
    history = storm.request("ok").answer(200).end(value=value).history()
    assert gale_words.failing(history, retry_on=[503], max_attempts=3) == ["RTY003"]


def test_giving_up_on_a_declared_reset_fails(gale_words):
    """Statuses are retried, resets are not: the declared half is missing."""
    storm = gale_words.Storm(("rst after request", "ok")).start()
    history = storm.request("rst after request").cut("rst").end("failed").history()
    assert gale_words.failing(history, retry_on=["reset", 503], max_attempts=3) == ["RTY003"]
    assert gale_words.told(
        history, "RTY003", retry_on=[503], max_attempts=3
    ) == ("UNKNOWN", "not_exercised")
    assert gale_words.told(history, "RTY003") == ("UNKNOWN", "undeclared")


def test_a_storm_without_end_asks_no_recovery(gale_words):
    """Failing through a lasting outage is right."""
    assert gale_words.told(
        _storm(gale_words, 3).history(), "RTY003", retry_on=[503], max_attempts=3
    ) == ("UNKNOWN", "not_exercised")


def _after(words, gap_ms, value="2"):
    storm = words.Storm(("429", "ok")).start()
    storm.request("429").answer(429, {"Retry-After": value}).wait(gap_ms)
    return storm.request("ok").answer(200).end().history()


@pytest.mark.parametrize(("gap_ms", "expected"), [
    (1960, FAIL), (1990, PASS), (2003, PASS), (5000, PASS), (300, FAIL)])
def test_the_next_attempt_keeps_its_distance(gale_words, gap_ms, expected):
    """The largest possible gap must reach Retry-After, less 0.02 s; later is fine."""
    assert expected == gale_words.told(_after(gale_words, gap_ms), "RAF001")


def test_an_early_retry_fails_alone(gale_words):
    """The figure and the header's value stand in the finding."""
    history = _after(gale_words, 300)
    profile = {"retry_on": [429], "max_attempts": 3, "deadline_s": 9.0}
    assert gale_words.failing(history, **profile) == ["RAF001"]
    verdict = gale_words.verdicts(history, **profile)["RAF001"]
    assert (round(verdict.observed, 1), verdict.limit) == (0.3, 2)


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", "²", ""])
def test_a_value_that_is_no_delay_is_another_invariants_matter(gale_words, value):
    """Invalid values do not exercise RAF001."""
    assert gale_words.told(_after(gale_words, 3, value), "RAF001") == ("UNKNOWN", "not_exercised")


def test_giving_up_counts_only_for_a_client_that_retries_that_status(gale_words):
    """The trap of RAF001: failing at once is right; never retrying shows nothing."""
    storm = gale_words.Storm(("429", "ok")).start()
    history = storm.request("429").answer(429, {"Retry-After": "2"}).end("failed").history()
    assert gale_words.told(history, "RAF001", retry_on=[429], retry_after_max_s=1.0) == PASS
    assert gale_words.told(history, "RAF001") == ("UNKNOWN", "not_exercised")


def test_two_failures_are_not_promised_where_no_cap_is_declared(gale_words):
    """The statement says one transient failure: two may use up what nobody declared."""
    words = gale_words.Storm(("503", "503", "ok"), spoiled=2).start()
    history = words.request("503").answer(503).wait(50).request("503").answer(503).end("failed").history()
    assert "UNKNOWN" == gale_words.told(history, "RTY003", retry_on=[503])[0]
    assert "FAIL" == gale_words.told(history, "RTY003", retry_on=[503], max_attempts=3)[0]


def test_a_slow_success_is_no_failure_to_recover_from(gale_words):
    """A lane that only delays an answer of 200 exercises nothing."""
    words = gale_words.Storm(("lane latency", "ok")).start()
    history = words.request("lane latency").answer(200).end("ok").history()
    assert "UNKNOWN" == gale_words.told(history, "RTY003", retry_on=[503], max_attempts=3)[0]


@pytest.mark.parametrize(("waited_ms", "told"), [(300, FAIL), (6100, ("UNKNOWN", "noise"))])
def test_a_healthy_answer_after_the_declared_time_shows_no_policy(gale_words, waited_ms, told):
    """A starved client that got its answer too late is no client that cannot recover."""
    storm = gale_words.Storm(("503", "ok")).start()
    storm.request("503").answer(503).wait(waited_ms)
    storm.request("ok").answer(200).wait(50)
    history = storm.end("failed", error="Timeout").history()
    profile = {"retry_on": [503], "max_attempts": 3, "deadline_s": 6.0}
    assert told == gale_words.told(history, "RTY003", **profile)


@pytest.mark.parametrize(("declared", "told"), [
    ({}, ("UNKNOWN", "undeclared")), ({"read_timeout_s": 1.0}, FAIL)])
def test_a_silence_that_we_stopped_watching_shows_no_policy(gale_words, declared, told):
    """Who promises no read timeout may have tried again later; who does promise one had time."""
    storm = gale_words.Storm(("hang after request", "ok"), budget_s=8.0).start()
    history = storm.request("hang after request").wait(8000).over_budget().history()
    assert told == gale_words.told(history, "RTY003", retry_on=["timeout"], max_attempts=3, **declared)


def test_a_long_retry_after_is_told_in_full(gale_words):
    """The finding says the number that was sent."""
    storm = gale_words.Storm(("503", "503")).start()
    storm.request("503").answer(503, {"Retry-After": "99999999999"}).wait(300)
    history = storm.request("503").answer(503).end("failed").history()
    text = gale_words.verdicts(history, deadline_s=6.0)["RAF001"].findings[0].text
    assert "503 said Retry-After: 99999999999, attempt 2" in text


@pytest.mark.parametrize(("before_ms", "told"), [(100, FAIL), (1600, ("UNKNOWN", "noise"))])
def test_a_client_that_came_late_to_the_wire_shows_no_policy(gale_words, before_ms, told):
    """A quarter of the deadline before the first attempt is the machine's doing."""
    storm = gale_words.Storm(("503", "ok")).start().wait(before_ms)
    history = storm.request("503").answer(503).end("failed", error="Timeout").history()
    profile = {"retry_on": [503], "max_attempts": 3, "deadline_s": 6.0}
    assert told == gale_words.told(history, "RTY003", **profile)


@pytest.mark.parametrize(("before_ms", "told"), [(300, FAIL), (600, ("UNKNOWN", "noise"))])
def test_attempts_that_timed_out_before_a_byte_was_sent_are_the_machines(gale_words, before_ms, told):
    """A first attempt that came later than the client's own timeout may not have been its first."""
    storm = gale_words.Storm(("rst after request", "ok")).start().wait(before_ms)
    history = storm.request("rst after request").cut("rst").end("failed", error="Timeout").history()
    profile = {"retry_on": ["reset"], "max_attempts": 3, "connect_timeout_s": 0.5}
    assert told == gale_words.told(history, "RTY003", **profile)
