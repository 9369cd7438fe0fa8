"""CON001 on literal histories."""

import pytest

DECLARED = {"read_timeout_s": 0.4, "connect_timeout_s": 0.4}


def _run(words, *, rest_ms=900, outcome="ok", requests=1, left_ms=None, plan=(), lag_ms=0, word="ok"):
    """Two calls with a rest between; the second as given."""
    storm = words.Storm(plan).start(words.refs[0])
    storm.request(word).answer(200).end().wait(rest_ms).start(words.refs[1])
    if lag_ms:
        storm.add("world", "lag", ms=lag_ms)
    if left_ms is not None:
        storm.request(word).gives_up(left_ms)
    for at in range(requests):
        storm.request(word, reuse=at == 0, nth=2 if at == 0 else 1).answer(200)
    storm.end(outcome, error="ReadTimeout")
    return storm.history()


def test_a_call_after_a_rest_passes(gale_words):
    """Twice the timeout, and one request."""
    history = _run(gale_words)
    assert ("PASS", None) == gale_words.told(history, "CON001", **DECLARED)
    assert [] == gale_words.failing(history, **DECLARED)


@pytest.mark.parametrize(("more", "says"), [
    ({"outcome": "failed", "requests": 0}, "the caller got ReadTimeout"), ({"requests": 3}, "3 requests"),
    ({"left_ms": 3}, "broke its request off")])
def test_a_broken_call_after_a_rest_fails(gale_words, more, says):
    """An error, a storm of resends, or a timeout that is not its own."""
    verdict = gale_words.verdicts(_run(gale_words, **more), **DECLARED)["CON001"]
    assert ("FAIL", True) == (verdict.outcome.value, says in verdict.findings[0].text)


def test_an_error_fails_without_any_declaration(gale_words):
    """The provider was well: no timeout needs to be known."""
    assert ("FAIL", None) == gale_words.told(_run(gale_words, outcome="failed", requests=0), "CON001")


def test_one_resend_after_a_silent_close_passes(gale_words):
    """The connection was closed while it rested."""
    history = _run(gale_words, plan=("fin after answer",), word="fin after answer", requests=2)
    assert ("PASS", None) == gale_words.told(history, "CON001", **DECLARED)


def test_undeclared_timeouts_are_unknown_with_the_figure(gale_words):
    """Nobody knows whether the rest was long enough."""
    verdict = gale_words.verdicts(_run(gale_words))["CON001"]
    assert ("undeclared", True) == (verdict.reason, verdict.note.startswith("usable after 0.9 s"))


def test_a_machine_that_stood_still_is_noise(gale_words):
    """Its own timeout may have fired."""
    history = _run(gale_words, outcome="failed", lag_ms=300)
    assert ("UNKNOWN", "noise") == gale_words.told(history, "CON001", **DECLARED)


@pytest.mark.parametrize("more", [{"rest_ms": 300}, {"plan": ("503", "ok")}])
def test_no_rest_or_no_health_shows_nothing(gale_words, more):
    """Too short a rest; a storm with faults."""
    assert ("UNKNOWN", "not_exercised") == gale_words.told(_run(gale_words, **more), "CON001", **DECLARED)
