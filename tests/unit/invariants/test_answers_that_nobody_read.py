"""An answer that came too late is no answer: what the client does next follows from its own timeout."""

import pytest

TIMED = {"retry_on": ["timeout", 429], "max_attempts": 3, "read_timeout_s": 0.5, "retry_after_max_s": 3.0,
         "idempotency_key": "Idempotency-Key"}
KEY = {"Idempotency-Key": "k1"}


def _late(words, status, left, *, after_ms=495, then_ms=60, method="GET"):
    """One answer after so long; what the client did to its connection; and another attempt."""
    storm = words.Storm((str(status), "ok"), sequential=True).start(kind="read" if method == "GET" else "write")
    storm.request(str(status), method, KEY).wait(after_ms)
    if left == "fin before":
        storm.add("tap", "client_fin", storm.ref, connection=storm.connection, x=storm.x)
    storm.answer(status, {"Retry-After": "2"})
    if left == "fin before":  # the kernel's answer to ours was a reset
        storm.raw[-1][6]["unread"] = True
    elif left:
        storm.wait(3)
        if left == "fin":
            storm.add("tap", "client_fin", connection=storm.connection)
        storm.add("tap", "gone", connection=storm.connection, how=left)
    storm.wait(then_ms).request("ok", method, KEY).answer(200 if method == "GET" else 201)
    return storm.end().history()


@pytest.mark.parametrize(("status", "code"), [(404, "RTY002"), (429, "RAF001"), (401, "RTY002")])
@pytest.mark.parametrize("left", ["fin before", "rst", "fin"])
def test_who_left_before_the_answer_was_read_has_not_disobeyed_it(gale_words, status, code, left):
    """The client's end came first, was a reset on what it had not read, or fell together with its timeout."""
    history = _late(gale_words, status, left)
    verdict = gale_words.verdicts(history, **TIMED)[code]
    assert "UNKNOWN" == verdict.outcome.value
    assert [] == gale_words.failing(history, **TIMED)


@pytest.mark.parametrize("more", [{"left": None}, {"left": "fin", "after_ms": 100}])
def test_who_kept_the_connection_or_had_time_has_read_it(gale_words, more):
    """A 404 that is tried again is a defect all the same."""
    assert ("FAIL", None) == gale_words.told(_late(gale_words, 404, **more), "RTY002", **TIMED)


def test_without_a_declared_timeout_the_one_that_was_seen_serves(gale_words):
    """The client was seen to give up after half a second elsewhere."""
    storm = gale_words.Storm(("404", "ok"), sequential=True).start()
    storm.request("hang").gives_up(500).request("ok").answer(200).end()
    storm.start(gale_words.refs[1]).request("404").wait(495).answer(404).wait(2)
    storm.add("tap", "client_fin", connection=storm.connection)
    history = storm.wait(60).request("ok").answer(200).end().history()
    assert "UNKNOWN" == gale_words.told(history, "RTY002")[0]


def test_an_effect_behind_an_unread_answer_is_as_unclear_as_a_lost_one(gale_words):
    """A payment was made, nobody heard of it, and it is made again without a key."""
    storm = gale_words.Storm(("201", "ok"), sequential=True).start(kind="write", name="create")
    storm.request("201", "POST").wait(700).add(
        "tap", "client_fin", storm.ref, connection=storm.connection, x=storm.x).answer(201)
    storm.raw[-1][6]["unread"] = True
    history = storm.wait(60).request("ok", "POST").answer(201).end().history()
    assert ("FAIL", None) == gale_words.told(history, "IDM001", retry_on=["timeout"], max_attempts=3)
