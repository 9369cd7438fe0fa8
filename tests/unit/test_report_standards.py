"""SARIF and JUnit reports are valid by the schemas that others read them with (tests/unit/report_schemas)."""

import json
from pathlib import Path

import jsonschema
import pytest
import xmlschema

from galeproof.invariants import INVARIANTS
from galeproof.model import Finding, Outcome, Verdict
from galeproof.report.junit import junit_text
from galeproof.report.sarif import sarif_text

HERE = Path(__file__).parent / "report_schemas"
TRICKS = ("plain", "</failure>]]>\x00\x1b[31m", "\ud800\ufffe\u202e", "=cmd|' /C calc'!A0", "a\r\nb\x85c", "")


def document(text):
    """Every invariant, every outcome."""
    outcomes = list(Outcome)
    rows = []
    for number, invariant in enumerate(INVARIANTS.values()):
        outcome = outcomes[number % 3]
        unknown = outcome is Outcome.UNKNOWN
        found = (Finding("gabc", (1, 2), text, text),) if outcome is Outcome.FAIL else ()
        verdict = Verdict(invariant.code, invariant.name, outcome, invariant.severity, note=text,
                          reason="noise" if unknown else None, findings=found, scenarios=("503-storm", text))
        rows.append(dict(verdict.as_json()))
        rows[-1]["findings"] = [{**f, "replay": "galeproof replay X"} for f in rows[-1]["findings"]]
    return {"schema": 1, "version": "0.1.0", "exit": 1, "run": "runs/x", "engine": text, "seed": 7,
            "subject": text, "invalid": text, "fault": None, "verdicts": rows}


@pytest.fixture(scope="module")
def sarif():
    return jsonschema.Draft4Validator(json.loads((HERE / "sarif-2.1.0.json").read_text("utf-8")))


@pytest.fixture(scope="module")
def junit():
    return xmlschema.XMLSchema(HERE / "junit-10.xsd")


@pytest.mark.parametrize("text", TRICKS)
def test_sarif_is_valid(sarif, tmp_path, text):
    """By the standard's schema, whatever was recorded."""
    told = sarif_text(document(text), "shop.adapters:Billing", tmp_path)
    assert [] == list(sarif.iter_errors(json.loads(told)))
    failed = sum(row["verdict"] == "FAIL" for row in document(text)["verdicts"])
    assert 2 * failed == len(json.loads(told.encode("utf-8"))["runs"][0]["results"])


def test_the_sarif_schema_is_no_yes_man(sarif, tmp_path):
    """What SARIF has no word for is refused."""
    told = json.loads(sarif_text(document("x"), "m:C", tmp_path))
    told["runs"][0]["results"][0]["severity"] = "high"
    assert 1 == len(list(sarif.iter_errors(told)))


@pytest.mark.parametrize("text", TRICKS)
def test_junit_is_valid(junit, text):
    """By what Jenkins takes, whatever was recorded; the bytes are UTF-8."""
    told = junit_text(document(text), "2026-11-25T12:00:00", frozenset(list(INVARIANTS)[::2]))
    junit.validate(xmlschema.XMLResource(told.encode("utf-8")))


def test_the_junit_schema_is_no_yes_man(junit):
    """A test case without a name is refused."""
    told = junit_text(document("x"), "2026-11-25T12:00:00", frozenset()).replace('testcase classname', 'testcase kind', 1)
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        junit.validate(xmlschema.XMLResource(told.encode("utf-8")))
