"""CBK001 to CBK005 and BUD002 on literal histories: fifty operations a second, ill from 2 s to 20 s."""

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
BREAKER = {"breaker": {"calls": 100, "reset_s": 3.0, "probes": 3}}
THROTTLE = {"throttle": {"window_s": 10.0}}
FROM, TO = 2000, 20_000


def _run(words, sends, *, until=40_000, tries=1, waits=1, window=(FROM, TO), every=20, open_ended=False):
    """Operations every 20 ms; ``sends(at)`` tells which are sent."""
    refs = [f"op{i:06d}" for i in range(until // every)]
    storm = words.Storm(("503",), refs=refs)
    storm.now = window[0]
    storm.add("tap", "window", lasts=0 if open_ended else window[1] - window[0], step=0, word="503",
              open_ended=open_ended)
    for number, ref in enumerate(refs):
        storm.now = at = number * every
        ill = window[0] <= at and (open_ended or at < window[1])
        storm.start(ref)
        if not sends(at):
            storm.wait(waits).end("failed")
            continue
        for _ in range(tries if ill else 1):
            storm.request("503" if ill else "ok").wait(400 if ill else 1).answer(503 if ill else 200).wait(30)
        storm.end("failed" if ill else "ok")
    return storm.history()


def _breaker(opens=4000, reset=3000, probes=1, closes=22_000):
    """Sent until it opens; then a few probes a period until it closes."""
    def sends(at):
        if at < opens or at >= closes:
            return True
        return (at - opens) % reset < probes * 20 and at - opens >= reset
    return sends


def _always(at):
    return True


def _thin(at):
    """A throttle: every fourth, evenly."""
    return at < 4000 or at >= 24_000 or at % 80 == 0


def test_a_breaker_that_opens_probes_and_closes_passes(gale_words):
    """All of its invariants, and nothing else fails."""
    history = _run(gale_words, _breaker())
    assert [PASS] * 3 == [gale_words.told(history, f"CBK00{n}", **BREAKER) for n in (1, 2, 3)]
    assert gale_words.failing(history, **BREAKER) == []


@pytest.mark.parametrize("tries", [1, 3])
def test_a_client_without_a_breaker_is_undeclared_or_fails(gale_words, tries):
    """One attempt an operation, or three; the figure is told in any case."""
    history = _run(gale_words, _always, tries=tries)
    verdict = gale_words.verdicts(history)["CBK001"]
    assert ("UNKNOWN", "undeclared", True) == (verdict.outcome.value, verdict.reason, verdict.observed >= 0.9)
    assert FAIL == gale_words.told(history, "CBK001", strict=True)
    assert ["CBK001"] == [c for c in gale_words.failing(history, max_attempts=tries, **BREAKER) if c[:3] == "CBK"]


def test_a_throttle_serves_as_a_breaker_and_has_no_open_period(gale_words):
    """A quarter, spread evenly: no flood, and nothing to probe."""
    history = _run(gale_words, _thin)
    assert (PASS, ("UNKNOWN", "not_exercised")) == (
        gale_words.told(history, "CBK001"), gale_words.told(history, "CBK002"))


def test_some_load_shed_is_undecided(gale_words):
    """Seven of ten."""
    history = _run(gale_words, lambda at: at < 4000 or at % 200 < 140)
    assert gale_words.told(history, "CBK001", **BREAKER) == ("UNKNOWN", "noise")


def test_what_is_not_sent_must_fail_at_once(gale_words):
    """Two seconds of waiting before the refusal is no protection."""
    history = _run(gale_words, _breaker(), waits=2000)
    assert gale_words.told(history, "CBK001", **BREAKER) == FAIL


def test_a_flood_when_the_timer_fires_fails_alone(gale_words):
    """Twenty-five at once where one would do; whoever has declared fifty probes may."""
    history = _run(gale_words, _breaker(probes=25))
    assert gale_words.failing(history, **BREAKER) == ["CBK002"]
    text = gale_words.verdicts(history, **BREAKER)["CBK002"].findings[0].text
    assert "25 attempts within a second, of 50 operations begun" in text
    assert gale_words.told(history, "CBK002", breaker={"probes": 50}) == PASS


def test_ten_probes_are_few(gale_words):
    """resilience4j's default."""
    assert gale_words.told(_run(gale_words, _breaker(probes=10)), "CBK002", **BREAKER) == PASS


def test_no_probe_while_the_outage_lasts_exercises_nothing(gale_words):
    """A reset of a minute."""
    history = _run(gale_words, _breaker(reset=60_000))
    assert gale_words.told(history, "CBK002", **BREAKER) == ("UNKNOWN", "not_exercised")


@pytest.mark.parametrize(("closes", "told"), [
    (20_000, PASS), (26_000, PASS), (33_000, FAIL), (99_000, FAIL), (28_500, ("UNKNOWN", "noise"))])
def test_it_must_close_within_its_reset_period(gale_words, closes, told):
    """3 s: 6.5 s are allowed, and beyond 9.75 s it fails."""
    history = _run(gale_words, _breaker(closes=closes))
    assert gale_words.told(history, "CBK003", **BREAKER) == told


def test_an_undeclared_period_passes_where_it_ends_and_is_undeclared_where_not(gale_words):
    """Nobody knows how long it would have stayed open."""
    back, away = (_run(gale_words, _breaker(closes=closes)) for closes in (26_000, 99_000))
    assert (PASS, ("UNKNOWN", "undeclared")) == tuple(gale_words.told(h, "CBK003") for h in (back, away))
    assert FAIL == gale_words.told(away, "CBK003", strict=True)


def test_nothing_open_at_the_recovery_exercises_nothing(gale_words):
    """There is nothing to close."""
    history = _run(gale_words, _always)
    assert gale_words.told(history, "CBK003", **BREAKER) == ("UNKNOWN", "not_exercised")


def test_calm_air_and_short_outages_exercise_nothing(gale_words):
    """No window, or one of two seconds."""
    calm = gale_words.Storm(()).start().request("ok").answer(200).end().history()
    short = _run(gale_words, _always, window=(2000, 4000), until=6000)
    for history in (calm, short):
        assert gale_words.told(history, "CBK001", **BREAKER) == ("UNKNOWN", "not_exercised")
    assert gale_words.told(calm, "BUD002", **THROTTLE) == ("UNKNOWN", "not_exercised")


# -- BUD002 ------------------------------------------------------------------------------------------

def test_a_throttle_that_sheds_and_comes_back_passes(gale_words):
    """A quarter in the outage, all within its window after it."""
    history = _run(gale_words, _thin)
    assert gale_words.told(history, "BUD002", **THROTTLE) == PASS
    assert gale_words.told(history, "BUD002") == ("UNKNOWN", "undeclared")


@pytest.mark.parametrize(("sends", "words_"), [
    (_always, "attempts an operation in the outage's last third"),
    (lambda at: at < 4000 or at >= 24_000, "nothing was sent"),
    (lambda at: at < 4000 or at % 80 == 0, "not back after")])
def test_a_throttle_that_sheds_nothing_all_or_for_ever_fails_alone(gale_words, sends, words_):
    """Answers counted only; no probe left; a window that never slides."""
    history = _run(gale_words, sends)
    assert gale_words.failing(history, **THROTTLE) == ["BUD002"]
    assert words_ in gale_words.verdicts(history, **THROTTLE)["BUD002"].findings[0].text


def test_a_run_that_ends_within_the_window_is_too_short(gale_words):
    """It may yet come back."""
    history = _run(gale_words, lambda at: at < 4000 or at % 80 == 0, until=26_000)
    assert gale_words.told(history, "BUD002", **THROTTLE) == ("UNKNOWN", "budget_exhausted")


# -- CBK004 ------------------------------------------------------------------------------------------

def _refused(words, sends, count=200, statuses=(404, 422)):
    refs = [f"op{i:06d}" for i in range(count)]
    storm = words.Storm(("404", "422"), refs=refs)
    for number, ref in enumerate(refs):
        storm.start(ref)
        if sends(number):
            status = statuses[number % len(statuses)]
            storm.request(str(status)).answer(status)
        storm.end("failed")
    return storm.history()


def test_client_errors_that_all_are_sent_pass_where_a_breaker_is_declared(gale_words):
    """A client without one cannot show it."""
    history = _refused(gale_words, lambda number: True)
    assert (PASS, ("UNKNOWN", "undeclared")) == (
        gale_words.told(history, "CBK004", **BREAKER), gale_words.told(history, "CBK004"))


@pytest.mark.parametrize("profile", [{}, BREAKER])
def test_a_breaker_that_opens_on_client_errors_fails_alone(gale_words, profile):
    """Declared or not: it was seen."""
    history = _refused(gale_words, lambda number: number < 100)
    assert gale_words.failing(history, **profile) == ["CBK004"]
    assert "100 of 200 operations were not sent" in gale_words.verdicts(history)["CBK004"].findings[0].text


@pytest.mark.parametrize(("more", "profile"), [
    ({"count": 100}, BREAKER), ({"statuses": (404, 503)}, BREAKER), ({"statuses": (429,)}, BREAKER),
    ({"statuses": (401,)}, {"breaker": {"counts": [401]}})])
def test_few_others_or_declared_statuses_exercise_nothing(gale_words, more, profile):
    """A hundred, mixed with 503, 429, and 401 where it is declared to count."""
    history = _refused(gale_words, lambda number: number < 100, **more)
    assert gale_words.told(history, "CBK004", **profile) == ("UNKNOWN", "not_exercised")


# -- CBK005 ------------------------------------------------------------------------------------------

def _two(words, ill, well, hosts=("127.0.0.1", "localhost")):
    """Reads in turn at two providers, of which the first falls ill at 1 s."""
    refs = [f"op{i:06d}" for i in range(600)]
    storm = words.Storm(("503",), refs=refs)
    storm.now = 1000
    storm.add("tap", "window", step=0, word="503", open_ended=True)
    for number, ref in enumerate(refs):
        storm.now = at = number * 20
        side = number % 2
        down = side == 0 and at >= 1000
        storm.start(ref, name=("fetch", "fetch_other")[side])
        if (ill, well)[side](at):
            storm.request("503" if down else "ok", headers={"Host": hosts[side]}).answer(503 if down else 200)
            storm.end("failed" if down else "ok")
        else:
            storm.end("failed")
    return storm.history()


def _opens(at):
    return at < 3000 or at % 3000 == 0


def test_the_other_providers_operations_all_succeed(gale_words):
    """A breaker for each host."""
    history = _two(gale_words, _opens, _always)
    assert gale_words.told(history, "CBK005", **BREAKER) == PASS
    # the load of two providers together says nothing of one
    assert gale_words.told(history, "CBK001", **BREAKER) == ("UNKNOWN", "not_exercised")
    assert gale_words.failing(history, **BREAKER) == []


def test_a_breaker_for_the_whole_program_fails_alone(gale_words):
    """The well provider's operations are not sent either."""
    history = _two(gale_words, _opens, _opens)
    assert gale_words.failing(history, **BREAKER) == ["CBK005"]


@pytest.mark.parametrize(("ill", "hosts", "profile", "reason"), [
    (_always, ("a", "b"), BREAKER, "not_exercised"), (_always, ("a", "b"), {}, "undeclared"),
    (_opens, ("a", "a"), BREAKER, "not_exercised")])
def test_nothing_open_or_one_provider_is_unknown(gale_words, ill, hosts, profile, reason):
    """There is nothing to be isolated from."""
    history = _two(gale_words, ill, _always, hosts)
    assert gale_words.told(history, "CBK005", **profile) == ("UNKNOWN", reason)
