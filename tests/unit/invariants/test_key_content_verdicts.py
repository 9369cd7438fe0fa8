"""IDM006, IDM008 and IDM009 on literal histories."""

import random
import uuid

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
KEYED = {"idempotency_key": "Idempotency-Key"}
B32, B62 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _payments(words, keys):
    """One payment a key, in calm air."""
    refs = [f"op{i:06d}" for i in range(len(keys))]
    storm = words.Storm((), refs=refs)
    for ref, key in zip(refs, keys, strict=True):
        storm.start(ref, "write", "create").post("ok", key, target=f"/payments/{ref}").answer(201).end()
    return storm.history()


def _drawn(alphabet, length, count=30, seed=1):
    rng = random.Random(seed)
    return ["".join(rng.choice(alphabet) for _ in range(length)) for _ in range(count)]


# -- IDM006 ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("keys", [
    [str(uuid.UUID(int=random.Random(i).getrandbits(128), version=4)) for i in range(20)],
    [f"00000000-0000-1000-8000-{i:012x}" for i in range(30)],
    ["01ARZ3NDEK" + key for key in _drawn(B32, 16)], _drawn(B62, 27), _drawn(B62, 22), _drawn("0123456789abcdef", 32)])
def test_known_formats_and_random_keys_pass(gale_words, keys):
    """UUIDs of any version, ULID, KSUID, and 128 bits of any spelling."""
    history = _payments(gale_words, keys)
    assert gale_words.told(history, "IDM006") == PASS
    assert gale_words.failing(history) == []


@pytest.mark.parametrize("keys", [
    [str(random.Random(i).randint(100_000, 999_999)) for i in range(20)],
    [f"payment-{i}" for i in range(50)], [str(1_795_600_000_000 + 37 * i) for i in range(40)],
    _drawn("0123456789abcdef", 8, 20)])
def test_few_bits_fail_alone(gale_words, keys):
    """Six digits, a counter, the time, 32 bits."""
    history = _payments(gale_words, keys)
    assert gale_words.failing(history) == ["IDM006"]
    verdict = gale_words.verdicts(history)["IDM006"]
    assert (64.0, "minor", True) == (verdict.limit, verdict.severity, verdict.observed < 40)


def test_between_poor_and_good_is_undecided(gale_words):
    """Fifty bits."""
    assert gale_words.told(_payments(gale_words, _drawn("0123456789abcdef", 13)), "IDM006") == (
        "UNKNOWN", "noise")


def test_keys_of_the_caller_are_the_callers(gale_words):
    """They hold its reference: declared to be derived, they are left to others."""
    keys = [f"op{i:06d}-2026-11-25" for i in range(20)]
    history = _payments(gale_words, keys)
    assert gale_words.told(history, "IDM006") == ("UNKNOWN", "undeclared")
    assert gale_words.told(history, "IDM006", idempotency_key_from="business") == PASS


def test_nineteen_keys_are_too_few(gale_words):
    """Twenty are needed."""
    assert gale_words.told(_payments(gale_words, _drawn(B62, 4, 19)), "IDM006") == (
        "UNKNOWN", "not_exercised")


# -- IDM008 ------------------------------------------------------------------------------------------

def _conflict(words, status, keys, gap=200, bodies=None):
    """A payment whose keys meet the status one after the other."""
    storm = words.Storm((str(status),)).start(kind="write", name="create")
    for key, body in zip(keys, bodies or ['{"amount":1}'] * len(keys), strict=True):
        headers = {"Idempotency-Key": key} if key else {}
        storm.request(str(status), "POST", headers, body).answer(status).wait(gap)
    return storm.end("failed").history()


@pytest.mark.parametrize("keys", [["k1"], ["k1", "k1", "k1"]])
def test_a_conflict_that_is_waited_for_or_surfaced_passes(gale_words, keys):
    """With the same key, or not at all."""
    history = _conflict(gale_words, 409, keys)
    assert gale_words.told(history, "IDM008") == PASS
    assert gale_words.failing(history) == []


def test_a_fresh_key_on_a_conflict_fails(gale_words):
    """A second payment while the first is under way; IDM002 sees two keys too."""
    history = _conflict(gale_words, 409, ["k1", "k2"])
    assert gale_words.failing(history) == ["IDM002", "IDM008"]


def test_a_conflict_answered_at_once_fails_alone(gale_words):
    """No backoff."""
    assert gale_words.failing(_conflict(gale_words, 409, ["k1", "k1"], gap=1)) == ["IDM008"]


def test_one_short_wait_of_several_is_a_draw_of_full_jitter(gale_words):
    """2.5 % of them are below 5 ms where the base is 0.2 s."""
    storm = gale_words.Storm(("409",)).start(kind="write", name="create")
    for gap in (200, 2, 150, 80):
        storm.request("409", "POST", {"Idempotency-Key": "k1"}, "{}").answer(409).wait(gap)
    assert gale_words.told(storm.end("failed").history(), "IDM008") == PASS


def test_a_refused_key_sent_again_as_it_is_fails(gale_words):
    """RTY002 sees a definitive answer retried."""
    history = _conflict(gale_words, 422, ["k1", "k1"])
    assert gale_words.failing(history) == ["IDM008", "RTY002"]


def test_a_refused_request_that_was_corrected_is_another_one(gale_words):
    """Another payload under another key."""
    history = _conflict(gale_words, 422, ["k1", "k2"], bodies=['{"amount":1}', '{"amount":2}'])
    assert gale_words.told(history, "IDM008") == PASS


@pytest.mark.parametrize(("status", "keys", "reason"), [
    (409, [None, None], "undeclared"), (503, ["k1"], "not_exercised")])
def test_no_key_or_no_conflict_is_unknown(gale_words, status, keys, reason):
    """There is nothing to conflict."""
    assert gale_words.told(_conflict(gale_words, status, keys), "IDM008") == ("UNKNOWN", reason)


# -- IDM009 ------------------------------------------------------------------------------------------

def _given(words, given, sent):
    storm = words.Storm(()).start(kind="write", name="create")
    if given:
        storm.raw[-1][6]["key"] = given
    return storm.post("ok", sent).answer(201).end().history()


@pytest.mark.parametrize(("given", "sent"), [(None, "k1"), ("k1", "k1"), ("k1", '"k1"')])
def test_a_key_that_arrives_as_it_was_given_passes(gale_words, given, sent):
    """The client's own, the caller's, and the caller's in quotes of a structured field."""
    assert gale_words.told(_given(gale_words, given, sent), "IDM009", **KEYED) == PASS


@pytest.mark.parametrize(("given", "sent"), [
    (None, None), ("k1", None), ("k" * 48, "k" * 32), ("k1", "another")])
def test_a_key_that_is_lost_cut_or_replaced_fails_alone(gale_words, given, sent):
    """Nothing was retried: no other invariant sees it."""
    assert gale_words.failing(_given(gale_words, given, sent), **KEYED) == ["IDM009"]


def test_no_declared_key_is_undeclared_and_no_write_exercises_nothing(gale_words):
    """Nothing was promised, or nothing was sent."""
    assert gale_words.told(_given(gale_words, None, None), "IDM009") == ("UNKNOWN", "undeclared")
    read = gale_words.Storm(()).start().request("ok").answer(200).end().history()
    assert gale_words.told(read, "IDM009", **KEYED) == ("UNKNOWN", "not_exercised")
