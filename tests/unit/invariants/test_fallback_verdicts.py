"""OBS003 on literal histories."""

import pytest

DECLARED = {"fallback": {"mark": "fallback", "stale_s": 5.0}}


def _run(words, *, value="marked", secondary="after", logs=(), rest_ms=0, down=True):
    """A healthy read, then one whose primary is down; ``secondary``: when it is asked."""
    ref = words.refs[0]
    storm = words.Storm(("503",)).start(ref).request("ok").answer(200)
    if secondary == "healthy":
        _other(storm)
    storm.end().wait(rest_ms).start(ref)
    if secondary == "before":
        _other(storm)
    storm.request("503" if down else "ok").answer(503 if down else 200).wait(5)
    if secondary == "after":
        _other(storm)
    for text in logs:
        storm.log(text)
    storm.add("subject", "probe", channel="log", found=True)
    if value is None:
        return storm.end("failed").history()
    return storm.end(value={"id": ref, "fallback": True} if value == "marked" else {"id": ref}).history()


def _other(storm):
    storm.request("ok")
    storm.raw[-2][6]["origin"] = "other"
    storm.answer(200).wait(1)


@pytest.mark.parametrize("secondary", ["after", None])
def test_a_marked_value_passes(gale_words, secondary):
    """From the secondary, or a memory."""
    history = _run(gale_words, secondary=secondary)
    assert ("PASS", None) == gale_words.told(history, "OBS003", **DECLARED)


def test_a_mark_in_the_log_passes(gale_words):
    """The declared text was said during the call."""
    more = {"fallback": {"mark": "log:fallback used"}}
    assert ("PASS", None) == gale_words.told(
        _run(gale_words, value="plain", logs=["fallback used"]), "OBS003", **more)
    assert ("FAIL", None) == gale_words.told(_run(gale_words, value="plain"), "OBS003", **more)


@pytest.mark.parametrize(("more", "says"), [
    ({"value": "plain"}, "the value is the secondary's, and fallback does not say so"),
    ({"value": "plain", "secondary": None}, "none that was answered to this call"),
    ({"secondary": "before"}, "before the primary"), ({"secondary": "healthy"}, "while the primary was well"),
    ({"secondary": None, "rest_ms": 6000}, "s old; 5 s are declared")])
def test_a_hidden_or_misplaced_fallback_fails(gale_words, more, says):
    """Silent, in the wrong order, in health, or too old."""
    verdict = gale_words.verdicts(_run(gale_words, **more), **DECLARED)["OBS003"]
    assert ("FAIL", True) == (verdict.outcome.value, says in verdict.findings[0].text)


def test_a_declared_hedge_may_ask_both(gale_words):
    """The trap."""
    history = _run(gale_words, secondary="before")
    assert ("PASS", None) == gale_words.told(history, "OBS003", **DECLARED, hedged=True)


def test_what_nobody_declared_is_unknown_with_the_figure(gale_words):
    """One answer was none of the primary's; under strict it must be marked."""
    verdict = gale_words.verdicts(_run(gale_words, value="plain"))["OBS003"]
    assert ("undeclared", 1) == (verdict.reason, verdict.observed)
    assert ("FAIL", None) == gale_words.told(_run(gale_words, value="plain"), "OBS003", strict=True)


@pytest.mark.parametrize("more", [{"down": False, "secondary": None}, {"value": None}])
def test_no_outage_or_no_fallback_shows_nothing(gale_words, more):
    """The primary was well, or its failure reached the caller."""
    assert ("UNKNOWN", "not_exercised") == gale_words.told(_run(gale_words, **more), "OBS003", **DECLARED)
