"""JIT002, JIT003, JIT004 and JIT005 on literal histories."""

import random

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
CAPPED = {"backoff": {"base_s": 0.2, "factor": 2, "cap_s": 0.4, "jitter": "full"}}


def _herd(words, draw, *, count=60, retries=3, starts=1, **header):
    """Operations whose retry n of operation i comes after draw(i, n) ms."""
    refs = [f"op{i:06d}" for i in range(count)]
    storm = words.Storm(("503",), refs=refs, starts=starts, **header)
    for number, ref in enumerate(refs):
        storm.start(ref).raw[-1][6]["instance"] = 1 + number * starts // count
        for index in range(1, retries + 1):
            storm.request("503").answer(503).wait(draw(number, index))
        storm.request("503").answer(503).end("failed")
    return storm.history()


def _full(seed=7, base=200, cap=10**9):
    rng = random.Random(seed)
    return lambda i, n: round(rng.uniform(0, min(cap, base * 2 ** (n - 1))))


def _first_fixed():
    drawn = _full()
    return lambda i, n: 300 if n == 1 else drawn(i, n)


def _sum_is_cut():
    rng = random.Random(7)
    return lambda i, n: round(min(400, 200 * 2 ** (n - 1) + rng.uniform(0, 150)))


# -- JIT002 ------------------------------------------------------------------------------------------

def test_a_first_delay_that_is_drawn_passes(gale_words):
    """Over two batches of thirty."""
    assert gale_words.told(_herd(gale_words, _full()), "JIT002") == PASS


def test_a_fixed_first_delay_fails_alone(gale_words):
    """max(base, base * U(0.5, 1)): the later ones are drawn."""
    history = _herd(gale_words, _first_fixed())
    assert gale_words.failing(history) == ["JIT002"]
    assert gale_words.verdicts(history)["JIT002"].severity == "minor"


def test_a_first_retry_at_once_has_no_delay(gale_words):
    """RTY006 counts it."""
    drawn = _full()
    history = _herd(gale_words, lambda i, n: 1 if n == 1 else drawn(i, n))
    assert gale_words.told(history, "JIT002") == ("UNKNOWN", "not_exercised")


def test_one_batch_is_enough_to_fail_and_too_little_to_pass(gale_words):
    """PASS needs two that agree."""
    history = _herd(gale_words, _full(), count=30)
    assert gale_words.told(history, "JIT002") == ("UNKNOWN", "noise")
    assert gale_words.told(_herd(gale_words, _first_fixed(), count=30), "JIT002") == FAIL


# -- JIT003 ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("profile", [{}, CAPPED])
@pytest.mark.parametrize("seed", range(5))
def test_full_jitter_at_the_cap_passes(gale_words, profile, seed):
    """U(0, cap); undeclared, the cap is seen in equal medians, or not at all."""
    told = gale_words.told(_herd(gale_words, _full(seed, cap=400)), "JIT003", **profile)
    assert told == PASS or (not profile and told == ("UNKNOWN", "not_exercised"))


@pytest.mark.parametrize("profile", [{}, CAPPED])
def test_a_cap_that_cuts_the_jitter_off_fails_alone(gale_words, profile):
    """min(cap, 2 ** n + jitter)."""
    history = _herd(gale_words, _sum_is_cut())
    assert ["JIT003"] == [c for c in gale_words.failing(history, **profile) if c != "RTY005"]


def test_a_cap_that_is_never_reached_exercises_nothing(gale_words):
    """Declared at 9 s, after 0.3, 0.6 and 1.2 s."""
    far = {"backoff": {"base_s": 0.2, "factor": 2, "cap_s": 9.0, "jitter": "full"}}
    verdict = gale_words.verdicts(_herd(gale_words, _full()), **far)["JIT003"]
    assert ("not_exercised", "the cap of the backoff was not reached") == (verdict.reason, verdict.note)


# -- JIT004 ------------------------------------------------------------------------------------------

def _fleet(words, seeds, **more):
    """Starts of twenty operations each, each start with its own draws."""
    draws = [_full(seed, base=300) for seed in seeds]
    return _herd(words, lambda i, n: draws[i // 20](i, n), count=20 * len(seeds), retries=1,
                 starts=len(seeds), **more)


def test_processes_that_draw_for_themselves_pass(gale_words):
    """Of twenty pairs few lie near each other by chance."""
    assert gale_words.told(_fleet(gale_words, (1, 2)), "JIT004") == PASS


@pytest.mark.parametrize("seeds", [(42, 42), (1, 42, 42)])
def test_processes_seeded_alike_fail_alone(gale_words, seeds):
    """random.seed(42); also where only two of three do it."""
    history = _fleet(gale_words, seeds)
    assert gale_words.failing(history) == ["JIT004"]
    verdict = gale_words.verdicts(history)["JIT004"]
    assert (1.0, 0.8, 20) == (verdict.observed, verdict.limit, verdict.witnesses)
    assert "20 of 20 delays within" in verdict.findings[0].text


def test_a_million_independent_fleets_would_hardly_fail(gale_words):
    """Of two hundred not one does: chance puts 4 % of the pairs near each other."""
    shares = [gale_words.verdicts(_fleet(gale_words, (seed, 1000 + seed)))["JIT004"].observed
              for seed in range(200)]
    assert max(shares) < 0.6


def test_delays_that_do_not_vary_leave_nothing_to_compare(gale_words):
    """JIT001 fails there."""
    history = _herd(gale_words, lambda i, n: 300, count=40, retries=1, starts=2)
    assert gale_words.told(history, "JIT004") == ("UNKNOWN", "not_exercised")
    assert "JIT001" in gale_words.failing(history)


def test_equals_are_seen_through_the_noise(gale_words):
    """A machine of 50 ms of noise: equal draws are equal all the same, others may be so for it."""
    alike, apart = (_fleet(gale_words, seeds, lag_p99_ms=40.0) for seeds in ((42, 42), (1, 2)))
    assert gale_words.told(alike, "JIT004") == FAIL
    assert gale_words.told(apart, "JIT004") == ("UNKNOWN", "noise")


def test_draws_that_are_few_windows_wide_are_noise(gale_words):
    """Chance would make equals of them."""
    rng = random.Random(3)
    history = _herd(gale_words, lambda i, n: 300 + rng.randint(0, 60), count=40, retries=1, starts=2,
                    lag_p99_ms=12.0)
    assert gale_words.told(history, "JIT004") == ("UNKNOWN", "noise")


def test_one_start_of_the_client_exercises_nothing(gale_words):
    """There is nobody to compare it with."""
    assert gale_words.told(_fleet(gale_words, (1,)), "JIT004") == ("UNKNOWN", "not_exercised")


# -- JIT005 ------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("low", "high", "word"), [
    (0, 1, "like full"), (0.5, 1, "equal"), (0.8, 1.2, "20 % either way"),
    (0.99, 1.01, "full jitter is recommended"), (1, 1, "full jitter is recommended")])
def test_the_width_of_the_jitter_is_told_and_never_fails(gale_words, low, high, word):
    """By q10 over q90 of sixty delays before one retry."""
    rng = random.Random(7)
    history = _herd(gale_words, lambda i, n: round(3000 * rng.uniform(low, high)), retries=1)
    verdict = gale_words.verdicts(history)["JIT005"]
    assert ("PASS", True) == (verdict.outcome.value, word in verdict.note)


def test_fewer_than_sixty_delays_do_not_tell_the_width(gale_words):
    """Fifty-nine."""
    history = _herd(gale_words, _full(), count=59)
    assert gale_words.told(history, "JIT005") == ("UNKNOWN", "not_exercised")
