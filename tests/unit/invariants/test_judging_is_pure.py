"""Judging depends on the history and the profile alone."""

from galeproof.model import dump_history, load_history


def _history(words):
    storm = words.Storm(("rst after effect", "503", "ok"))
    storm.start(kind="write", name="create").post("rst after effect", "k").cut().wait(50)
    storm.post("503", "k").answer(503, {"Retry-After": "1"}).wait(1100)
    storm.post("ok", "k").answer(201).end()
    for _ in range(7):
        storm.start(words.refs[1]).request("503").answer(503).wait(10).end("failed")
    return storm


def test_equal_histories_give_byte_equal_verdicts(gale_words):
    """A stored and reloaded history is judged to the same bytes, and again to the same."""
    history = _history(gale_words).history()
    first = gale_words.same(history, {"max_attempts": 3})
    assert first == gale_words.same(history, {"max_attempts": 3})
    assert first == gale_words.same(load_history(dump_history(history)), {"max_attempts": 3})


def test_judging_leaves_the_history_as_it_was(gale_words):
    """The stored form is the same before and after."""
    history = _history(gale_words).history()
    before = dump_history(history)
    gale_words.verdicts(history, max_attempts=3, deadline_s=5.0)
    assert before == dump_history(history)


def test_stray_requests_change_no_verdict(gale_words):
    """A token refresh of nobody's operation is no attempt of anybody's."""
    plain, busy = _history(gale_words), _history(gale_words)
    busy.ref = None
    busy.header["sequential"] = plain.header["sequential"] = False
    for _ in range(9):
        busy.request("ok", "POST", None, "grant=refresh", target="/oauth/token").answer(200)
    want = {c: v.outcome for c, v in gale_words.verdicts(plain.history(), max_attempts=3).items()}
    seen = {c: v.outcome for c, v in gale_words.verdicts(busy.history(), max_attempts=3).items()}
    assert want == seen
