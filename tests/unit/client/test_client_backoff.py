"""Backoff: capped, exponential, fully jittered."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from galeproof.client.backoff import backoff_ceiling_s, backoff_s


@given(
    seed=st.integers(),
    retry=st.integers(1, 10_000),
    base_s=st.floats(0.001, 1),
    factor=st.floats(1, 10),
    cap_s=st.floats(1, 100),
)
def test_backoff_stays_within_its_cap(
    seed: int, retry: int, base_s: float, factor: float, cap_s: float
) -> None:
    """No wait is negative or above the cap, however many retries there were."""
    delay_s = backoff_s(Random(seed), retry, base_s=base_s, factor=factor, cap_s=cap_s)
    assert 0 <= delay_s <= cap_s


@given(seed=st.integers())
def test_jitter_survives_the_cap(seed: int) -> None:
    """Waits at the cap still differ, over the whole range below it."""
    rng = Random(seed)
    delays = [backoff_s(rng, 50, base_s=0.2, factor=2, cap_s=2.0) for _ in range(100)]
    assert len(set(delays)) > 90
    assert min(delays) < 1.0 < max(delays)


def test_ceilings_double_up_to_the_cap() -> None:
    """The ceilings are base times factor to the retry's number, then the cap."""
    ceilings = [backoff_ceiling_s(n, base_s=0.5, factor=2, cap_s=2.0) for n in (1, 2, 3, 4, 9999)]
    assert ceilings == [0.5, 1.0, 2.0, 2.0, 2.0]


def test_same_seed_gives_same_waits() -> None:
    """The dice are an argument: two streams of one seed draw the same waits."""
    first, second = (
        [backoff_s(rng, n, base_s=0.2, factor=2, cap_s=2.0) for n in range(1, 9)]
        for rng in (Random(7), Random(7))
    )
    assert first == second
