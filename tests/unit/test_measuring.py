"""A policy read from delays and histories: attempts, backoff, jitter, layers; and what has changed."""

import random
import tomllib

import pytest

from galeproof.model import parse_profile
from galeproof.runner.measuring.compare import differences
from galeproof.runner.measuring.delays import backoff_of, layers_of
from galeproof.runner.measuring.measure import as_profile
from galeproof.runner.measuring.reading import Measured, Value, compact


def drawn(law, retries=4, n=60, base=0.5, factor=2.0, cap=2.0):
    rng = random.Random(7)
    nominal = [min(cap, base * factor**k) for k in range(retries)]
    return {k + 1: [law(rng, d) + rng.uniform(0, 0.004) for _ in range(n)] for k, d in enumerate(nominal)}


LAWS = {
    "none": lambda rng, d: d, "full": lambda rng, d: rng.uniform(0, d), "equal": lambda rng, d: rng.uniform(d / 2, d),
    "minus 0.25": lambda rng, d: rng.uniform(0.75 * d, d), "plus up to 1 s": lambda rng, d: d + rng.uniform(0, 1),
    0.2: lambda rng, d: rng.uniform(0.8 * d, 1.2 * d)}


class TestBackoff:
    @pytest.mark.parametrize("jitter", LAWS, ids=str)
    def test_the_kind_of_jitter_is_told(self, jitter):
        """None, full, equal, a share either way, a share below, and an added piece."""
        found = backoff_of(drawn(LAWS[jitter]))
        if isinstance(jitter, float):
            assert abs(found.jitter - jitter) <= 0.02
        elif jitter.startswith("plus"):
            assert str(found.jitter).startswith("plus up to 1")
        else:
            assert jitter.split()[0] == str(found.jitter).split()[0]

    @pytest.mark.parametrize("jitter", ["none", "full", "equal"])
    def test_base_and_cap_are_told_within_five_percent(self, jitter):
        """Where the schedule reached the cap."""
        found = backoff_of(drawn(LAWS[jitter]))
        assert found.capped
        assert abs(found.base_s - 0.5) <= 0.025
        assert abs(found.cap_s - 2.0) <= 0.1

    @pytest.mark.parametrize(("after", "told"), [(1.6, 0), (15.0, 1)])
    def test_a_guess_moves_within_twice_as_much(self, after, told):
        """A connect timeout that was reckoned from drawn waits."""
        before, now = ({"values": {"connect_timeout_s": {"value": value, "confidence": "guess"}}}
                       for value in (1.1, after))
        assert told == len(differences(before, now))

    def test_a_cap_that_was_not_reached_is_said_to_be_so(self):
        """It grows to the last."""
        assert not backoff_of(drawn(LAWS["none"], retries=3)).capped

    def test_a_first_retry_at_once_is_no_base(self):
        """urllib3 before 2: the second one is the first that waits."""
        gaps = drawn(LAWS["none"], retries=3)
        found = backoff_of({1: [0.001] * 60, **{k + 1: v for k, v in gaps.items()}})
        assert (True, 0.5) == (found.first_at_once, round(found.base_s, 2))

    def test_no_wait_is_no_backoff(self):
        """Every retry at once."""
        assert backoff_of({1: [0.001] * 60, 2: [0.002] * 60}) is None


class TestProfile:
    @pytest.mark.parametrize(("jitter", "line"), [
        ("full", 'backoff = { base_s = 0.5, factor = 2, cap_s = 2, jitter = "full" }'),
        ("minus 0.25", "backoff = { base_s = 0.4375, factor = 2, cap_s = 1.75, jitter = 0.143 }"),
        ("plus up to 1 s", "# no profile can say this: backoff")])
    def test_a_backoff_is_written_as_a_profile_can_say_it(self, jitter, line):
        """A share below the nominal delay becomes one either way of the middle; what cannot be said is a comment."""
        measured = Measured("x", {"read.backoff": Value({**BACKOFF, "jitter": jitter}, "measured", "")})
        (told,) = as_profile(measured)
        assert told.startswith(line)
        parse_profile(tomllib.loads(told))


class TestLayers:
    @pytest.mark.parametrize(("medians", "layers"), [
        ([0.0, 0.3, 2.1, 0.0, 0.3, 2.0, 0.0, 0.3, 2.2, 0.0, 0.3], (4, 3)),
        ([0.2, 1.0, 0.2, 1.0, 0.2], (3, 2)),
        ([0.2, 0.4, 0.8, 1.6, 2.0], None), ([0.5] * 5, None), ([0.2, 0.4], None)])
    def test_inner_delays_that_come_back_tell_two_layers(self, medians, layers):
        """12 attempts as 4 x 3; growing and even delays are one layer."""
        assert layers == layers_of(medians)


class TestCompact:
    def test_numbers_stand_as_people_write_them(self):
        """Ranges from three on."""
        assert "408, 409, 429, 500-599" == compact([408, 409, 429, *range(500, 600)])


def lock(**values):
    return {"values": {name.replace("__", "."): {"value": value} for name, value in values.items()}}


BACKOFF = {"base_s": 0.5, "factor": 2, "cap_s": 2.0, "capped": True, "jitter": "full", "first_at_once": False}


class TestLock:
    def test_the_same_behaviour_is_no_difference(self):
        """Times move a little."""
        assert [] == differences(lock(read__max_attempts=3, read__read_timeout_s=1.0, read__backoff=BACKOFF),
                                 lock(read__max_attempts=3, read__read_timeout_s=1.04,
                                      read__backoff={**BACKOFF, "base_s": 0.53}))

    @pytest.mark.parametrize(("name", "before", "after"), [
        ("read__max_attempts", 3, 4), ("read__retry_on", [503], [502, 503]), ("idempotency_key", "A", "B"),
        ("read__read_timeout_s", 1.0, 5.0), ("read__backoff", BACKOFF, {**BACKOFF, "jitter": "none"}),
        ("read__backoff", BACKOFF, {**BACKOFF, "base_s": 1.0}), ("read__backoff", BACKOFF, {**BACKOFF, "cap_s": 5.0}),
        ("read__backoff", BACKOFF, {**BACKOFF, "cap_s": 4.8, "capped": False})])
    def test_another_behaviour_is_told(self, name, before, after):
        """With both values."""
        (text,) = differences(lock(**{name: before}), lock(**{name: after}))
        assert text.startswith(name.replace("__", "."))

    @pytest.mark.parametrize(("after", "told"), [(1.6, 0), (15.0, 1)])
    def test_a_guess_moves_within_twice_as_much(self, after, told):
        """A connect timeout that was reckoned from drawn waits."""
        before, now = ({"values": {"connect_timeout_s": {"value": value, "confidence": "guess"}}}
                       for value in (1.1, after))
        assert told == len(differences(before, now))

    def test_a_cap_that_was_not_reached_may_be_any_beyond(self):
        """Delays up to 2 s were seen, and the cap is 5 s."""
        assert [] == differences(lock(read__backoff={**BACKOFF, "capped": False}),
                                 lock(read__backoff={**BACKOFF, "cap_s": 5.0}))

    def test_what_is_not_seen_any_more_is_told(self):
        """A key that is not sent, say."""
        assert ["idempotency_key: was Idempotency-Key, is not seen any more"] == differences(
            lock(idempotency_key="Idempotency-Key"), lock())
