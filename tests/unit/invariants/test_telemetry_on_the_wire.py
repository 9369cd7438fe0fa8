"""OBS002 on literal histories."""

import json

import pytest

RESENT = "http.request.resend_count"


def _told(storm, signal, name, count, **attributes):
    storm.add("subject", "capture", channel="telemetry", level=None, logger=name, signal=signal,
              kind="client" if signal == "span" else "histogram", count=count, text=json.dumps(attributes))


def _run(words, *, spans=(2, 2), durations=(2, 2), resent=2, found=True, retried=True, word="503", sets=0,
         operations=2, unsent=0):
    """Operations that are answered 503 and then 200; what telemetry says of each status."""
    refs = [f"op{n:06d}" for n in range(operations)]
    storm = words.Storm((word, "ok"), refs=refs)
    for ref in refs:
        storm.start(ref)
        if retried:
            storm.request(word).answer(503).wait(20)
        storm.request("ok").answer(200).end()
    for name, counts in (("span", spans), ("metric", durations)):
        for status, count in zip((503, 200), counts, strict=False):
            own = {RESENT: 1} if name == "span" and status == 200 and resent else {}
            _told(storm, name, "GET" if name == "span" else "http.client.request.duration", count,
                  **{"http.request.method": "GET", "http.response.status_code": status, **own})
    if unsent:
        _told(storm, "span", "GET", unsent, **{"http.request.method": "GET", RESENT: 1, "error.type": "timeout"})
    for number in range(sets):
        _told(storm, "metric", "requests", 1, path=f"/items/{number}")
    storm.add("subject", "probe", channel="telemetry", found=found)
    return storm.history()


def test_what_is_reported_is_what_was_sent(gale_words):
    """By method and status, and resends."""
    assert ("PASS", None) == gale_words.told(_run(gale_words), "OBS002")
    assert [] == gale_words.failing(_run(gale_words))


@pytest.mark.parametrize(("more", "says"), [
    ({"durations": (0, 2)}, "durations: 2 attempts of GET, 4 on the wire"),
    ({"spans": (1, 3)}, "spans: 3 answers 200, 2 on the wire"),
    ({"spans": (3, 2)}, "spans: 5 attempts of GET, 4 on the wire")])
def test_another_count_fails_alone(gale_words, more, says):
    """Retries that are not counted, statuses that never came, attempts that nobody made."""
    history = _run(gale_words, **more)
    assert ["OBS002"] == gale_words.failing(history)
    assert says in [f.text for f in gale_words.verdicts(history)["OBS002"].findings]


def test_a_label_for_each_path_fails(gale_words):
    """A hundred operations, a hundred sets of labels."""
    history = _run(gale_words, operations=100, sets=100, spans=(100, 100), durations=(100, 100))
    finding = gale_words.verdicts(history)["OBS002"].findings[0]
    assert "metric requests: 100 sets of labels, 6 are enough for 1 endpoints" == finding.text


def test_other_signals_are_undeclared(gale_words):
    """Nobody promised these names; under strict they are due."""
    history = _run(gale_words, spans=(), durations=())
    assert ("UNKNOWN", "undeclared") == gale_words.told(history, "OBS002")
    assert ("FAIL", None) == gale_words.told(history, "OBS002", strict=True)


def test_an_attempt_that_never_reached_the_wire_may_be_reported(gale_words):
    """It ended without a status: no connection, or no time left."""
    history = _run(gale_words, unsent=1)
    assert ("PASS", None) == gale_words.told(history, "OBS002")


@pytest.mark.parametrize(("more", "reason"), [
    ({"found": False}, "capture_missing"), ({"word": "refuse"}, "not_exercised"),
    ({"retried": False, "spans": (0, 2), "durations": (0, 2), "resent": 0}, "not_exercised")])
def test_what_cannot_be_counted_is_unknown(gale_words, more, reason):
    """No probe; attempts that leave no trace on the wire; no retry."""
    assert ("UNKNOWN", reason) == gale_words.told(_run(gale_words, **more), "OBS002")
