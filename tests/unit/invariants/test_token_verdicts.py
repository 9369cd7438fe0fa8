"""OAU001, OAU002, OAU003 on literal histories."""

import pytest

PASS, FAIL, IDLE = ("PASS", None), ("FAIL", None), ("UNKNOWN", "not_exercised")
NEXT = "sk_test_Z1yW8uV3tS6rQ0pO5nM2lK7jI4hG9fEd"


def _storm(words, **header):
    return words.Storm(("tokens refused",), secrets={"api_key": words.canary, "api_key_next": NEXT}, **header)


def _token(storm, status=200, grant="refresh_token", presented="rt_1", reused=False):
    return storm.add("origin", "token", x=900, grant=grant, presented=presented, status=status,
                     **({"reused": True} if reused else {})).wait(5)


def _herd(words, *tokens):
    """Two operations meet an expiry; what the authority was asked meanwhile."""
    storm = _storm(words).add("origin", "token_expiry", expired=True)
    for ref in words.refs[:2]:
        storm.start(ref).request("ok").add("origin", "token_refused", ref, x=storm.x).answer(401)
        storm.wait(5).request("ok", headers={"Authorization": "Bearer fresh"}).answer(200).end()
    for told in tokens:
        _token(storm, **told)
    return storm.history()


def test_one_refresh_passes_and_two_fail_where_tokens_rotate(gale_words):
    """Alone, and critically: the authority may take it for theft."""
    assert PASS == gale_words.told(_herd(gale_words, {}), "OAU001")
    history = _herd(gale_words, {}, {"presented": "rt_2"})
    assert ["OAU001"] == gale_words.failing(history)
    assert "critical" == gale_words.verdicts(history)["OAU001"].severity


def test_a_refresh_token_that_is_used_twice_fails(gale_words):
    """Also where the authority gave only one token."""
    assert FAIL == gale_words.told(_herd(gale_words, {}, {"status": 400, "reused": True}), "OAU001")


@pytest.mark.parametrize(("count", "verdict"), [(1, PASS), (2, ("UNKNOWN", "noise")), (3, FAIL)])
def test_without_rotation_two_are_grey(gale_words, count, verdict):
    """The second may have been on its way."""
    asked = [{"grant": "client_credentials", "presented": None}] * count
    assert verdict == gale_words.told(_herd(gale_words, *asked), "OAU001")


def test_one_operation_shows_no_herd(gale_words):
    """Nor does air without an expiry."""
    alone = _storm(gale_words).add("origin", "token_expiry", expired=True).start().request("ok").answer(200).end()
    assert IDLE == gale_words.told(alone.history(), "OAU001")
    calm = _storm(gale_words).start().request("ok").answer(200).end().history()
    assert [IDLE, IDLE, IDLE] == [gale_words.told(calm, code) for code in ("OAU001", "OAU002", "OAU003")]


def _refused(words, requests, tokens, status=None, grants=("refresh_token",)):
    storm = _storm(words).add("origin", "token_expiry", expired=True, refused=status is None, status=status)
    storm.start()
    for number in range(requests):
        storm.request("ok", headers={"Authorization": f"Bearer {number}"}).answer(401)
        for _ in range(tokens if number == 0 else 0):
            for grant in grants:
                _token(storm, status or 200, grant)
    return storm.end("failed").history()


def test_a_fresh_token_that_is_refused_ends_it(gale_words):
    """Two requests and one token pass; a third request or a second token fails."""
    assert PASS == gale_words.told(_refused(gale_words, 2, 1), "OAU002")
    assert "OAU002" in gale_words.failing(_refused(gale_words, 3, 1))
    assert ["OAU002"] == gale_words.failing(_refused(gale_words, 2, 2))


def test_an_authority_that_is_down_may_be_asked_as_often_as_is_declared(gale_words):
    """invalid_grant may not."""
    assert PASS == gale_words.told(_refused(gale_words, 1, 3, 503), "OAU002", max_attempts=3)
    assert FAIL == gale_words.told(_refused(gale_words, 1, 4, 503), "OAU002", max_attempts=3)
    assert FAIL == gale_words.told(_refused(gale_words, 1, 2, 400), "OAU002", max_attempts=3)


def test_another_grant_is_another_request(gale_words):
    """Asking the user after the refusal."""
    both = ("refresh_token", "password")
    assert PASS == gale_words.told(_refused(gale_words, 1, 1, 400, both), "OAU002")


def _rotated(words, *after, taken=True):
    """A secret is rotated; then operations, each after so many ms, with a secret, and their outcome."""
    storm = _storm(words).add("controller", "rotated", name="api_key", taken=taken).wait(1)
    for ref, (ms, secret, outcome) in zip(words.refs, after, strict=False):
        storm.wait(ms).start(ref).request("ok", headers={"X-Key": secret})
        storm.answer(200 if outcome == "ok" else 401).end(outcome)
    return storm.history()


def test_a_rotated_secret_is_picked_up_in_time(gale_words):
    """At once, or within what is declared; what is refused meanwhile is the declaration's price."""
    old = gale_words.canary
    assert PASS == gale_words.told(_rotated(gale_words, (5, NEXT, "ok")), "OAU003", secret_reload_s=0)
    slow = _rotated(gale_words, (1500, old, "failed"), (1500, NEXT, "ok"))
    assert PASS == gale_words.told(slow, "OAU003", secret_reload_s=2)
    assert ["OAU003"] == gale_words.failing(slow, secret_reload_s=0)


def test_an_operation_that_is_lost_later_fails(gale_words):
    """Though the old secret is no more sent."""
    lost = _rotated(gale_words, (5, NEXT, "ok"), (3000, NEXT, "failed"))
    assert FAIL == gale_words.told(lost, "OAU003", secret_reload_s=1)


def test_without_a_declaration_or_a_file_nothing_is_shown(gale_words):
    """The figure is told; strict makes it fail."""
    late = _rotated(gale_words, (3000, gale_words.canary, "failed"))
    assert ("UNKNOWN", "undeclared") == gale_words.told(late, "OAU003")
    assert FAIL == gale_words.told(late, "OAU003", strict=True)
    assert IDLE == gale_words.told(_rotated(gale_words, (5, NEXT, "ok"), taken=False), "OAU003")
