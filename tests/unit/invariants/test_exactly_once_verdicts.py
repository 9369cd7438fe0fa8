"""IDM003, IDM004, IDM005 and IDM007 on literal histories."""

import json

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
KEYED = {"idempotency_key": "Idempotency-Key"}


def _uuid(number):
    """A key that is no worse than it looks: its quality is IDM006's matter."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def _many(words, key, *, count=60, starts=2, body=None, **header):
    """Writes in calm air; the key of each by its number and start."""
    refs = [f"op{i:06d}" for i in range(count)]
    storm = words.Storm(("ok",), refs=refs, starts=starts, **header)
    for number, ref in enumerate(refs):
        storm.start(ref, "write", "create").raw[-1][6]["instance"] = 1 + number * starts // count
        made = key(number, number % (count // starts))
        headers = {} if made is None else {"Idempotency-Key": made}
        said = body if body is not None else json.dumps({"reference": ref})
        storm.request("ok", "POST", headers, said, target=f"/payments?ref={ref}").answer(201).end()
    return storm.history()


def test_keys_of_their_own_pass(gale_words):
    """Sixty writes over two starts, sixty keys; in one process that is told."""
    history = _many(gale_words, lambda i, n: _uuid(i), fresh_process=True)
    assert gale_words.told(history, "IDM003") == PASS
    assert gale_words.failing(history) == []
    verdict = gale_words.verdicts(_many(gale_words, lambda i, n: f"k{i}"))["IDM003"]
    assert ("both starts in one process", 60) == (verdict.note, verdict.witnesses)


@pytest.mark.parametrize("key", [
    lambda i, n: "one-a-client", lambda i, n: _uuid(i // 2), lambda i, n: _uuid(n)])
def test_a_key_of_two_payloads_fails(gale_words, key):
    """One a client, one a millisecond, one a seed; the map from key to payload breaks with it."""
    history = _many(gale_words, key)
    assert gale_words.failing(history) == ["IDM003", "IDM005"]


def test_the_finding_tells_of_the_restart(gale_words):
    """Only the second start makes the keys of the first."""
    verdict = gale_words.verdicts(_many(gale_words, lambda i, n: f"k{n}"))["IDM003"]
    assert "2 operations with different payloads, over 2 starts" in verdict.findings[0].text


def test_equal_payloads_may_share_a_key(gale_words):
    """The trap: a hash of what is asked for."""
    history = _many(gale_words, lambda i, n: f"k{i // 2}", body='{"amount":1}')
    assert gale_words.told(history, "IDM003") == PASS


@pytest.mark.parametrize(("key", "expected"), [
    (lambda i, n: f"{1795618724000 + 10 * i}", ("UNKNOWN", "noise")),
    (lambda i, n: f"pay-{1795618724000 + 10 * i}", ("UNKNOWN", "noise")),
    (lambda i, n: f"{1795618724000 + 10 * i}-{i * 7919:06x}", PASS),
    (lambda i, n: f"{1795618724000 + 86_400_000 * i}", PASS)])
def test_keys_that_are_the_time_are_unique_by_chance_only(gale_words, key, expected):
    """A machine too slow for two writes in one millisecond shows nothing of them."""
    assert expected == gale_words.told(_many(gale_words, key), "IDM003")


@pytest.mark.parametrize(("more", "profile", "expected"), [
    ({"count": 40}, {}, ("UNKNOWN", "not_exercised")), ({"starts": 1}, {}, ("UNKNOWN", "not_exercised"))])
def test_few_keys_or_one_start_are_no_pass(gale_words, more, profile, expected):
    """Fifty over two starts is what shows it."""
    assert expected == gale_words.told(_many(gale_words, lambda i, n: f"k{i}", **more), "IDM003", **profile)


@pytest.mark.parametrize(("profile", "reason"), [({}, "undeclared"), (KEYED, "not_exercised")])
def test_no_keys_are_undeclared_or_another_invariants_matter(gale_words, profile, reason):
    """A declared key that is not sent is IDM009's."""
    history = _many(gale_words, lambda i, n: None)
    assert gale_words.told(history, "IDM003", **profile) == ("UNKNOWN", reason)


def _busy(words, first, second, *, status=503, effects=(), method="POST"):
    storm = words.Storm((str(status), "ok")).start(kind="write", name="create")
    for key, effect in zip((first, second), (*effects, None, None), strict=False):
        headers = {} if key is None else {"Idempotency-Key": key}
        storm.request(str(status), method, headers, "{}")
        if effect:
            _effect(storm, effect)
        storm.answer(status).wait(200)
        if second == "stop":
            return storm.end("failed").history()
    return storm.end("failed").history()


def _effect(storm, effect, key=None):
    return storm.add("origin", "effect", storm.ref, x=storm.x, effect=effect, key=key, replayed=False)


def test_a_keyless_retry_after_503_fails_alone(gale_words):
    """The origin made no effect here; that was luck."""
    history = _busy(gale_words, None, None)
    assert gale_words.failing(history) == ["IDM004"]
    text = gale_words.verdicts(history)["IDM004"].findings[0].text
    assert "answered 503 and sent again without a key: 2 attempts, 0 effects" in text


def test_two_effects_of_it_fail_exactly_once_too(gale_words):
    """A 503 after the effect doubles it."""
    history = _busy(gale_words, None, None, effects=("ef1", "ef2"))
    assert gale_words.failing(history) == ["IDM004", "IDM007"]


@pytest.mark.parametrize(("first", "second", "status", "expected"), [
    ("k", "k", 503, PASS), (None, "stop", 503, PASS), (None, None, 429, ("UNKNOWN", "not_exercised")),
    ("k", None, 503, FAIL), (None, "k", 503, FAIL)])
def test_a_key_no_retry_or_another_status_is_no_finding(gale_words, first, second, status, expected):
    """429 may be retried; a key on one side only is none."""
    assert expected == gale_words.told(_busy(gale_words, first, second, status=status), "IDM004")


def test_a_status_declared_never_applied_is_exempt(gale_words):
    """The API's contract says that 503 means rejected; the origin's effect is then its own breach."""
    history = _busy(gale_words, None, None, effects=("ef1", "ef2"))
    assert gale_words.told(history, "IDM004", never_applied=[503]) == ("UNKNOWN", "not_exercised")
    assert gale_words.failing(history, never_applied=[503]) == []


def test_puts_and_searches_need_no_key(gale_words):
    """PUT is idempotent by method, a search by declaration."""
    assert gale_words.told(_busy(gale_words, None, None, method="PUT"), "IDM004") == (
        "UNKNOWN", "not_exercised")
    declared = {"operations": {"create": {"naturally_idempotent": True}}}
    assert gale_words.told(_busy(gale_words, None, None), "IDM004", **declared) == (
        "UNKNOWN", "not_exercised")


def _again(words, keys, bodies, *, attempts=1, content="application/json"):
    """Calls of one reference, one after another; each with its key, each attempt with its body."""
    storm = words.Storm(("503",))
    for number, key in enumerate(keys):
        storm.start(kind="write", name="create")
        for attempt in range(attempts):
            headers = {"Content-Type": content} | ({"Idempotency-Key": key} if key else {})
            storm.request("503", "POST", headers, bodies[number * attempts + attempt])
            storm.answer(503).wait(200)
        storm.end("failed")
    return storm.history()


def test_a_new_key_for_the_changed_call_passes(gale_words):
    """Two calls of one reference are two operations."""
    history = _again(gale_words, ["k1", "k2"], ['{"amount":1}', '{"amount":2}'])
    assert gale_words.told(history, "IDM005") == PASS
    assert gale_words.failing(history) == []


def test_the_same_key_with_another_amount_fails_alone(gale_words):
    """IDM003 is about unrelated operations."""
    history = _again(gale_words, ["k1", "k1"], ['{"amount":1}', '{"amount":2}'])
    assert gale_words.failing(history) == ["IDM005"]
    assert "the call with another amount" in gale_words.verdicts(history)["IDM005"].findings[0].text


def test_a_timestamp_in_the_retry_fails(gale_words):
    """The body was built inside the loop."""
    bodies = [f'{{"amount":1,"sent_at":{n}}}' for n in range(2)]
    history = _again(gale_words, ["k1"], bodies, attempts=2)
    assert gale_words.told(history, "IDM005") == FAIL


@pytest.mark.parametrize(("content", "bodies"), [
    ("application/json", ['{"a":1,"b":[{"c":2,"d":3}]}', '{"b":[{"d":3,"c":2}],"a":1}']),
    ("application/json", ['{"a":1,"signature":"x"}', '{"signature":"y","a":1}']),
    ("application/x-www-form-urlencoded", ["a=1&b=2", "b=2&a=1"]),
    ("application/x-www-form-urlencoded", ["a=1&sig=x", "sig=y&a=1"])])
def test_another_spelling_is_no_other_payload(gale_words, content, bodies):
    """The traps: key order, and signatures that differ with each attempt."""
    history = _again(gale_words, ["k1"], bodies, attempts=2, content=content)
    assert gale_words.told(history, "IDM005") == ("UNKNOWN", "not_exercised")


def test_multipart_is_compared_without_its_boundary(gale_words):
    """Each attempt draws its own."""
    storm = gale_words.Storm(("503",)).start(kind="write", name="create")
    for boundary in ("aaa", "bbb"):
        storm.request("503", "POST", {"Idempotency-Key": "k1", "Content-Type":
                                      f"multipart/form-data; boundary={boundary}"},
                      f"--{boundary}\r\n\r\n1\r\n--{boundary}--").answer(503).wait(200)
    assert gale_words.told(storm.end("failed").history(), "IDM005") == ("UNKNOWN", "not_exercised")


@pytest.mark.parametrize(("profile", "reason"), [({}, "undeclared"), (KEYED, "not_exercised")])
def test_changed_calls_without_keys_show_nothing(gale_words, profile, reason):
    """No key is bound to anything."""
    history = _again(gale_words, [None, None], ['{"amount":1}', '{"amount":2}'])
    assert gale_words.told(history, "IDM005", **profile) == ("UNKNOWN", reason)


def _paid(words, keys, effects, *, outcome="ok", value="usual", error=None, word="rst after effect"):
    """A lost answer after an effect, then an answer; what the caller got."""
    storm = words.Storm((word, "ok")).start(kind="write", name="create")
    _effect(storm.post(word, keys[0]), effects[0]).cut().wait(200)
    if len(keys) > 1:
        _effect(storm.post("ok", keys[1]), effects[1])
        storm.wait(1).add("tap", "answer", storm.ref, connection=storm.connection, x=storm.x, n=99, total=99,
                          status=201, headers=[])
        storm.add("origin", "answered", storm.ref, x=storm.x, status=201, total=99, value=effects[1])
        storm.add("tap", "answer_end", storm.ref, connection=storm.connection, x=storm.x, total=99)
    storm.end(outcome, {"id": effects[-1]} if value == "usual" else value)
    if error is not None:
        storm.raw[-1][6]["error"].update(error)
    return storm.history()


def test_one_effect_and_its_value_pass(gale_words):
    """The key lets the provider answer the retry with the first effect."""
    history = _paid(gale_words, ["k", "k"], ["ef1", "ef1"])
    assert gale_words.told(history, "IDM007") == PASS
    assert gale_words.failing(history) == []


def test_two_effects_fail(gale_words):
    """A fresh key for each attempt."""
    history = _paid(gale_words, ["k1", "k2"], ["ef1", "ef2"])
    assert gale_words.failing(history) == ["IDM002", "IDM007"]


def test_another_value_than_the_effects_fails_alone(gale_words):
    """The caller holds a receipt that is not his."""
    history = _paid(gale_words, ["k", "k"], ["ef1", "ef1"], value={"id": "ef9"})
    assert gale_words.failing(history) == ["IDM007"]


def test_a_success_without_an_effect_fails(gale_words):
    """An error swallowed; nothing was paid."""
    storm = gale_words.Storm(("rst after request",)).start(kind="write", name="create")
    history = storm.post("rst after request", "k").cut().end("ok", None).history()
    assert gale_words.failing(history) == ["IDM007"]


def test_a_success_with_another_operations_effect_fails(gale_words):
    """A shared key made the provider answer with the other one's receipt."""
    storm = gale_words.Storm(("ok",))
    for ref in gale_words.refs[:2]:
        _effect(storm.start(ref, "write", "create").post("ok", "k"), "ef1").answer(201)
        storm.end("ok", {"id": "ef1"})
    assert gale_words.told(storm.history(), "IDM007") == FAIL


@pytest.mark.parametrize(("error", "profile", "expected"), [
    ({"effect": "unknown"}, {}, PASS), ({"effect": "none"}, {}, FAIL),
    ({"type": "shop.Maybe"}, {"errors": {"unknown": "shop.Maybe"}}, PASS),
    ({"type": "shop.Worse", "bases": ["shop.Maybe"]}, {"errors": {"unknown": "shop.Maybe"}}, PASS),
    ({"type": "shop.Refused"}, {"errors": {"unknown": "shop.Maybe"}}, FAIL),
    ({"type": "shop.Refused"}, {"errors": {"timeout": "shop.Late"}}, PASS), ({}, {}, PASS)])
def test_an_error_must_not_deny_what_may_have_happened(gale_words, error, profile, expected):
    """By attribute or driver, or by the declared class; an undeclared taxonomy is no finding."""
    history = _paid(gale_words, ["k"], ["ef1"], outcome="failed", error=error)
    assert expected == gale_words.told(history, "IDM007", **profile)


def test_an_error_that_says_nothing_is_told_in_the_note(gale_words):
    """How to make it judged stands beside."""
    verdict = gale_words.verdicts(_paid(gale_words, ["k"], ["ef1"], outcome="failed"))["IDM007"]
    assert "1 errors do not say" in verdict.note


def test_denying_is_judged_by_what_could_be_known(gale_words):
    """Reset before the effect: the client could not know, and guessed."""
    storm = gale_words.Storm(("rst after request",)).start(kind="write", name="create")
    storm.post("rst after request", "k").cut().end("failed")
    storm.raw[-1][6]["error"]["effect"] = "none"
    assert gale_words.told(storm.history(), "IDM007") == FAIL


def test_calm_air_and_refusals_exercise_nothing(gale_words):
    """No answer was lost."""
    storm = gale_words.Storm(("ok",)).start(kind="write", name="create")
    calm = _effect(storm.post("ok", "k"), "ef1").answer(201).end(value={"id": "ef1"}).history()
    storm = gale_words.Storm(("422",)).start(kind="write", name="create")
    refused = storm.post("422", "k").answer(422).end("failed").history()
    assert [gale_words.told(h, "IDM007") for h in (calm, refused)] == [("UNKNOWN", "not_exercised")] * 2


def test_an_effect_of_two_references_is_attribution(gale_words):
    """Nobody knows whose it is."""
    storm = gale_words.Storm(("rst after effect",)).start(kind="write", name="create")
    both = f"/pay/{gale_words.refs[0]}/{gale_words.refs[1]}"
    _effect(storm.post("rst after effect", "k", target=both), "ef1").cut().end("failed")
    assert gale_words.told(storm.history(), "IDM007") == ("UNKNOWN", "attribution")


def test_a_key_beyond_the_recorded_part_of_a_body_is_not_missed(gale_words):
    """The record keeps 64 KB of a body: what lies behind decides nothing."""
    storm = gale_words.Storm(("503", "ok")).start(kind="write", name="create")
    body = '{"blob":"' + "z" * 65_527
    for _ in range(2):
        storm.request("503", "POST", None, body).answer(503).wait(50)
    history = storm.end("failed").history()
    assert gale_words.failing(history, idempotency_key="body:request_id") == []
