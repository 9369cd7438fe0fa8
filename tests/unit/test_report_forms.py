"""Reports for machines: what was recorded is text in each of them, and they say what the verdicts say."""

import json
from xml.etree import ElementTree as ET

import pytest

from galeproof.model import Finding, Outcome, Verdict
from galeproof.report.gate import gate_of
from galeproof.report.junit import junit_text
from galeproof.report.markdown import markdown_text
from galeproof.report.plain import one_line, plain
from galeproof.report.sarif import sarif_text
from galeproof.report.table import table_lines

EVIL = "</failure><script>alert(1)</script> [x](http://e) | a `b` ![i](j) @all \x1b[31mred\x07 ]]> \x00"


def verdict(code="RTY001", outcome=Outcome.FAIL, **more):
    found = (Finding("gabc", (1,), EVIL, EVIL),) if outcome is Outcome.FAIL else ()
    return Verdict(code, "retry-cap", outcome, "major", findings=found, scenarios=("503-storm",), **more)


def document(*verdicts, subject=EVIL, seed=7):
    rows = [dict(v.as_json()) for v in verdicts]
    for row in rows:
        row["findings"] = [{**f, "replay": "galeproof replay X"} for f in row["findings"]]
    return {"schema": 1, "version": "0.1.0", "exit": 1, "run": "runs/x", "engine": "embedded", "seed": seed,
            "subject": subject, "invalid": EVIL, "fault": None, "verdicts": rows}


DECIDED = (verdict(), verdict("TMO006", Outcome.UNKNOWN, reason="noise", note=EVIL),
           verdict("JIT001", Outcome.UNKNOWN, reason="undeclared"), verdict("SEC001", Outcome.PASS))


class TestPlain:
    def test_control_characters_are_shown(self):
        """A colour or a bell does not reach the terminal."""
        assert "\\x1b[31mred\\x07" == plain("\x1b[31mred\x07")

    def test_line_separators_and_directions_are_shown(self):
        """They reorder what is read."""
        assert "a\\u202eb\\u2028" == plain("a\u202eb\u2028")

    def test_one_line_is_not_too_long(self):
        """Cut with dots."""
        assert 300 == len(one_line("x " * 400))

    def test_the_table_has_no_control_characters(self):
        """Findings and notes come from the wire."""
        assert not any("\x1b" in line or "\x07" in line for line in table_lines(DECIDED, "replay"))


@pytest.mark.parametrize(("witnesses", "shown"), [(3, "3 of 4 ops"), (4, "4 of 4 ops"), (80, "80 in 4 ops")])
def test_what_is_no_operation_is_not_counted_as_one(witnesses, shown):
    """Some invariants count requests: 80 of 4 operations would be nonsense."""
    (line, *_) = table_lines([verdict("SEC001", Outcome.PASS, witnesses=witnesses, total=4)], "")
    assert f" {shown} " in line


class TestMarkdown:
    def test_what_was_recorded_is_no_markup(self):
        """No tag, link, image, mention or table cell of its own."""
        text = markdown_text(document(*DECIDED), gate_of(DECIDED))
        assert "<script" not in text
        assert "[x](" not in text.replace("\\[x\\](", "")
        assert "\x1b" not in text
        assert all(7 == line.replace("\\|", "").count("|") for line in text.splitlines()
                   if line.startswith("| ") and "RTY001" in line)

    def test_it_names_the_action_and_the_replay(self):
        """What to do is one line away."""
        text = markdown_text(document(verdict()), gate_of([verdict()]))
        assert "fix this sprint" in text
        assert "Replay: `galeproof replay X`" in text


class TestJUnit:
    @pytest.fixture
    def suite(self):
        return ET.fromstring(junit_text(document(*DECIDED), "2026-11-25T12:00:00", frozenset({"TMO006"})))[0]

    def test_each_outcome_has_its_element(self, suite):
        """FAIL, expected UNKNOWN, other UNKNOWN, PASS."""
        told = {case.get("name").split()[0]: [child.tag for child in case] for case in suite.iter("testcase")}
        assert {"RTY001": ["failure"], "TMO006": ["error"], "JIT001": ["skipped"], "SEC001": []} == told

    def test_the_counts_agree(self, suite):
        """With what stands in it."""
        assert ("4", "1", "1") == (suite.get("tests"), suite.get("failures"), suite.get("errors"))

    def test_what_was_recorded_comes_back_as_text(self, suite):
        """Readable for a parser, control characters shown."""
        assert "<script>" in suite.find(".//failure").text
        assert "\\x00" in suite.find(".//failure").text


class TestSarif:
    def told(self, root, **more):
        return json.loads(sarif_text(document(*DECIDED, **more), "shop.adapters:Billing", root))

    def test_a_fingerprint_does_not_change_from_run_to_run(self, tmp_path):
        """Another seed, another operation: the same finding."""
        marks = {self.told(tmp_path, seed=seed)["runs"][0]["results"][0]["partialFingerprints"]["galeproof/v1"]
                 for seed in (7, 8)}
        assert 1 == len(marks)

    def test_a_finding_stands_at_the_adapter(self, tmp_path):
        """Where its file is in the project."""
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop/adapters.py").write_text("", "utf-8")
        place = self.told(tmp_path)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
        assert "shop/adapters.py" == place["artifactLocation"]["uri"]

    def test_only_what_failed_is_a_result(self, tmp_path):
        """With its rule."""
        run = self.told(tmp_path)["runs"][0]
        assert ["RTY001"] == [r["ruleId"] for r in run["results"]]
        assert "RTY001" == run["tool"]["driver"]["rules"][run["results"][0]["ruleIndex"]]["id"]
