"""What other reporters get of a verdict: JUnit properties and Allure results."""

import json
from xml.etree import ElementTree as ET

import pytest

STORM = '''
from shop import BillingClient


def test_lost_answer(gale):
    gale.steps("rst after effect", 503, "ok")
    billing = BillingClient(gale.base_url, api_key=gale.secrets["api_key"], timeout=1.0)
    with gale.operation("create", answer={"id": "{effect}"}) as op:
        billing.create_invoice(reference=op.ref, amount=op.amount)
    billing.session.close()
    gale.check("IDM001", "IDM002")
'''


@pytest.fixture
def storm(inner):
    inner.client()
    inner.tests(STORM)
    return inner


def test_junit_has_a_property_for_each_verdict(storm):
    """And one for engine and seed."""
    storm.run("--junitxml=out.xml").assert_outcomes(passed=1)
    told = {p.get("name"): p.get("value")
            for p in ET.parse(storm.pytester.path / "out.xml").iter("property")}
    assert ("PASS", "PASS") == (told["galeproof.IDM001"], told["galeproof.IDM002"])
    assert told["galeproof.engine"].startswith("embedded")
    assert int(told["galeproof.seed"]) >= 0


def test_allure_has_steps_labels_and_the_wire(storm):
    """Where its plugin is active."""
    storm.run("--alluredir=results").assert_outcomes(passed=1)
    (result,) = [json.loads(p.read_text("utf-8"))
                 for p in (storm.pytester.path / "results").glob("*-result.json")]
    assert ["attempt 1: rst after effect, no answer", "attempt 2: 503, answered 503",
            "attempt 3: ok, answered 200"] == [s["name"] for s in result["steps"][0]["steps"]]
    assert {"IDM001", "IDM002"} <= {label["value"] for label in result["labels"] if label["name"] == "tag"}
    (attached,) = result["attachments"]
    text = (storm.pytester.path / "results" / attached["source"]).read_text("utf-8")
    assert "attempt 2: POST /invoices" in text


def test_without_allure_nothing_of_it_is_imported(storm):
    """The plugin costs nothing that is not used."""
    (storm.pytester.path / "conftest.py").write_text(
        "import sys\ndef pytest_sessionfinish(): assert 'allure' not in sys.modules\n", "utf-8")
    storm.run("-p", "no:allure_pytest").assert_outcomes(passed=1)
