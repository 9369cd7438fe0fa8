"""RAF002 and RAF004 on literal histories."""

from email.utils import formatdate

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
WALL = 1_795_596_577.0  # Wed, 25 Nov 2026 08:49:37 GMT
WAITS = {"retry_on": [429, 503], "max_attempts": 3, "deadline_s": 9.0, "retry_after_max_s": 8.0}


def _form(at_s, form):
    day, date, month, year, clock, _ = formatdate(at_s, usegmt=True).replace(",", "").split(" ")
    return {"imf": f"{day}, {date} {month} {year} {clock} GMT",
            "rfc850": f"Wednesday, {date}-{month}-{year[2:]} {clock} GMT",
            "asctime": f"{day} {month} {int(date):2d} {clock} {year}"}[form]


def _asked(words, gap_ms, *, ahead_s=4, form="imf", skew_s=0, said=True, wall=WALL, attempts=2,
           status=503, error="Busy"):
    """One answer that asks for a date, and the next attempt gap_ms later (None: none)."""
    storm = words.Storm(("503", "ok"), start_wall_s=wall).start()
    headers = {"Retry-After": _form(WALL + ahead_s + skew_s, form)}
    headers |= {"Date": _form(WALL + skew_s, "imf")} if said else {}
    for _ in range(attempts - 1):
        storm.request(str(status)).answer(status, headers)
        if gap_ms is None:
            return storm.end("failed", error=error).history()
        storm.wait(gap_ms)
    return storm.request("ok").answer(200).end().history()


@pytest.mark.parametrize("form", ["imf", "rfc850", "asctime"])
@pytest.mark.parametrize(("gap_ms", "expected"), [(4100, PASS), (2990, PASS), (2900, FAIL), (300, FAIL)])
def test_the_next_attempt_waits_for_the_date_less_its_resolution(gale_words, form, gap_ms, expected):
    """Four seconds ahead, one of them the format's; all three formats are read."""
    assert expected == gale_words.told(_asked(gale_words, gap_ms, form=form), "RAF002")


@pytest.mark.parametrize(("form", "severity"), [("imf", "major"), ("rfc850", "minor"), ("asctime", "minor")])
def test_an_early_retry_fails_alone_and_old_formats_are_minor(gale_words, form, severity):
    """Nobody sends them any more, but they are still dates."""
    history = _asked(gale_words, 300, form=form)
    assert gale_words.failing(history, **WAITS) == ["RAF002"]
    assert severity == gale_words.verdicts(history, **WAITS)["RAF002"].severity


@pytest.mark.parametrize(("gap_ms", "expected"), [(4000, PASS), (None, PASS), (2000, FAIL)])
def test_a_skewed_clock_may_be_read_by_date_or_given_up_on(gale_words, gap_ms, expected):
    """Date and Retry-After both 300 s fast: 4 s and failing fast are right, 2 s is wrong."""
    history = _asked(gale_words, gap_ms, skew_s=300)
    assert expected == gale_words.told(history, "RAF002", **WAITS)


def test_without_a_wall_clock_the_answers_own_date_serves(gale_words):
    """A record of another harness has none; Date may be a second old."""
    assert gale_words.told(_asked(gale_words, 2500, wall=0.0), "RAF002") == PASS
    assert gale_words.told(_asked(gale_words, 1500, wall=0.0), "RAF002") == FAIL
    blind = _asked(gale_words, 300, wall=0.0, said=False)
    assert gale_words.told(blind, "RAF002") == ("UNKNOWN", "not_exercised")


def test_giving_up_counts_only_for_a_client_that_retries_that_status(gale_words):
    """It is right; of one that never retries it shows nothing."""
    history = _asked(gale_words, None)
    assert gale_words.told(history, "RAF002", **WAITS) == PASS
    assert gale_words.told(history, "RAF002") == ("UNKNOWN", "not_exercised")


def test_a_crash_on_the_date_is_no_giving_up(gale_words):
    """float(value) raises; unless the owner declares that class."""
    history = _asked(gale_words, None, error="builtins.ValueError")
    assert gale_words.told(history, "RAF002", **WAITS) == FAIL
    declared = {**WAITS, "errors": {"rate_limit": "builtins.ValueError"}}
    assert gale_words.told(history, "RAF002", **declared) == PASS


@pytest.mark.parametrize(("gap_ms", "expected"), [(1, FAIL), (60, PASS)])
def test_a_date_in_the_past_makes_no_hot_loop(gale_words, gap_ms, expected):
    """Two retries at once are a loop; backoff is right."""
    history = _asked(gale_words, gap_ms, ahead_s=-90, attempts=3)
    assert expected == gale_words.told(history, "RAF002")


def test_a_slow_client_is_noise_after_a_past_date(gale_words):
    """Calls take 40 ms to the wire: retries after 45 ms may have waited or not."""
    storm = gale_words.Storm(("503",), start_wall_s=WALL).start().wait(38)
    for _ in range(3):
        storm.request("503").answer(503, {"Retry-After": _form(WALL - 90, "imf")}).wait(45)
    assert gale_words.told(storm.end("failed").history(), "RAF002") == ("UNKNOWN", "noise")


@pytest.mark.parametrize(("lag_ms", "expected"), [(30, ("UNKNOWN", "noise")), (8, PASS)])
def test_a_gap_that_may_be_the_machines_own_is_no_backoff(gale_words, lag_ms, expected):
    """Retries after 24 ms, while a heartbeat was late: by as much, or by far less."""
    storm = gale_words.Storm(("503",), start_wall_s=WALL).start()
    for _ in range(3):
        storm.request("503").answer(503, {"Retry-After": _form(WALL - 90, "imf")}).wait(12)
        storm.add("subject", "lag", ms=lag_ms).wait(12)
    assert expected == gale_words.told(storm.end("failed").history(), "RAF002")


@pytest.mark.parametrize(("code", "value"), [("RAF001", "4"), ("RAF002", _form(WALL + 4, "imf"))])
def test_an_answer_that_is_cut_asks_for_nothing(gale_words, code, value):
    """Most libraries show no header of an answer whose body breaks off."""
    storm = gale_words.Storm(("trunc", "ok"), start_wall_s=WALL).start().request("trunc").wait(1)
    storm.add("tap", "answer", storm.ref, connection=storm.connection, x=storm.x, n=50, total=50,
              status=503, headers=[["Retry-After", value]])
    storm.add("tap", "close", storm.ref, connection=storm.connection, x=storm.x, planned="fin",
              done="fin", sent=50)
    history = storm.wait(300).request("ok").answer(200).end().history()
    assert gale_words.told(history, code, **WAITS) == ("UNKNOWN", "not_exercised")


def test_one_retry_at_once_after_a_past_date_is_allowed(gale_words):
    """Taken as zero, once."""
    assert gale_words.told(_asked(gale_words, 1, ahead_s=-90), "RAF002") == PASS


@pytest.mark.parametrize("value", ["2", "soon", "Wed, 25 Nov 2026", "2026-11-25T08:49:41Z"])
def test_what_is_no_http_date_exercises_nothing(gale_words, value):
    """Seconds and invalid values are other invariants' matter."""
    storm = gale_words.Storm(("503", "ok"), start_wall_s=WALL).start()
    storm.request("503").answer(503, {"Retry-After": value}).wait(3)
    history = storm.request("ok").answer(200).end().history()
    assert gale_words.told(history, "RAF002") == ("UNKNOWN", "not_exercised")


def _long(words, *, value="66", after_ms=None, ends_ms=10, over_budget=False, status=429, **header):
    """An answer that asks for more than there is; a retry after so many ms, or the end."""
    storm = words.Storm(("429",), **header).start()
    storm.request(str(status)).answer(status, {"Retry-After": value})
    if after_ms is not None:
        storm.wait(after_ms).request(str(status)).answer(status, {"Retry-After": value})
    storm.wait(ends_ms)
    return (storm.over_budget() if over_budget else storm.end("failed")).history()


BUDGET = {"retry_on": [429], "max_attempts": 3, "deadline_s": 6.0}


def test_failing_at_once_passes(gale_words):
    """Promptly, with the time asked for in the error."""
    verdict = gale_words.verdicts(_long(gale_words), **BUDGET)["RAF004"]
    assert ("PASS", 6.0, "") == (verdict.outcome.value, verdict.limit, verdict.note)


def test_failing_at_the_deadline_passes_with_a_note(gale_words):
    """The trap: a sleeping library under a caller that keeps the deadline."""
    verdict = gale_words.verdicts(_long(gale_words, ends_ms=5990), **BUDGET)["RAF004"]
    assert ("PASS", "not promptly: 6.0 s after the answer") == (verdict.outcome.value, verdict.note)


@pytest.mark.parametrize(("ends_ms", "over_budget", "expected"), [
    (6500, False, PASS), (8000, False, ("UNKNOWN", "noise")), (9100, False, FAIL), (9100, True, FAIL),
    (8000, True, ("UNKNOWN", "budget_exhausted"))])
def test_sleeping_beyond_the_deadline_fails(gale_words, ends_ms, over_budget, expected):
    """Pass, grey and fail zone of 6 s, and what was cut off before it could tell."""
    history = _long(gale_words, ends_ms=ends_ms, over_budget=over_budget)
    assert expected == gale_words.told(history, "RAF004", **BUDGET)


def test_a_fail_that_ended_by_itself_is_run_again(gale_words):
    """It rests on elapsed time; one that was cut off does not."""
    ended = gale_words.verdicts(_long(gale_words, ends_ms=9100), **BUDGET)["RAF004"]
    cut = gale_words.verdicts(_long(gale_words, ends_ms=9100, over_budget=True), **BUDGET)["RAF004"]
    assert (True, False) == (ended.timing, cut.timing)


def test_a_lag_of_the_machine_makes_it_noise(gale_words):
    """Two seconds of lateness are not the client's."""
    storm = gale_words.Storm(("429",)).start()
    storm.request("429").answer(429, {"Retry-After": "66"}).wait(100)
    storm.add("world", "lag", lasts=2000, ms=2000.0)
    history = storm.wait(9500).end("failed").history()
    assert gale_words.told(history, "RAF004", **BUDGET) == ("UNKNOWN", "noise")


def test_retrying_before_the_time_fails_with_its_sister(gale_words):
    """RAF001 sees the same early attempt."""
    assert gale_words.failing(_long(gale_words, after_ms=300), **BUDGET) == ["RAF001", "RAF004"]


@pytest.mark.parametrize("value", ["66", "99999999999", "9" * 40])
def test_sleeping_on_fails_for_it_alone_where_only_the_limit_is_declared(gale_words, value):
    """Without a deadline the declared limit holds, from the answer on."""
    history = _long(gale_words, value=value, ends_ms=30000, over_budget=True)
    assert gale_words.failing(history, retry_on=[429], retry_after_max_s=5.0) == ["RAF004"]


def test_undeclared_it_is_told_and_strict_fails(gale_words):
    """Nobody promised anything."""
    history = _long(gale_words, ends_ms=30000, over_budget=True)
    assert gale_words.told(history, "RAF004") == ("UNKNOWN", "undeclared")
    assert gale_words.told(history, "RAF004", strict=True) == FAIL
    prompt = gale_words.verdicts(_long(gale_words))["RAF004"]
    assert ("PASS", "undeclared") == (prompt.outcome.value, prompt.note)


@pytest.mark.parametrize("value", ["2", "soon", ""])
def test_what_fits_the_budget_or_is_no_number_exercises_nothing(gale_words, value):
    """Two seconds of six are RAF001's matter."""
    history = _long(gale_words, value=value, after_ms=2100)
    assert gale_words.told(history, "RAF004", **BUDGET) == ("UNKNOWN", "not_exercised")
