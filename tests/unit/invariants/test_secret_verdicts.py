"""SEC001 on literal histories."""

import base64
import hashlib
from urllib.parse import quote

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)


def _run(words, *lines, probes=("log", "stdout", "stderr"), sent=True, found=True):
    storm = words.Storm(("ok",), secrets={"api_key": words.canary}, channels=list(probes)).start()
    headers = {"Authorization": f"Bearer {words.canary}"} if sent else {}
    storm.request("ok", headers=headers).answer(200).end()
    for line in lines:
        storm.log(*line)
    for channel in probes:
        storm.add("subject", "probe", channel=channel, found=found)
    return storm.history()


def test_clean_logs_pass_where_the_canary_was_sent_and_every_channel_heard(gale_words):
    """PASS means that we would have seen it."""
    assert gale_words.told(_run(gale_words, ("all well", 20)), "SEC001") == PASS


def test_a_leak_fails_alone(gale_words):
    """The secret's name stands in the finding, its value does not."""
    history = _run(gale_words, (f"headers={gale_words.canary}", 20))
    assert gale_words.failing(history) == ["SEC001"]
    text = gale_words.verdicts(history)["SEC001"].findings[0].text
    assert ("api_key" in text, gale_words.canary[8:16] in text) == (True, False)


@pytest.mark.parametrize(("level", "channel", "severity"), [
    (10, "log", "major"), (20, "log", "critical"), (None, "stderr", "critical")])
def test_the_level_sets_the_severity(gale_words, level, channel, severity):
    """DEBUG is major; INFO, stdout and stderr are critical."""
    history = _run(gale_words, (gale_words.canary, level, channel))
    assert severity == gale_words.verdicts(history)["SEC001"].severity


@pytest.mark.parametrize("form", [
    lambda c: quote(c, safe=""), lambda c: c.encode().hex(), lambda c: c[::-1].lower(),
    lambda c: c[:20] + "\n" + c[20:], lambda c: c[10:22], lambda c: c.encode().hex()[-18:],
    lambda c: base64.b64encode(b"user:" + c.encode()).decode(),
    lambda c: base64.b64encode(b"ab" + c.encode() + b"!").decode(),
    lambda c: base64.urlsafe_b64encode(b"a" + c.encode() + b"zz").decode()])
def test_every_form_of_the_catalogue_is_found(gale_words, form):
    """Encoded, folded, split and cut secrets are secrets."""
    assert gale_words.told(_run(gale_words, (form(gale_words.canary), 30)), "SEC001") == FAIL


@pytest.mark.parametrize("shown", [
    lambda c: f"Bearer ****{c[-4:]}", lambda c: c[:14] + "...",
    lambda c: hashlib.sha256(c.encode()).hexdigest()[:16]])
def test_masks_and_hashes_are_no_leak(gale_words, shown):
    """The traps of SEC001: at most six characters, or a digest."""
    assert gale_words.told(_run(gale_words, (shown(gale_words.canary), 30)), "SEC001") == PASS


def test_seven_to_eleven_characters_are_told_in_a_note(gale_words):
    """More than a mask, less than a proof."""
    verdict = gale_words.verdicts(_run(gale_words, (gale_words.canary[10:19], 30)))["SEC001"]
    assert (verdict.outcome.value, "9 characters" in verdict.note) == ("PASS", True)


@pytest.mark.parametrize("blind", [
    {"sent": False}, {"found": False}, {"probes": ()}])
def test_silence_of_a_blind_capture_is_no_pass(gale_words, blind):
    """No canary on the wire, a lost probe, or no channel at all: capture_missing."""
    history = _run(gale_words, ("all well", 20), **blind)
    assert gale_words.told(history, "SEC001") == ("UNKNOWN", "capture_missing")
