"""SEC006, SEC007, TMO005 on literal histories."""

import pytest

PASS, FAIL, IDLE = ("PASS", None), ("FAIL", None), ("UNKNOWN", "not_exercised")
ELSEWHERE = "http://127.0.0.1:9/items"


def _moved(words, after, to=ELSEWHERE, sent=True, place="other", **header):
    """A redirect, and the request that came of it (its headers; None: not followed)."""
    storm = words.Storm(("302", "ok"), secrets={"api_key": words.canary}, **header).start()
    key = {"Authorization": f"Bearer {words.canary}"} if sent else {}
    storm.request("302", headers=key).answer(302, {"Location": to})
    if after is not None:
        storm.wait(5).request("ok", headers=after)
        at = next(i for i in reversed(range(len(storm.raw))) if storm.raw[i][3] == "head")
        storm.raw[at][6]["origin"] = place
        storm.answer(200)
    return storm.end().history()


def test_credentials_that_go_along_fail_alone(gale_words):
    """In any header."""
    assert ["SEC006"] == gale_words.failing(_moved(gale_words, {"X-Api-Key": gale_words.canary}))


def test_an_answer_to_a_challenge_fails_without_the_canary(gale_words):
    """It was made of the secret."""
    assert FAIL == gale_words.told(_moved(gale_words, {"Authorization": 'Digest response="a1b2"'}), "SEC006")


@pytest.mark.parametrize("after", [None, {}, {"X-Request-Id": "1"}])
def test_a_redirect_without_credentials_passes(gale_words, after):
    """Not followed, or followed bare."""
    assert PASS == gale_words.told(_moved(gale_words, after), "SEC006")


def test_within_the_origin_nothing_is_shown(gale_words):
    """A path is no other origin; and a canary that nobody sent cannot be lost."""
    assert IDLE == gale_words.told(_moved(gale_words, None, to="/there"), "SEC006")
    unsent = _moved(gale_words, {}, sent=False)
    assert ("UNKNOWN", "capture_missing") == gale_words.told(unsent, "SEC006")


def test_a_downgrade_with_credentials_fails_both(gale_words):
    """http after https is another origin too."""
    history = _moved(gale_words, {"X-Key": gale_words.canary}, place="plain", tls=True)
    assert ["SEC006", "SEC007"] == gale_words.failing(history)


def test_a_downgrade_without_credentials_passes_and_without_tls_there_is_none(gale_words):
    """PASS means that TLS was spoken before."""
    assert PASS == gale_words.told(_moved(gale_words, {}, place="plain", tls=True), "SEC007")
    assert IDLE == gale_words.told(_moved(gale_words, {}), "SEC007")


def _stalled(words, gives_up_ms, hellos=1, killed=False):
    storm = words.Storm(("tls stall",), budget_s=6.0, tls=True).start()
    began = storm.now
    storm.wait(gives_up_ms)
    if killed:
        storm.add("controller", "over_budget", storm.ref)
    storm.end("killed" if killed else "failed")
    storm.raw.append((began * 10**6, storm.now * 10**6, "tap", "tls_stall", None, storm.ref,
                      {"accepted": 1, "hellos": hellos}))
    return storm.history()


def test_a_handshake_falls_under_the_deadline(gale_words):
    """In time passes, too late fails alone, without end fails without a rerun."""
    assert PASS == gale_words.told(_stalled(gale_words, 1900), "TMO005", deadline_s=2.0)
    assert "TMO005" in gale_words.failing(_stalled(gale_words, 4000), deadline_s=2.0)
    for ms, killed, timing in [(4000, False, True), (6000, True, False)]:
        verdict = gale_words.verdicts(_stalled(gale_words, ms, killed=killed), deadline_s=2.0)["TMO005"]
        assert ("FAIL", timing) == (verdict.outcome.value, verdict.timing)


def test_what_leaves_a_handshake_open(gale_words):
    """Nothing declared; between the zones; no hello came; no stall at all."""
    assert ("UNKNOWN", "undeclared") == gale_words.told(_stalled(gale_words, 6000, killed=True), "TMO005")
    assert ("UNKNOWN", "noise") == gale_words.told(_stalled(gale_words, 2500), "TMO005", deadline_s=2.0)
    assert ("UNKNOWN", "harness_fault") == gale_words.told(_stalled(gale_words, 100, hellos=0), "TMO005",
                                                           deadline_s=2.0)
    calm = gale_words.Storm(("ok",)).start().request("ok").answer(200).end().history()
    assert IDLE == gale_words.told(calm, "TMO005", deadline_s=2.0)
