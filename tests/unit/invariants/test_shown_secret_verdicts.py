"""SEC002 and SEC004 on literal histories."""

import base64

import pytest

PASS, FAIL = ("PASS", None), ("FAIL", None)
ALL = ("log", "exception", "repr", "state")


def _run(words, *, error=None, shown=(), found=ALL, sent=True, outcome="failed"):
    """One operation that fails with an error; captures of objects; probes."""
    storm = words.Storm(("503",), secrets={"api_key": words.canary}, channels=["log"]).start()
    storm.request("503", headers={"Authorization": f"Bearer {words.canary}"} if sent else {}).answer(503)
    storm.end(outcome)
    if outcome == "failed":
        storm.raw[-1][6]["error"].update({"dump": "Busy: 503"} if error is None else error)
    for channel, text in shown:
        storm.add("subject", "capture", channel=channel, level=None, logger="client", text=text)
    for channel in ALL:
        storm.add("subject", "probe", channel=channel, found=channel in found)
    return storm.history()


def test_clean_errors_pass_where_we_would_have_seen_it(gale_words):
    """The canary on the wire, the probe found, one error shown."""
    history = _run(gale_words)
    assert gale_words.told(history, "SEC002") == PASS
    assert gale_words.failing(history) == []


@pytest.mark.parametrize(("part", "severity"), [
    ("text", "critical"), ("message", "critical"), ("dump", "critical"), ("pickle", "critical"),
    ("locals", "minor")])
def test_a_secret_in_any_part_fails_alone(gale_words, part, severity):
    """Local variables of libraries' frames are minor."""
    history = _run(gale_words, error={"dump": "Busy", part: f"sent {gale_words.canary}"})
    assert gale_words.failing(history) == ["SEC002"]
    verdict = gale_words.verdicts(history)["SEC002"]
    assert (severity, 1) == (verdict.severity, len(verdict.findings))
    assert gale_words.canary[8:20] not in verdict.findings[0].text


def test_the_worst_part_sets_the_severity(gale_words):
    """A secret in the message too is no matter of local variables."""
    history = _run(gale_words, error={"dump": gale_words.canary, "locals": gale_words.canary})
    assert "critical" == gale_words.verdicts(history)["SEC002"].severity


def test_an_encoded_secret_is_one(gale_words):
    """Basic credentials in a quoted header."""
    basic = base64.b64encode(f"user:{gale_words.canary}".encode()).decode()
    assert gale_words.told(_run(gale_words, error={"dump": f"Basic {basic}"}), "SEC002") == FAIL


def test_a_masked_request_is_no_leak(gale_words):
    """The trap: the error holds the request, whose repr masks."""
    history = _run(gale_words, error={"dump": "<Request('GET', ...)> Bearer ****6aEu"})
    assert gale_words.told(history, "SEC002") == PASS


@pytest.mark.parametrize(("more", "expected"), [
    ({"outcome": "ok"}, "not_exercised"), ({"sent": False}, "capture_missing"),
    ({"found": ("log", "repr", "state")}, "capture_missing"), ({"error": {}}, "capture_missing")])
def test_silence_about_errors_is_no_pass(gale_words, more, expected):
    """No failure, no canary on the wire, no probe, or a process that shows nothing."""
    assert gale_words.told(_run(gale_words, **more), "SEC002") == ("UNKNOWN", expected)


CLEAN = (("repr", "<shop.Client object>\n<shop.Client object>"), ("state", "retries=3"))


def test_objects_that_show_nothing_pass(gale_words):
    """repr, str and attributes were looked at."""
    history = _run(gale_words, shown=CLEAN)
    assert gale_words.told(history, "SEC004") == PASS
    assert gale_words.failing(history) == []


@pytest.mark.parametrize(("channel", "severity"), [("repr", "major"), ("state", "minor")])
def test_a_shown_token_fails_alone(gale_words, channel, severity):
    """repr is major; a plain attribute and asdict are minor."""
    history = _run(gale_words, shown=[*CLEAN, (channel, f"Config(token='{gale_words.canary}')")])
    assert gale_words.failing(history) == ["SEC004"]
    assert severity == gale_words.verdicts(history)["SEC004"].severity


def test_a_secret_string_passes(gale_words):
    """The trap: SecretStr."""
    shown = [("repr", "Config(token=SecretStr('**********'))"), ("state", "token=SecretStr('**********')")]
    assert gale_words.told(_run(gale_words, shown=shown), "SEC004") == PASS


@pytest.mark.parametrize(("more", "expected"), [
    ({"shown": ()}, "undeclared"), ({"shown": CLEAN, "sent": False}, "capture_missing"),
    ({"shown": CLEAN, "found": ("log", "exception", "repr")}, "capture_missing")])
def test_unseen_objects_are_no_pass(gale_words, more, expected):
    """No client object, no canary on the wire, no probe (a foreign process)."""
    assert gale_words.told(_run(gale_words, **more), "SEC004") == ("UNKNOWN", expected)


def test_the_probes_of_objects_and_errors_are_not_the_logs(gale_words):
    """SEC001 asks only for the channels that things are said in."""
    history = _run(gale_words, found=("log",), shown=CLEAN)
    assert gale_words.told(history, "SEC001") == PASS
