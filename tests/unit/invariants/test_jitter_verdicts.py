"""JIT001 on literal histories."""

import random

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
BACKOFF = {"backoff": {"base_s": 0.3, "factor": 2, "cap_s": 9.0, "jitter": "full"}}


def _herd(words, draw, *, count=60, retries=2, status=503, answered=None, late=0, instances=1, **header):
    """Operations whose retry n of operation i comes after draw(i, n) ms."""
    refs = [f"op{i:06d}" for i in range(count)]
    storm = words.Storm(("503",), refs=refs, **header)
    for number, ref in enumerate(refs):
        storm.start(ref).raw[-1][6]["instance"] = 1 + number * instances // count
        storm.wait(late * (number % 10))
        for index in range(1, retries + 1):
            storm.request(str(status)).answer(status, answered).wait(draw(number, index))
        storm.request(str(status)).answer(status, answered).end("failed")
    return storm


def _fixed(number, index):
    return 300 * 2 ** (index - 1)


def _spread(low, high, seed=7):
    rng = random.Random(seed)
    return lambda number, index: round(300 * 2 ** (index - 1) * rng.uniform(low, high))


@pytest.mark.parametrize("bounds", [(0, 1), (0.5, 1), (0.75, 1), (0.8, 1.2), (0.9, 1.1)])
def test_every_accepted_jitter_passes(gale_words, bounds):
    """Full, equal, openai's, gRPC's, and the narrowest: 10 % either way."""
    storm = _herd(gale_words, _spread(*bounds))
    assert gale_words.told(storm.history(), "JIT001", **BACKOFF) == PASS
    assert gale_words.failing(storm.history(), **BACKOFF) == []


def test_fixed_delays_fail_alone(gale_words):
    """The finding tells how many lay how near to one another; the first delay is one of them."""
    history = _herd(gale_words, _fixed).history()
    assert gale_words.failing(history, **BACKOFF) == ["JIT001", "JIT002"]
    verdict = gale_words.verdicts(history, **BACKOFF)["JIT001"]
    assert (1.0, 0.8, "major", 60) == (verdict.observed, verdict.limit, verdict.severity, verdict.witnesses)
    assert "retry 1: 30 of 30 delays within 5 ms, around 0.30" in verdict.findings[0].text


@pytest.mark.parametrize("profile", [{}, BACKOFF])
def test_a_millisecond_of_jitter_is_none(gale_words, profile):
    """random() taken as milliseconds."""
    rng = random.Random(1)
    history = _herd(gale_words, lambda i, n: _fixed(i, n) + rng.randrange(2)).history()
    assert gale_words.told(history, "JIT001", **profile) == FAIL


def test_one_draw_a_client_object_fails_also_over_two_starts(gale_words):
    """Two clusters of equal delays are no jitter: each start is judged apart."""
    history = _herd(gale_words, lambda i, n: _fixed(i, n) + 90 * (i >= 30), instances=2).history()
    assert gale_words.told(history, "JIT001") == FAIL


def test_a_first_retry_at_once_is_left_to_another_invariant(gale_words):
    """urllib3: retry 1 immediate; retry 2 decides, in two batches."""
    fixed = _herd(gale_words, lambda i, n: 1 if n == 1 else 600)
    drawn = _spread(0.5, 1)
    jittered = _herd(gale_words, lambda i, n: 1 if n == 1 else drawn(i, n))
    assert [gale_words.told(s.history(), "JIT001") for s in (fixed, jittered)] == [FAIL, PASS]


def test_a_fixed_first_retry_is_told_and_passes_where_the_second_is_drawn(gale_words):
    """JIT002's matter."""
    drawn = _spread(0, 1)
    history = _herd(gale_words, lambda i, n: 300 if n == 1 else drawn(i, n)).history()
    verdict = gale_words.verdicts(history, **BACKOFF)["JIT001"]
    assert ("PASS", "retry 1 is not randomised") == (verdict.outcome.value, verdict.note)


def test_delays_at_the_cap_are_left_out(gale_words):
    """min(cap, base * 2 ** n + jitter): the first retry is drawn, the capped ones are not."""
    drawn = _spread(0.5, 1)
    capped = {"backoff": {"base_s": 0.3, "factor": 2, "cap_s": 0.6, "jitter": "full"}}
    history = _herd(gale_words, lambda i, n: 600 if n > 1 else drawn(i, n), retries=3).history()
    assert gale_words.told(history, "JIT001", **capped) == PASS
    fixed = _herd(gale_words, lambda i, n: 600).history()
    assert gale_words.told(fixed, "JIT001") == FAIL


def test_short_delays_under_noise_are_undecided(gale_words):
    """A window of 30 ms tells nothing of delays of 25 ms, fixed or not."""
    for draw in (lambda i, n: 25, _spread(0, 0.08)):
        history = _herd(gale_words, draw, lag_p99_ms=20.0).history()
        assert gale_words.told(history, "JIT001") == ("UNKNOWN", "noise")


def test_the_clients_own_latency_widens_the_window(gale_words):
    """Calls that take 0 to 90 ms to the wire make delays of 0.3 s unreadable."""
    history = _herd(gale_words, _fixed, late=10).history()
    assert gale_words.told(history, "JIT001") == ("UNKNOWN", "noise")


def test_stamps_made_in_a_lag_are_left_out(gale_words):
    """All of them late: noise."""
    storm = _herd(gale_words, _fixed)
    last = storm.now
    storm.now = 0
    storm.add("world", "lag", lasts=last, ms=50.0)
    assert gale_words.told(storm.history(), "JIT001") == ("UNKNOWN", "noise")


def test_one_batch_and_one_retry_is_too_little_to_pass_and_enough_to_fail(gale_words):
    """PASS needs two that agree."""
    drawn = _herd(gale_words, _spread(0, 1), count=30, retries=1).history()
    fixed = _herd(gale_words, _fixed, count=30, retries=1).history()
    assert gale_words.told(drawn, "JIT001") == ("UNKNOWN", "noise")
    assert gale_words.told(fixed, "JIT001") == FAIL


@pytest.mark.parametrize(("promised", "recovers", "expected"), [
    ({"max_attempts": 3}, True, "not_exercised"), ({"max_attempts": 3}, False, "not_exercised"),
    ({}, True, "not_exercised"), ({"max_attempts": 2}, True, None), ({}, False, None)])
def test_a_fixed_first_retry_says_nothing_of_those_that_were_not_needed(gale_words, promised, recovers,
                                                                        expected):
    """stripe draws from its second retry on; a client that makes one and no more has shown all."""
    refs = [f"op{i:06d}" for i in range(30)]
    storm = gale_words.Storm(("503", "ok"), refs=refs)
    for ref in refs:
        storm.start(ref).request("503").answer(503).wait(300)
        if recovers:
            storm.request("ok").answer(200).end()
        else:
            storm.request("503").answer(503).end("failed")
    verdict = gale_words.verdicts(storm.history(), **promised)["JIT001"]
    assert (("UNKNOWN", expected) if expected else FAIL) == (verdict.outcome.value, verdict.reason)


@pytest.mark.parametrize("more", [
    {"count": 19}, {"retries": 0}, {"answered": {"Retry-After": "1"}}])
def test_too_few_delays_of_the_clients_own_exercise_nothing(gale_words, more):
    """Nineteen, none, or delays that the provider asked for."""
    history = _herd(gale_words, _fixed, **more).history()
    assert gale_words.told(history, "JIT001") == ("UNKNOWN", "not_exercised")


def test_immediate_retries_have_no_delay_to_judge(gale_words):
    """A hot loop is RTY006's matter."""
    history = _herd(gale_words, lambda i, n: 1).history()
    assert gale_words.told(history, "JIT001") == ("UNKNOWN", "not_exercised")
