"""TMO007 on literal histories."""

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
SLOW = {"deadline_s": 2.5, "read_timeout_s": 2.2}
TOLD = {"deadline_s": 2.5, "read_timeout_s": 0.4, "deadline_header": "X-Deadline-Ms"}


def _hung(words, lived, *, first=1750, **header):
    """The first attempt takes long, the second hangs until its client leaves."""
    storm = words.Storm(("503", "hang after request"), **header).start()
    storm.request("503").wait(first).answer(503).request("hang after request").gives_up(lived)
    return storm.end("failed").history()


def test_an_attempt_given_up_when_nothing_remains_passes(gale_words):
    """0.7 s of a timeout of 2.2."""
    history = _hung(gale_words, 740)
    assert gale_words.told(history, "TMO007", **SLOW) == PASS
    assert gale_words.failing(history, **SLOW) == []


def test_a_whole_timeout_for_the_last_attempt_fails(gale_words):
    """2.2 s where 0.7 remained: the deadline breaks with it."""
    history = _hung(gale_words, 2200)
    assert gale_words.failing(history, **SLOW) == ["TMO006", "TMO007"]
    verdict = gale_words.verdicts(history, **SLOW)["TMO007"]
    assert (True, "major", True) == (verdict.timing, verdict.severity,
                                     "lived 2.20 s" in verdict.findings[0].text)


def test_between_the_zones_is_noise(gale_words):
    """1.4 s where 0.7 remained."""
    assert gale_words.told(_hung(gale_words, 1400), "TMO007", **SLOW) == ("UNKNOWN", "noise")


def test_an_attempt_that_never_ends_fails_without_reruns(gale_words):
    """Cut off by the controller."""
    storm = gale_words.Storm(("503", "hang after request")).start()
    storm.request("503").wait(1750).answer(503).request("hang after request").wait(9000).over_budget()
    verdict = gale_words.verdicts(storm.history(), **SLOW)["TMO007"]
    assert ("FAIL", False) == (verdict.outcome.value, verdict.timing)


def test_a_timeout_shorter_than_what_remains_does_not_tell(gale_words):
    """0.4 s: it never had to shrink."""
    short = {"deadline_s": 6.0, "read_timeout_s": 0.4}
    assert gale_words.told(_hung(gale_words, 400), "TMO007", **short) == ("UNKNOWN", "not_exercised")


def _told(words, values, gap=300, **more):
    storm = words.Storm(("503",), **more).start()
    for value in values:
        storm.request("503", headers={"X-Deadline-Ms": str(value)} if value else {}).answer(503).wait(gap)
    return storm.end("failed").history()


@pytest.mark.parametrize("values", [(2498, 2190, 1880), (2400, 1000), (1795600002500, 1795600002500)])
def test_a_header_that_falls_or_an_instant_passes(gale_words, values):
    """What remains, less than that, and one instant for all attempts."""
    history = _told(gale_words, values, start_wall_s=1795600000.0)
    assert gale_words.told(history, "TMO007", **TOLD) == PASS


@pytest.mark.parametrize("values", [(2498, 2498), (2498, 2100, 2200), (2100, 2100), (9000, 8000),
                                    (1795600009500, 1795600009500)])
def test_a_header_that_is_copied_or_too_large_fails_alone(gale_words, values):
    """Verbatim from the first attempt, rising, or more than there ever was."""
    history = _told(gale_words, values, start_wall_s=1795600000.0)
    assert gale_words.failing(history, **TOLD) == ["TMO007"]


def test_a_stall_between_making_a_header_and_sending_it_is_no_lie(gale_words):
    """It was right when it was made: after the attempt before had ended."""
    history = _told(gale_words, (2498, 2490), gap=900)
    assert gale_words.told(history, "TMO007", **TOLD) == PASS


def test_a_grpc_timeout_has_its_own_units(gale_words):
    """2400m are milliseconds."""
    told = {**TOLD, "deadline_header": "grpc-timeout"}
    storm = gale_words.Storm(("503",)).start()
    for value in ("2400m", "2S"):
        storm.request("503", headers={"grpc-timeout": value}).answer(503).wait(300)
    assert gale_words.told(storm.end("failed").history(), "TMO007", **told) == PASS


def test_no_deadline_is_undeclared_and_no_retry_exercises_nothing(gale_words):
    """Nothing promised, or nothing seen."""
    assert gale_words.told(_hung(gale_words, 400), "TMO007") == ("UNKNOWN", "undeclared")
    assert gale_words.told(_told(gale_words, (2000,)), "TMO007", **TOLD) == ("UNKNOWN", "not_exercised")
