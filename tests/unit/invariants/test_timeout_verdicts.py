"""TMO002 and TMO006 on literal histories."""

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)


def _hang(words, waits_s, *, ended=True, outcome="failed"):
    storm = words.Storm(("hang after request", "hang after request")).start()
    for waited in waits_s:
        storm.request("hang after request").gives_up(int(waited * 1000))
    return storm.end(outcome).history() if ended else storm


def test_a_client_that_gives_up_in_time_passes(gale_words):
    """A hang that ends within the read timeout is no finding of any invariant."""
    history = _hang(gale_words, [1.0])
    profile = {"read_timeout_s": 1.0, "deadline_s": 6.0}
    assert gale_words.told(history, "TMO002", **profile) == PASS
    assert gale_words.failing(history, **profile) == []


def test_a_wait_in_the_fail_zone_fails_alone_and_asks_for_reruns(gale_words):
    """Four seconds against one fail TMO002 only, as a verdict that rests on time."""
    history = _hang(gale_words, [4.0])
    assert gale_words.failing(history, read_timeout_s=1.0) == ["TMO002"]
    assert gale_words.verdicts(history, read_timeout_s=1.0)["TMO002"].timing


@pytest.mark.parametrize(("waited", "expected"), [
    (1.24, PASS), (1.6, ("UNKNOWN", "noise")), (2.2, FAIL)])
def test_the_zones_of_the_catalogue_hold(gale_words, waited, expected):
    """Up to L + 0.25 s passes, beyond L + 1 s fails, between is noise."""
    assert expected == gale_words.told(_hang(gale_words, [waited]), "TMO002", read_timeout_s=1.0)


def test_a_run_without_silence_never_exercises_the_timeout(gale_words):
    """A healthy answer proves nothing about waiting."""
    history = gale_words.Storm(("ok",)).start().request("ok").answer(200).end().history()
    assert gale_words.told(history, "TMO002", read_timeout_s=1.0) == ("UNKNOWN", "not_exercised")
    assert gale_words.told(history, "TMO006", deadline_s=1.0) == ("UNKNOWN", "not_exercised")


def test_an_undeclared_limit_passes_with_its_figure_where_the_client_ends_itself(gale_words):
    """The figure stands in the note, so that the owner can declare it."""
    verdict = gale_words.verdicts(_hang(gale_words, [2.0]))["TMO002"]
    assert (verdict.outcome.value, "2.0" in verdict.note) == ("PASS", True)


def test_still_waiting_without_a_limit_is_undeclared_and_fails_under_strict(gale_words):
    """Only a promise, or strict, makes an endless wait a failure."""
    storm = gale_words.Storm(("hang after request",)).start().request("hang after request")
    history = storm.wait(30_000).over_budget().history()
    assert gale_words.told(history, "TMO002") == ("UNKNOWN", "undeclared")
    assert gale_words.told(history, "TMO002", strict=True) == FAIL
    assert gale_words.told(history, "TMO002", read_timeout_s=1.0) == FAIL


def test_retries_beyond_the_deadline_fail_alone(gale_words):
    """Three waits of 3 s each break a deadline of 4 s, and no read timeout of 3 s."""
    history = _hang(gale_words, [3.0, 3.0, 3.0])
    profile = {"read_timeout_s": 3.0, "deadline_s": 4.0}
    assert gale_words.failing(history, **profile) == ["TMO006"]
    assert gale_words.verdicts(history, **profile)["TMO006"].timing


def test_an_undeclared_deadline_tells_the_worst_figure(gale_words):
    """The reader learns what to write."""
    verdict = gale_words.verdicts(_hang(gale_words, [1.0, 1.0]))["TMO006"]
    assert (verdict.reason, "deadline_s" in verdict.note) == ("undeclared", True)
    assert round(verdict.observed) == 2


def test_giving_up_before_a_sleep_that_would_cross_the_deadline_is_right(gale_words):
    """The trap of TMO006: an early error is within the deadline."""
    storm = gale_words.Storm(("429",)).start()
    history = storm.request("429").answer(429, {"Retry-After": "9"}).end("failed").history()
    assert gale_words.told(history, "TMO006", deadline_s=4.0) == PASS


def test_an_unplanned_fault_is_never_the_clients_failure(gale_words):
    """What the harness broke is told as harness_fault."""
    storm = _hang(gale_words, [9.0], ended=False)
    storm.add("tap", "fault_unplanned", x=storm.x, what="lane closed")
    history = storm.end("failed").history()
    assert gale_words.told(history, "TMO002", read_timeout_s=1.0) == ("UNKNOWN", "harness_fault")


def test_a_backoff_before_a_late_fin_is_no_wait(gale_words):
    """A pool that closes its socket only after the backoff hides when the client gave up."""
    storm = gale_words.Storm(("hang after request",) * 2).start()
    storm.request("hang after request").gives_up(2600).wait(3)
    storm.request("hang after request").gives_up(1000)
    history = storm.end("failed").history()
    profile = {"read_timeout_s": 1.0, "backoff": {"base_s": 1.6, "cap_s": 1.6}}
    assert PASS == gale_words.told(history, "TMO002", **profile)
    assert PASS == gale_words.told(history, "TMO002", read_timeout_s=1.0)
    short = {"read_timeout_s": 1.0, "backoff": {"base_s": 0.1, "cap_s": 0.1}}
    assert FAIL == gale_words.told(history, "TMO002", **short)


@pytest.mark.parametrize(("waited", "expected"), [(1.0, PASS), (4.0, FAIL)])
def test_a_lane_that_carries_nothing_is_a_silence(gale_words, waited, expected):
    """Under ``stall_after`` of 0 bytes the wait for a first byte is judged as under a hang."""
    storm = gale_words.Storm(("lane stall_after", "ok")).start().request("lane stall_after")
    history = storm.gives_up(int(waited * 1000)).end("failed").history()
    assert expected == gale_words.told(history, "TMO002", read_timeout_s=1.0)


@pytest.mark.parametrize(("waited", "expected"), [(1.0, PASS), (4.0, FAIL)])
def test_a_lane_that_stalls_after_the_head_is_a_body_stall(gale_words, waited, expected):
    """Under ``stall_after`` with the head carried, the wait for the rest is judged."""
    storm = gale_words.Storm(("lane stall_after", "ok")).start().request("lane stall_after")
    storm.wait(1).add("tap", "answer", storm.ref, connection=storm.connection, x=storm.x, n=90, total=99,
                      status=200, headers=[])
    history = storm.gives_up(int(waited * 1000)).end("failed").history()
    assert expected == gale_words.told(history, "TMO003", read_timeout_s=1.0)


def test_a_stalled_lane_asks_for_a_retry_where_timeouts_are_retried(gale_words):
    """RTY003: one attempt under ``stall_after``, health behind it, and no second attempt."""
    storm = gale_words.Storm(("lane stall_after", "ok")).start().request("lane stall_after")
    history = storm.gives_up(1000).end("failed").history()
    assert FAIL == gale_words.told(history, "RTY003", retry_on=["timeout"], max_attempts=3)
