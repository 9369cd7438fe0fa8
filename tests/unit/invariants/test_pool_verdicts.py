"""CON002 on literal histories."""

import pytest

SIZE, GIVEN_UP = 3, 6


def _run(words, *, given_up=GIVEN_UP, fails=0, swap=False, closes=True, size=SIZE, later=SIZE):
    """Calls that are given up in a hang, ``size`` of them in flight at once; then ``later`` healthy ones."""
    refs = [f"op{n:06d}" for n in range(given_up + later)]
    storm = words.Storm(("hang after request",), refs=refs, sequential=False)
    for at, ref in enumerate(refs[:given_up]):
        storm.start(ref)
        if at < size:
            storm.request("hang after request")
    storm.wait(200)
    for at, ref in enumerate(refs[:given_up]):
        storm.ref = ref
        storm.add("subject", "op_cancel", ref)
        if at < size and closes:
            storm.add("tap", "client_fin", ref, connection=at + 1, x=at + 1)
        storm.end("cancelled")
    for at, ref in enumerate(refs[given_up:]):
        storm.start(ref)
        if at < fails:
            storm.wait(400).end("failed", error="PoolTimeout")
            continue
        storm.request("ok").answer(200)
        storm.end(value={"id": refs[given_up]} if swap and at else "usual")
    storm.wait(4000).add("world", "lag", ms=0)
    return storm.history()


def test_a_pool_that_is_whole_again_passes(gale_words):
    """Twice its size was given up, and its size succeeds."""
    history = _run(gale_words)
    assert ("PASS", None) == gale_words.told(history, "CON002", read_timeout_s=0.4)
    assert [] == gale_words.failing(history, read_timeout_s=0.4)


@pytest.mark.parametrize(("more", "says"), [
    ({"fails": 2}, "the caller got PoolTimeout; 0 requests came"),
    ({"swap": True}, "the caller got the answer of"), ({"closes": False}, "its connection is open")])
def test_a_pool_that_is_not_fails(gale_words, more, says):
    """Slots that never come back, swapped answers, connections that nobody closes."""
    verdict = gale_words.verdicts(_run(gale_words, **more))["CON002"]
    assert ("FAIL", True) == (verdict.outcome.value, says in verdict.findings[0].text)


def test_a_declared_breaker_may_refuse(gale_words):
    """Nothing of it came to the wire, and a breaker is declared."""
    history = _run(gale_words, fails=2)
    assert ("UNKNOWN", "not_exercised") == gale_words.told(history, "CON002", breaker={"calls": 5})


@pytest.mark.parametrize("more", [{"size": 6}, {"size": 4}, {"later": 2}, {"given_up": 0}])
def test_a_pool_that_was_not_full_shows_nothing(gale_words, more):
    """No limit was seen, too few were given up, too few came after, or nobody gave up."""
    assert ("UNKNOWN", "not_exercised") == gale_words.told(_run(gale_words, **more), "CON002")
