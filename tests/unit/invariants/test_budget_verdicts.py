"""BUD001 and BUD003 on literal histories."""

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
BUDGET = {"retry_budget": True, "max_attempts": 3}


def _failing(words, tries, *, count=300, every=5, healthy=20):
    """Healthy operations, then failing ones that begin every few ms; ``tries(n)`` attempts each."""
    refs = [f"op{i:06d}" for i in range(healthy + count)]
    storm = words.Storm(("503",), refs=refs)
    for number, ref in enumerate(refs):
        storm.now = number * every
        storm.start(ref)
        if number < healthy:
            storm.request("ok").answer(200).end()
            continue
        for _ in range(tries(number - healthy)):
            storm.request("503").answer(503).wait(100)
        storm.end("failed")
    return storm.history()


@pytest.mark.parametrize("tries", [
    lambda n: 3 if n < 50 else 1, lambda n: 3 if n < 50 else 1 + (n % 5 == 0), lambda n: 3 if n < 50 else 0])
def test_retries_in_proportion_pass(gale_words, tries):
    """A token bucket, one in five, and a breaker in its place."""
    history = _failing(gale_words, tries)
    assert gale_words.told(history, "BUD001", **BUDGET) == PASS
    assert gale_words.told(history, "BUD001", max_attempts=3) == PASS


@pytest.mark.parametrize("tries", [lambda n: 3, lambda n: 2])
def test_retries_of_every_operation_fail_alone_where_a_budget_is_promised(gale_words, tries):
    """No budget, or one of a retry for each; undeclared, the figure is told."""
    history = _failing(gale_words, tries)
    assert ["BUD001"] == [c for c in gale_words.failing(history, **BUDGET) if c[:3] != "JIT"]
    verdict = gale_words.verdicts(history, max_attempts=3)["BUD001"]
    assert ("undeclared", tries(0)) == (verdict.reason, verdict.observed)
    assert FAIL == gale_words.told(history, "BUD001", strict=True)


def test_a_slow_rate_or_the_middle_is_undecided(gale_words):
    """Twenty a second show the floor of a budget; 1.4 is between the zones."""
    slow, middle = _failing(gale_words, lambda n: 3, every=50), _failing(gale_words, lambda n: 1 + (n % 5 < 2))
    assert [("UNKNOWN", "noise")] * 2 == [gale_words.told(h, "BUD001", **BUDGET) for h in (slow, middle)]


@pytest.mark.parametrize("more", [{"tries": lambda n: 1}, {"tries": lambda n: 3, "count": 199}])
def test_no_retry_or_too_few_operations_exercise_nothing(gale_words, more):
    """r = 0, or a short outage."""
    assert gale_words.told(_failing(gale_words, **more), "BUD001", **BUDGET) == ("UNKNOWN", "not_exercised")


# -- BUD003 ------------------------------------------------------------------------------------------

def _hung(words, places, *, well_ms=5, well_fails=False, count=40, beside=30):
    """So many reads hang at once, a second each; writes run beside them."""
    refs = [f"op{i:06d}" for i in range(count + beside)]
    storm = words.Storm(("hang after request",), refs=refs, sequential=False)
    for number, ref in enumerate(refs[:count]):
        storm.now = 1000 * (number // places) + number % places
        storm.start(ref).request("hang after request").gives_up(990).end("failed")
    for number, ref in enumerate(refs[count:]):
        storm.now = 100 + 20 * number
        storm.start(ref, "write", "create").wait(well_ms)
        storm.post("ok", f"k{number}", target=f"/payments/{ref}").answer(201)
        storm.end("failed" if well_fails else "ok")
    return storm.history()


LIMIT = {"bulkhead": {"limit": 20, "per_route": 10}, "read_timeout_s": 1.0}


def test_a_bulkhead_that_holds_passes(gale_words):
    """Ten hang, the others wait, and the well endpoint answers."""
    history = _hung(gale_words, 10)
    assert gale_words.told(history, "BUD003", **LIMIT) == PASS
    assert "BUD003" not in gale_words.failing(history, **LIMIT)


@pytest.mark.parametrize("limit", [{"limit": 10}, {"limit": 50, "per_route": 12}])
def test_more_in_flight_than_declared_fails(gale_words, limit):
    """In all, or at one endpoint."""
    history = _hung(gale_words, 30)
    assert gale_words.told(history, "BUD003", bulkhead=limit, read_timeout_s=1.0) == FAIL


@pytest.mark.parametrize("more", [{"well_ms": 700}, {"well_fails": True}])
def test_a_starved_endpoint_fails(gale_words, more):
    """Late, or failed; undeclared it is told, and fails under strict."""
    history = _hung(gale_words, 10, **more)
    assert gale_words.told(history, "BUD003", **LIMIT) == FAIL
    assert gale_words.told(history, "BUD003", read_timeout_s=1.0) == ("UNKNOWN", "undeclared")
    assert gale_words.told(history, "BUD003", read_timeout_s=1.0, strict=True) == FAIL


def test_nothing_beside_the_hung_ones_exercises_nothing(gale_words):
    """Nobody could be starved."""
    assert gale_words.told(_hung(gale_words, 10, beside=3), "BUD003", **LIMIT) == ("UNKNOWN", "not_exercised")
