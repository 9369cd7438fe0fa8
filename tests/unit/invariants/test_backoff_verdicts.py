"""RTY005 on literal histories."""

import random

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
BACKOFF = {"base_s": 0.1, "factor": 2, "cap_s": 0.8, "jitter": "full"}


def _herd(words, draw, *, count=30, retries=3, **header):
    """Operations whose retry n comes after draw(n) ms."""
    refs = [f"op{i:06d}" for i in range(count)]
    storm = words.Storm(("503",), refs=refs, **header)
    for ref in refs:
        storm.start(ref)
        for index in range(1, retries + 1):
            storm.request("503").answer(503).wait(draw(index))
        storm.request("503").answer(503).end("failed")
    return storm


def _full(base, seed=3, cap=10**9):
    rng = random.Random(seed)
    return lambda n: round(rng.uniform(0.02, 1) * min(cap, base * 2 ** (n - 1)))


@pytest.mark.parametrize("seed", range(20))
def test_full_jitter_that_doubles_passes(gale_words, seed):
    """Four times from the first to the third, by the ninetieth percentiles."""
    history = _herd(gale_words, _full(100, seed)).history()
    assert gale_words.told(history, "RTY005", backoff=BACKOFF) == PASS
    assert gale_words.told(history, "RTY005") == PASS


def test_an_exponent_that_is_never_counted_up_fails_alone(gale_words):
    """Jitter it has, growth it has not."""
    rng = random.Random(5)
    history = _herd(gale_words, lambda n: rng.randint(10, 100)).history()
    assert gale_words.failing(history, backoff=BACKOFF) == ["RTY005"]
    assert gale_words.told(history, "RTY005") == ("UNKNOWN", "undeclared")
    assert gale_words.told(history, "RTY005", strict=True) == FAIL


def test_a_backoff_that_begins_at_its_cap_need_not_grow(gale_words):
    """One second, jittered, declared so."""
    rng = random.Random(5)
    history = _herd(gale_words, lambda n: rng.randint(800, 1200)).history()
    constant = {"base_s": 1.0, "factor": 1, "cap_s": 1.2, "jitter": 0.2}
    assert gale_words.told(history, "RTY005", backoff=constant) == PASS


@pytest.mark.parametrize("seed", range(10))
def test_a_near_cap_asks_for_less_growth(gale_words, seed):
    """Base 0.2 and cap 0.4: twice is all there can be."""
    history = _herd(gale_words, _full(200, seed, cap=400)).history()
    near = {**BACKOFF, "base_s": 0.2, "cap_s": 0.4}
    assert gale_words.told(history, "RTY005", backoff=near) == PASS


def test_a_delay_far_over_the_cap_fails_and_asks_for_reruns(gale_words):
    """Three seconds where 0.8 are declared."""
    history = _herd(gale_words, lambda n: 3000 if n == 3 else 100).history()
    verdict = gale_words.verdicts(history, backoff=BACKOFF)["RTY005"]
    assert ("FAIL", True, 0.8) == (verdict.outcome.value, verdict.timing, verdict.limit)
    assert "a delay of 3.0" in verdict.findings[0].text


def test_a_sleep_that_never_ends_fails_without_reruns(gale_words):
    """2^63 s: the operation is cut off in its wait."""
    storm = gale_words.Storm(("503",)).start().request("503").answer(503).wait(9000).over_budget()
    verdict = gale_words.verdicts(storm.history(), backoff=BACKOFF)["RTY005"]
    assert ("FAIL", False) == (verdict.outcome.value, verdict.timing)


def test_a_delay_a_little_over_the_cap_is_noise(gale_words):
    """Between the zones."""
    draw = _full(100)
    storm = _herd(gale_words, lambda n: 1200 if n == 3 and draw(1) < 8 else draw(n))
    assert gale_words.told(storm.history(), "RTY005", backoff=BACKOFF) == ("UNKNOWN", "noise")


def test_steps_shorter_than_the_noise_are_undecided(gale_words):
    """5 ms that may or may not double."""
    history = _herd(gale_words, lambda n: 9, lag_p99_ms=10.0).history()
    short = {**BACKOFF, "base_s": 0.01}
    assert gale_words.told(history, "RTY005", backoff=short) == ("UNKNOWN", "noise")


@pytest.mark.parametrize("more", [{"retries": 2}, {"count": 19}])
def test_two_retries_or_few_operations_exercise_nothing(gale_words, more):
    """The third delay is what tells."""
    history = _herd(gale_words, _full(100), **more).history()
    assert gale_words.told(history, "RTY005", backoff=BACKOFF) == ("UNKNOWN", "not_exercised")
