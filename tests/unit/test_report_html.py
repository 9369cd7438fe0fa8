"""The HTML report: what was recorded is text in it, and it says what the verdicts say."""

import json
import re

import pytest

from galeproof.invariants import INVARIANTS
from galeproof.model import Finding, Outcome, Verdict, make_history
from galeproof.report.gate import RULES, gate_of
from galeproof.report.html import html_page
from galeproof.report.mending import library_of, mend_for
from galeproof.runner import Judged

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m"
FACTS = {"version": "0", "subject": EVIL, "engine": EVIL, "seed": 7, "profile": {}, "fail_on": "major",
         "invalid": None, "fault": None, "not_applicable": {EVIL: EVIL}}


def history(agent=EVIL):
    head = {"x": 1, "method": "GET", "target": f"/{EVIL}/gabc", "headers": [["User-Agent", agent]],
            "lane": "clean", "step": 0, "word": "503", "attempt": 1, "by": "head", "nth": 1}
    return make_history({"scenario": EVIL, "refs": ["gabc"], "profile": {}, "secrets": {}, "words": [EVIL]}, [
        (1, 1, "subject", "op_start", None, "gabc", {"name": EVIL, "kind": "read", "amount": 1, "instance": 1}),
        (2, 3, "tap", "head", 1, "gabc", head),
        (4, 5, "tap", "answer", 1, "gabc", {"x": 1, "n": 9, "total": 9, "status": 503, "headers": [["X", EVIL]]}),
        (9, 9, "subject", "op_end", None, "gabc", {"outcome": "failed", "value": None,
                                                   "error": {"type": EVIL, "text": EVIL}}),
    ], 0)


def verdict(code="RTY001", outcome=Outcome.FAIL, **more):
    found = (Finding("gabc", (1,), EVIL, EVIL),) if outcome is Outcome.FAIL else ()
    return Verdict(code, "a-name", outcome, "major", findings=found, scenarios=(EVIL,), **more)


def page(verdicts=None, record=None):
    return html_page(FACTS, verdicts or [verdict(note=EVIL)], [Judged(record or history())], code=1,
                     replay="galeproof replay X", run="X")


class TestPage:
    def test_what_was_recorded_is_never_markup(self):
        """Scripts and images of a target, an error or a name stand there as text."""
        text = page()
        assert 2 == len(re.findall(r"<script", text))
        assert "<img" not in text

    def test_the_figures_are_whole(self):
        """They are JSON that a program can read back; control characters stand there as escapes."""
        found = re.search(r'id="figures">(.*?)</script>', page(), re.DOTALL)
        (storm,) = json.loads(found[1])
        assert EVIL.replace("\x1b", "\\x1b") == storm["name"]
        assert ["RTY001"] == storm["operations"][0][9]

    def test_it_loads_nothing(self):
        """No address of another file or host."""
        assert [] == re.findall(r'(?:src|href)\s*=\s*"', page())

    def test_a_finding_has_its_replay_and_its_action(self):
        """By severity."""
        text = page()
        assert "galeproof replay X RTY001" in text
        assert "fix this sprint" in text

    def test_it_mends_in_the_words_of_the_library_seen(self):
        """The User-Agent names it."""
        assert "HTTPAdapter(max_retries=Retry(total=2))" in page(record=history("python-requests/2.32.5"))


class TestMending:
    @pytest.mark.parametrize(("agent", "name"), [
        ("python-requests/2.32.5", "requests"), ("python-urllib3/2.5.0", "urllib3"),
        ("python-httpx/0.28.1", "httpx"), ("Python/3.11 aiohttp/3.14.5", "aiohttp"),
        ("AsyncOpenAI/Python 3.57.0", "openai"), ("Boto3/1.40.1 md/Botocore#1.40", "boto3"),
        ("axios/1.12.0", "axios"), ("got (https://github.com/sindresorhus/got)", "got"),
        ("node", "fetch"), ("Go-http-client/1.1", "go"), ("curl/8.5.0", "curl")])
    def test_an_agent_is_known(self, agent, name):
        """The common ones."""
        assert name == library_of(history(agent)).name

    def test_an_unknown_agent_is_not_guessed(self):
        """And there is nothing to say in its words."""
        assert library_of(history("acme/1")) is None
        assert mend_for("RTY001", None) is None


class TestGate:
    def test_a_rule_holds_where_its_invariants_pass(self):
        """Those it needs, and none of its others open for want of a declaration."""
        rules = gate_of([verdict("TMO001", Outcome.PASS), verdict("TMO002", Outcome.PASS)])
        assert "holds" == rules[0].state

    def test_an_undeclared_limit_is_never_green(self):
        """Ended by itself is not promised."""
        rules = gate_of([verdict("TMO001", Outcome.PASS), verdict("TMO002", Outcome.PASS),
                         verdict("TMO006", Outcome.UNKNOWN, reason="undeclared")])
        assert ("not shown", "TMO006 undeclared") == (rules[0].state, rules[0].why)

    def test_a_fail_breaks_its_rule(self):
        """One is enough."""
        rules = gate_of([verdict("RTY001", Outcome.PASS), verdict("JIT001", Outcome.FAIL)])
        assert ("broken", ("JIT001",)) == (rules[2].state, rules[2].codes)

    def test_a_rule_names_invariants_that_there_are(self):
        """What it needs, and what may break it."""
        assert {c for _, needed, others in RULES for c in (*needed, *others)} <= set(INVARIANTS)

    def test_what_was_not_run_is_not_shown(self):
        """A rule of whose invariants none was run."""
        assert "not shown" == gate_of([])[3].state
