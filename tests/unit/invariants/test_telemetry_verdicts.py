"""SEC003 on literal histories."""

import json

import pytest


def _run(words, *, signals=(("http.client.request.duration", {"url.template": "/items/{id}"}),), found=True,
         sent=True, baggage=""):
    """One operation; its telemetry; the probe."""
    storm = words.Storm(("ok",), secrets={"api_key": words.canary}, channels=["log"]).start()
    headers = {"Authorization": f"Bearer {words.canary}"} if sent else {}
    storm.request("ok", headers=headers | ({"baggage": baggage} if baggage else {})).answer(200).end()
    for name, attributes in signals:
        storm.add("subject", "capture", channel="telemetry", level=None, logger=name, signal="metric",
                  kind="histogram", count=1, text=json.dumps(attributes))
    storm.add("subject", "probe", channel="log", found=True)
    storm.add("subject", "probe", channel="telemetry", found=found)
    return storm.history()


def test_templates_pass(gale_words):
    """No label has a secret."""
    assert ("PASS", None) == gale_words.told(_run(gale_words), "SEC003")
    assert [] == gale_words.failing(_run(gale_words))


@pytest.mark.parametrize("where", ["label", "name"])
def test_a_secret_in_a_signal_fails_alone(gale_words, where):
    """In a label, or in the name itself; the finding does not say it again."""
    secret = gale_words.canary
    signal = ("requests", {"url": f"/?k={secret}"}) if where == "label" else (f"requests.{secret}", {})
    history = _run(gale_words, signals=[signal])
    assert ["SEC003"] == gale_words.failing(history)
    assert secret not in gale_words.verdicts(history)["SEC003"].findings[0].text


def test_baggage_with_a_secret_fails(gale_words):
    """It goes to every service behind."""
    history = _run(gale_words, baggage=f"token={gale_words.canary}")
    assert ("FAIL", None) == gale_words.told(history, "SEC003")


def test_a_redacted_signature_passes(gale_words):
    """The trap: ?sig=REDACTED."""
    history = _run(gale_words, signals=[("GET", {"url.full": "http://a/items?sig=REDACTED"})])
    assert ("PASS", None) == gale_words.told(history, "SEC003")


@pytest.mark.parametrize(("more", "reason"), [
    ({"found": False}, "capture_missing"), ({"sent": False}, "capture_missing"), ({"signals": ()}, "not_exercised")])
def test_no_telemetry_is_unknown(gale_words, more, reason):
    """No probe, no canary on the wire, or a client that measures nothing."""
    assert ("UNKNOWN", reason) == gale_words.told(_run(gale_words, **more), "SEC003")
