"""OBS001 on literal histories."""

import pytest

HEADER = "X-Request-Id"
TRACE = "00-{0:032x}-{1:016x}-01"


def _run(words, *ids, header=HEADER, refs=None):
    """One operation for each list of ids, an attempt for each id; None sends no header."""
    storm = words.Storm(("503", "503", "ok"))
    for ref, own in zip(refs or words.refs, ids, strict=False):
        storm.start(ref)
        for at, value in enumerate(own):
            last = at == len(own) - 1
            storm.request("ok" if last else "503", headers={} if value is None else {header: value})
            storm.answer(200 if last else 503).wait(20)
        storm.end()
    return storm.history()


def test_one_id_an_operation_passes(gale_words):
    """Constant over the attempts, and its own."""
    history = _run(gale_words, ["a", "a"], ["b", "b"])
    assert ("PASS", None) == gale_words.told(history, "OBS001", correlation_id=HEADER)


@pytest.mark.parametrize(("ids", "says"), [
    ((["a", "a2"], ["b", "b"]), "2 ids"), ((["a", "a"], ["a", "a"]), "shares"),
    ((["a", None], ["b", "b"]), "no X-Request-Id on attempt 2 of 2")])
def test_a_wrong_id_fails_alone(gale_words, ids, says):
    """New with each attempt, one a process, or missing."""
    history = _run(gale_words, *ids)
    assert ["OBS001"] == gale_words.failing(history, correlation_id=HEADER)
    finding = gale_words.verdicts(history, correlation_id=HEADER)["OBS001"].findings[0]
    assert (True, True) == (says in finding.text, len(finding.evidence) == 2)


def test_a_span_may_change_within_a_trace(gale_words):
    """Only the trace id of a traceparent counts."""
    traces = [[TRACE.format(n, 1), TRACE.format(n, 2)] for n in (7, 8)]
    history = _run(gale_words, *traces, header="traceparent")
    assert ("PASS", None) == gale_words.told(history, "OBS001", correlation_id="traceparent")
    one = _run(gale_words, traces[0], traces[0], header="traceparent")
    assert ("FAIL", None) == gale_words.told(one, "OBS001", correlation_id="traceparent")


def test_an_undeclared_id_is_found(gale_words):
    """Any header that is constant over each operation and its own."""
    history = _run(gale_words, ["a", "a"], ["b", "b"], header="X-Any")
    verdict = gale_words.verdicts(history)["OBS001"]
    assert ("PASS", "seen in x-any") == (verdict.outcome.value, verdict.note)


@pytest.mark.parametrize("ids", [(["a", "a2"], ["b", "b2"]), (["a", "a"], ["a", "a"]), ([None, None],) * 2])
def test_what_nobody_declared_is_unknown(gale_words, ids):
    """A new id with each attempt may be meant so; under strict it fails."""
    history = _run(gale_words, *ids)
    assert ("UNKNOWN", "undeclared") == gale_words.told(history, "OBS001")
    assert ("FAIL", None) == gale_words.told(history, "OBS001", strict=True)


def test_calls_of_one_reference_may_share_an_id(gale_words):
    """The trap: the caller's id, given to two operations of one request."""
    first, second = gale_words.refs[:2]
    history = _run(gale_words, ["a", "a"], ["a", "a"], ["b", "b"], refs=(first, first, second))
    assert ("PASS", None) == gale_words.told(history, "OBS001", correlation_id=HEADER)


@pytest.mark.parametrize("ids", [(["a", "a"],), (["a"], ["b"])])
def test_one_operation_or_no_retry_shows_nothing(gale_words, ids):
    """Nothing to be constant over, or nobody to share with."""
    history = _run(gale_words, *ids)
    assert ("UNKNOWN", "not_exercised") == gale_words.told(history, "OBS001", correlation_id=HEADER)
