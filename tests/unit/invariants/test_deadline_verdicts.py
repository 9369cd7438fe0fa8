"""TMO001, TMO003, TMO004 and TMO008 on literal histories."""

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
PROFILE = {"max_attempts": 3, "connect_timeout_s": 1.0, "read_timeout_s": 1.0, "deadline_s": 6.0,
           "retry_on": ["connect", "timeout"], "backoff": {"base_s": 0.2, "cap_s": 2.0}}


def unknown(reason):
    return ("UNKNOWN", reason)


# -- TMO001 ------------------------------------------------------------------------------------------

def _hole(words, ended_ms, *, made=True, cut=False):
    """One operation that finds only a port where connecting hangs."""
    storm = words.Storm(("blackhole",), budget_s=ended_ms / 1000)
    storm.add("tap", "blackhole", words.refs[0], lasts=ended_ms + 20, made=made).start().wait(ended_ms)
    if not cut:
        return storm.end("failed").history()
    return storm.add("controller", "over_budget", words.refs[0]).end("killed").history()


@pytest.mark.parametrize(("ended_ms", "expected"), [
    (3600, PASS), (3900, PASS), (4600, unknown("noise")), (5500, FAIL)])
def test_connecting_is_held_against_all_declared_attempts(gale_words, ended_ms, expected):
    """Three attempts of 1 s and backoffs of 0.2 and 0.4 s make 3.6 s, less than the deadline."""
    assert expected == gale_words.told(_hole(gale_words, ended_ms), "TMO001", **PROFILE)


def test_a_client_that_never_gives_up_connecting_fails_alone(gale_words):
    """Still connecting when it was cut off, far beyond what is declared."""
    history = _hole(gale_words, 30_000, cut=True)
    assert ["TMO001"] == gale_words.failing(history, **PROFILE)
    assert not gale_words.verdicts(history, **PROFILE)["TMO001"].timing
    assert "no connect timeout" in gale_words.verdicts(history, **PROFILE)["TMO001"].findings[0].text


def test_a_late_end_asks_for_reruns(gale_words):
    """It ended by itself, and too late: only a rerun tells the client from the machine."""
    assert gale_words.verdicts(_hole(gale_words, 5900), **PROFILE)["TMO001"].timing


def test_the_systems_own_retries_are_right_within_the_deadline(gale_words):
    """The trap: no connect timeout, but a deadline that the system's SYN retries keep."""
    assert PASS == gale_words.told(_hole(gale_words, 127_000), "TMO001", deadline_s=130.0)
    history = _hole(gale_words, 30_000, cut=True)
    assert unknown("budget_exhausted") == gale_words.told(history, "TMO001", deadline_s=130.0)


def test_an_undeclared_connect_budget_passes_with_its_figure(gale_words):
    """Ended by itself: PASS with a note; still waiting: undeclared, and FAIL under strict."""
    verdict = gale_words.verdicts(_hole(gale_words, 9000))["TMO001"]
    assert ("PASS", True) == (verdict.outcome.value, "9.00 s" in verdict.note)
    history = _hole(gale_words, 30_000, cut=True)
    assert unknown("undeclared") == gale_words.told(history, "TMO001")
    assert FAIL == gale_words.told(history, "TMO001", strict=True)


def test_backoffs_that_nobody_declared_are_given_room(gale_words):
    """Attempts without backoffs are no whole limit: three times as much, and only while it waits."""
    assert PASS == gale_words.told(_hole(gale_words, 9000), "TMO001", connect_timeout_s=1.0)
    history = _hole(gale_words, 12_000, cut=True)
    assert unknown("budget_exhausted") == gale_words.told(history, "TMO001", connect_timeout_s=1.0)
    assert FAIL == gale_words.told(_hole(gale_words, 30_000, cut=True), "TMO001", connect_timeout_s=1.0)


def test_a_fault_that_the_platform_could_not_make_is_no_verdict(gale_words):
    """A hole that let our own connection through shows nothing of the client."""
    assert unknown("harness_fault") == gale_words.told(_hole(gale_words, 9000, made=False), "TMO001")


def test_without_a_hanging_connect_it_is_not_exercised(gale_words):
    """Nor where the operation reached the provider after all."""
    assert unknown("not_exercised") == gale_words.told(_stall(gale_words, [1.0]), "TMO001", **PROFILE)


# -- TMO003 ------------------------------------------------------------------------------------------

def _stall(words, waits_s, word="hang after headers"):
    """Answers whose head comes and whose body does not."""
    storm = words.Storm((word, word)).start()
    for waited in waits_s:
        storm.request(word).wait(1).add(
            "tap", "answer", storm.ref, connection=storm.connection, x=storm.x, n=90, total=90,
            status=200, headers=[["Content-Length", "40"]])
        storm.gives_up(int(waited * 1000))
    return storm.end("failed").history()


@pytest.mark.parametrize(("waited", "expected"), [
    (1.0, PASS), (1.24, PASS), (1.6, unknown("noise")), (2.3, FAIL)])
def test_a_stalled_body_is_held_against_the_read_timeout(gale_words, waited, expected):
    """The zones of the catalogue, counted from the head's last byte."""
    assert expected == gale_words.told(_stall(gale_words, [waited]), "TMO003", **PROFILE)


def test_a_timeout_that_ends_with_the_head_fails_alone(gale_words):
    """Four seconds on a body that never came; the silence before the head is TMO002's."""
    history = _stall(gale_words, [4.0])
    assert ["TMO003"] == gale_words.failing(history, **PROFILE)
    assert unknown("not_exercised") == gale_words.told(history, "TMO002", **PROFILE)


def test_a_silence_before_the_head_does_not_exercise_the_body(gale_words):
    """A hang after the request has no body to wait for."""
    storm = gale_words.Storm(("hang after request",)).start().request("hang after request")
    history = storm.gives_up(4000).end("failed").history()
    assert unknown("not_exercised") == gale_words.told(history, "TMO003", **PROFILE)


def test_still_reading_at_the_end_of_the_observation_is_undeclared(gale_words):
    """Nothing declared: no promise is broken, but under strict it is."""
    storm = gale_words.Storm(("hang after headers",)).start().request("hang after headers")
    storm.add("tap", "answer", storm.ref, connection=1, x=1, n=9, total=9, status=200, headers=[])
    history = storm.wait(30_000).over_budget().history()
    assert unknown("undeclared") == gale_words.told(history, "TMO003")
    assert FAIL == gale_words.told(history, "TMO003", strict=True)
    assert FAIL == gale_words.told(history, "TMO003", **PROFILE)


# -- TMO004 ------------------------------------------------------------------------------------------

def _drip(words, pieces, *, every_ms=400, word="drip body", outcome="failed", whole=False, cut=False):
    storm = words.Storm((word,)).start().request(word)
    for number in range(pieces):
        status = {"status": 200, "headers": []} if number == 0 and word != "drip interim" else {}
        storm.wait(every_ms).add("tap", "answer", storm.ref, connection=1, x=1, n=1, total=number + 1,
                                 **status)
    if whole:
        storm.add("tap", "answer_end", storm.ref, connection=1, x=1, total=pieces)
    if cut:
        return storm.over_budget().history()
    return storm.add("tap", "client_fin", storm.ref, connection=1, x=1).end(outcome).history()


@pytest.mark.parametrize(("pieces", "expected"), [
    (15, PASS), (16, PASS), (18, unknown("noise")), (23, FAIL)])
@pytest.mark.parametrize("word", ["drip body", "drip headers", "drip interim", "endless body"])
def test_a_drip_is_held_against_the_deadline(gale_words, word, pieces, expected):
    """Six seconds are promised whatever trickles."""
    assert expected == gale_words.told(_drip(gale_words, pieces, word=word), "TMO004", **PROFILE)


@pytest.mark.parametrize("outcome", ["ok", "failed"])
def test_ten_seconds_of_drips_fail_alone_whatever_the_outcome(gale_words, outcome):
    """Each read in time, and the whole far beyond the deadline; it asks for reruns."""
    history = _drip(gale_words, 26, outcome=outcome, whole=outcome == "ok")
    assert ["TMO004"] == gale_words.failing(history, **PROFILE)
    assert gale_words.verdicts(history, **PROFILE)["TMO004"].timing


def test_a_client_that_gives_up_early_on_a_slow_provider_passes(gale_words):
    """The trap: a minimum of throughput is a bound too."""
    assert PASS == gale_words.told(_drip(gale_words, 4), "TMO004", **PROFILE)


def test_a_102_taken_for_the_final_answer_shows_nothing_of_a_deadline(gale_words):
    """The client did not wait: neither PASS nor FAIL, and the note says why."""
    verdict = gale_words.verdicts(_drip(gale_words, 1, word="drip interim"), **PROFILE)["TMO004"]
    assert ("not_exercised", True) == (verdict.reason, "interim" in verdict.note)


def test_an_undeclared_deadline_passes_only_where_the_client_ended_it(gale_words):
    """It gave up by itself, or it read to the end: only the first is a bound."""
    assert "gave up" in gale_words.verdicts(_drip(gale_words, 20))["TMO004"].note
    history = _drip(gale_words, 26, outcome="ok", whole=True)
    verdict = gale_words.verdicts(history)["TMO004"]
    assert ("undeclared", True) == (verdict.reason, "no total deadline <= 10.4 s seen" in verdict.note)
    assert FAIL == gale_words.told(history, "TMO004", strict=True)


def test_an_observation_shorter_than_the_deadline_decides_nothing(gale_words):
    """Cut off while it was still within its promise; beyond it, it fails without reruns."""
    history = _drip(gale_words, 20, cut=True)
    assert unknown("budget_exhausted") == gale_words.told(history, "TMO004", deadline_s=20.0)
    assert FAIL == gale_words.told(history, "TMO004", deadline_s=2.0)
    assert not gale_words.verdicts(history, deadline_s=2.0)["TMO004"].timing


def test_a_usual_answer_does_not_exercise_the_total_deadline(gale_words):
    """A healthy answer is no drip."""
    history = gale_words.Storm(("ok",)).start().request("ok").answer(200).end().history()
    assert unknown("not_exercised") == gale_words.told(history, "TMO004", **PROFILE)


# -- TMO008 ------------------------------------------------------------------------------------------

def _given_up(words, linger_s=3.2, **header):
    """An operation that gave up on a silence, and closed its connection."""
    storm = words.Storm(("hang after request",) * 2, linger_s=linger_s, **header)
    return storm.start().request("hang after request").gives_up(1000)


def _late_head(storm, after_ms, ref):
    storm.wait(after_ms).ref = ref
    return storm.request("hang after request")


def test_a_client_that_leaves_nothing_behind_passes(gale_words):
    """No attempt after the outcome, and the connection closed."""
    history = _given_up(gale_words).end("failed").history()
    assert PASS == gale_words.told(history, "TMO008", **PROFILE)
    assert [] == gale_words.failing(history, **PROFILE)


def test_an_attempt_after_the_outcome_fails_alone(gale_words):
    """The thread behind future.result(timeout) goes on retrying."""
    storm = _given_up(gale_words).end("failed")
    history = _late_head(storm, 900, gale_words.refs[0]).gives_up(900).history()
    assert ["TMO008"] == gale_words.failing(history, **PROFILE)
    assert gale_words.verdicts(history, **PROFILE)["TMO008"].timing


def test_an_attempt_that_the_wire_shows_a_little_late_is_no_orphan(gale_words):
    """Outcome and start have different witnesses: 0.1 s is within the tolerance."""
    storm = _given_up(gale_words).end("failed")
    history = _late_head(storm, 90, gale_words.refs[0]).gives_up(900).history()
    assert PASS == gale_words.told(history, "TMO008", **PROFILE)


@pytest.mark.parametrize(("left_ms", "expected"), [
    (900, PASS), (1600, unknown("noise")), (2400, FAIL), (9000, FAIL)])
def test_the_connection_of_an_abandoned_attempt_is_closed_in_time(gale_words, left_ms, expected):
    """Within 1 s of the outcome; what the instance's own close ended counts as left open."""
    storm = gale_words.Storm(("hang after request",), linger_s=3.2).start()
    storm.request("hang after request").wait(1000).end("failed").wait(left_ms - 5)
    history = storm.add("tap", "client_fin", storm.ref, connection=1, x=1).history()
    assert expected == gale_words.told(history, "TMO008", **PROFILE)


def test_a_cancelled_operation_starts_no_more_attempts(gale_words):
    """What counts is when the caller cancelled, not when the client noticed."""
    storm = gale_words.Storm(("hang after request",) * 2, linger_s=3.2).start()
    storm.request("hang after request").wait(500).add("subject", "op_cancel", storm.ref)
    quiet = storm.gives_up(3).end("cancelled").history()
    assert PASS == gale_words.told(quiet, "TMO008", **PROFILE)
    history = _late_head(storm, 700, gale_words.refs[0]).gives_up(100).history()
    assert ["TMO008"] == gale_words.failing(history, **PROFILE)


def test_a_cancelled_wait_is_nobodys_timeout(gale_words):
    """The caller ended it: it shows nothing of timeouts, cap, deadline or recovery."""
    storm = gale_words.Storm(("hang after request",), linger_s=3.2).start()
    storm.request("hang after request").wait(500).add("subject", "op_cancel", storm.ref)
    verdicts = gale_words.verdicts(storm.gives_up(3).end("cancelled").history(), **PROFILE)
    for code in ("TMO002", "TMO006", "RTY001", "RTY003"):
        assert ("UNKNOWN", "not_exercised") == (verdicts[code].outcome.value, verdicts[code].reason)


def test_a_kept_connection_after_a_whole_answer_is_right(gale_words):
    """The trap: it was answered, so nothing was abandoned."""
    storm = gale_words.Storm(("503",), linger_s=3.2).start().request("503").answer(503).end("failed")
    assert unknown("not_exercised") == gale_words.told(storm.history(), "TMO008", **PROFILE)


def test_a_declared_hedge_may_let_the_losing_read_finish(gale_words):
    """The trap: the loser ends after the outcome; undeclared it is left open too long."""
    storm = gale_words.Storm(("hang after request", "ok"), linger_s=4.0).start()
    storm.request("hang after request").wait(300).request("ok").answer(200).end().wait(2500)
    history = storm.add("tap", "client_fin", storm.ref, connection=1, x=1).history()
    assert PASS == gale_words.told(history, "TMO008", hedged=True, **PROFILE)
    assert FAIL == gale_words.told(history, "TMO008", **PROFILE)


def test_who_is_not_watched_after_its_end_shows_no_absence(gale_words):
    """Without a linger nothing is said; one that is too short is told as such."""
    assert unknown("not_exercised") == gale_words.told(
        _given_up(gale_words, 0).end("failed").history(), "TMO008", **PROFILE)
    assert unknown("budget_exhausted") == gale_words.told(
        _given_up(gale_words, 0.5).end("failed").history(), "TMO008", **PROFILE)
