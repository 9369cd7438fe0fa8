"""What lies outside an invariant's schedule decides nothing of it."""

import pytest

from galeproof.runner.judging import Judged, judge_runs


def test_an_operation_cut_off_in_a_silence_says_nothing_of_the_retry_cap(gale_words):
    """It waited; how often it would have tried is not known."""
    storm = gale_words.Storm(("hang after request",)).start().request("hang after request").wait(6000)
    told = gale_words.told(storm.over_budget().history(), "RTY001", max_attempts=3)
    assert ("UNKNOWN", "not_exercised") == told


def test_an_operation_cut_off_while_it_retries_is_told_apart(gale_words):
    """Still below the cap and still trying: the observation was too short."""
    storm = gale_words.Storm(("503", "503")).start().request("503").answer(503).wait(6000)
    told = gale_words.told(storm.over_budget().history(), "RTY001", max_attempts=3)
    assert ("UNKNOWN", "budget_exhausted") == told


def test_a_secret_cannot_be_sent_where_no_request_came_through(gale_words):
    """A refused connection carries no canary: not exercised, and no missing capture."""
    storm = gale_words.Storm(("refuse",), secrets={"k": gale_words.canary}, channels=["log"]).start()
    storm.add("subject", "probe", channel="log", found=True)
    assert ("UNKNOWN", "not_exercised") == gale_words.told(storm.end("failed").history(), "SEC001")


@pytest.mark.parametrize("words", [("stale", "ok"), ("stale", "503")])
def test_who_keeps_no_connection_lacks_what_a_stale_one_needs(gale_words, words):
    """Also where more is planned after it: that never comes, and the other storms decide."""
    stale = gale_words.Storm(words, scenario="stale-then-busy", expect={"exercised": ["RTY006"]})
    stale = stale.start().request("ok").answer(200).end().history()
    busy = gale_words.Storm(("503", "503"), scenario="busy", expect={"exercised": ["RTY006"]}).start()
    for _ in range(3):
        busy.request("503").answer(503).wait(300)
    told = judge_runs([Judged(stale), Judged(busy.end("failed").history())], {"RTY006"})
    assert [("RTY006", "PASS")] == [(v.code, v.outcome.value) for v in told]
