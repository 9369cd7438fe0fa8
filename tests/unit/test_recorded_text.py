"""What was recorded shows as text in every output: it has the shape that a harmless text gives it, and steers nothing."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import allure_commons
import pytest
from markdown_it import MarkdownIt

from galeproof.cli.nightly import _print as print_night
from galeproof.cli.running import _document
from galeproof.cli.timeouts import timeouts_command
from galeproof.cli.verify_provider import Wanted
from galeproof.cli.verify_provider import _print as print_provider
from galeproof.contract.checks import CheckResult
from galeproof.contract.reading import PactFile
from galeproof.contract.verify import InteractionResult
from galeproof.model import Finding, Outcome, Verdict, make_history
from galeproof.plugin.telling import _allure as tell_allure
from galeproof.report import table_lines, wire_lines
from galeproof.report.gate import gate_of
from galeproof.report.html import html_page
from galeproof.report.junit import junit_text
from galeproof.report.markdown import markdown_text
from galeproof.report.sarif import sarif_text
from galeproof.runner import Judged
from galeproof.runner.nightly import Night, Store, Trend
from galeproof.runner.nightly.store import NightRow

HARMLESS = "harmless words"
TRICKS = {
    "script": "</script></pre></title><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}",
    "attribute": "\" onmouseover=\"alert(1)' x='",
    "ansi": "\x1b[31mred\x1b[2J\x1b]0;title\x07\x9b1A",
    "markdown": "a | b\n\n# h\n\n- [x](http://e.example) ![i](j) `c` **b** ~~s~~ <b> @all &copy; \\",
    "csv": "=cmd|' /C calc'!A0,\"x\"\t+1\t@SUM(1)",
    "directions": "\u202edesrever\u2066\u200f\u061c",
    "nul": "a\x00b\ufffe\ufeff",
    "xml": "]]></failure><!-- & &amp; <?x ?>",
    "half": "\ud800 \udc80",
    "lines": "a\r\nPASS     SEC001 forged\u2028PASS\x85PASS\x0bPASS",
    "long": "x" * 5000,
}
FACTS = {"version": "0", "seed": 7, "profile": {}, "fail_on": "major", "fault": None, "target": "m:C"}


def verdicts(text):
    found = (Finding("gabc", (1,), text, text), Finding(text, (2,), text, text))
    told = {"severity": "major", "observed": text, "limit": text, "unit": text, "note": text, "scenarios": (text,)}
    return [Verdict("RTY001", "retry-cap", Outcome.FAIL, findings=found, **told),
            Verdict("TMO006", "deadline", Outcome.UNKNOWN, reason="noise", **told),
            Verdict("JIT001", "jitter-present", Outcome.UNKNOWN, reason="noise", **{**told, "observed": None}),
            Verdict("SEC001", "no-secret-in-logs", Outcome.PASS, **{**told, "observed": None})]


def history(text):
    head = {"x": 1, "method": "POST", "target": f"/{text}/gabc", "lane": "clean", "step": 0, "word": text,
            "attempt": 1, "by": "head", "nth": 1,
            "headers": [["User-Agent", f"python-requests/{text}"], ["Idempotency-Key", text]]}
    return make_history({"scenario": text, "refs": ["gabc"], "profile": {}, "secrets": {}, "words": [text],
                         "attribution": text, "engine": text, "python": text}, [
        (1, 1, "subject", "op_start", None, "gabc", {"name": text, "kind": "write", "amount": 1, "instance": 1}),
        (2, 3, "tap", "head", 1, "gabc", head),
        (3, 3, "origin", "effect", 1, "gabc", {"x": 1, "effect": text, "key": text}),
        (4, 5, "tap", "answer", 1, "gabc", {"x": 1, "n": 9, "total": 9, "status": 503,
                                            "headers": [["Retry-After", text], ["X", text]]}),
        (6, 6, "tap", "close", 1, "gabc", {"x": 1, "done": text, "sent": 1}),
        (9, 9, "subject", "op_end", None, "gabc", {"outcome": "failed", "value": text,
                                                   "error": {"type": text, "text": text}})])


def facts(text):
    return {**FACTS, "subject": text, "engine": text, "invalid": text, "not_applicable": {text: text}}


def document(text):
    return _document(facts(text), verdicts(text), 1, "runs/x")


def shown(text):
    """It has no character that steers a terminal, an editor or a reader's eye."""
    return all(c in "\t\n" or c.isprintable() for c in text)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, [name for name, _ in attrs]))
        self.texts += [value or "" for _, value in attrs]

    def handle_endtag(self, tag):
        self.found.append(tag)

    def handle_comment(self, data):
        self.found.append("comment")

    def handle_data(self, data):
        self.texts.append(data)


def kinds(value):
    """The shape of a JSON value."""
    if isinstance(value, dict):
        names = ["recorded"] if len(value) == 1 else list(value)  # `not_run` is named by scenarios
        return [(name, kinds(inner)) for name, inner in zip(names, value.values(), strict=True)]
    return [kinds(v) for v in value] if isinstance(value, list) else type(value).__name__


def texts(value):
    if isinstance(value, dict):
        return [found for pair in value.items() for one in pair for found in texts(one)]
    if isinstance(value, list):
        return [found for one in value for found in texts(one)]
    return [value] if isinstance(value, str) else []


def lines_of(printed):
    assert shown(printed), repr(printed)
    return len(printed.split("\n"))


def table(text, capsys, tmp_path):
    return lines_of("\n".join(table_lines(verdicts(text), "galeproof replay X")))


def wire(text, capsys, tmp_path):
    return lines_of("\n".join(wire_lines(history(text), "gabc")))


def page(text, capsys, tmp_path):
    row = Trend("RTY001", 1, 0, 0, "new", (text,), "█")
    tags = Tags(html_page(facts(text), verdicts(text), [Judged(history(text))], code=3, replay="galeproof replay X",
                          run="X", minimal={"RTY001": text}, trend=[row]))
    (figures,) = [json.loads(t) for t in tags.texts if t.startswith("[{")]
    assert all(shown(t) for t in tags.texts), [t for t in tags.texts if not shown(t)]
    assert all(shown(t) for t in texts(figures))
    return tags.found, kinds(figures)


def markdown(text, capsys, tmp_path):
    told = markdown_text(document(text), gate_of(verdicts(text)))
    assert shown(told)
    assert not re.search(r"(?<!\\)@", re.sub(r"(`+) .*? \1|`[^`]+`", "", told))
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return [(t.type, [c.type for c in t.children or ()]) for t in parser.parse(told)]


def junit(text, capsys, tmp_path):
    told = junit_text(document(text), "2026-11-25T12:00:00", frozenset({"TMO006"}))
    root = ET.fromstring(told.encode("utf-8"))
    assert all(shown(t) for e in root.iter() for t in [e.text or "", *e.attrib.values()])
    return [(e.tag, sorted(e.attrib)) for e in root.iter()]


def sarif(text, capsys, tmp_path):
    told = json.loads(sarif_text(document(text), "m:C", tmp_path).encode("ascii"))
    assert all(shown(t) for t in texts(told))
    assert not any(re.search(r"\]\(", r["message"]["text"]) for r in told["runs"][0]["results"])
    return kinds(told)


def json_(text, capsys, tmp_path):
    told = json.dumps(document(text))
    assert shown(told) and told.isascii()
    assert all(t.encode("utf-8") for t in texts(json.loads(told)))
    return kinds(json.loads(told))


def night(text, capsys, tmp_path):
    row = NightRow(1, "now", 7, text, text, text, None)
    print_night(Night(row, invalid=text, fault=text), [Trend("RTY001", 1, 0, 0, "new", (text,), "█")], [],
                tmp_path, 3, False)
    return lines_of(capsys.readouterr().out)


def database(text, capsys, tmp_path):
    store = Store(f"sqlite:///{tmp_path}/nights.db")
    try:
        row = store.begin(7, "m:C", ["503-storm"])
        store.settle(row.id, 7, "503-storm", verdicts(text), "runs/x")
        (found,) = store.findings(row.id)
        assert "\x00" not in found["text"] and found["text"].encode("utf-8")
        return sorted(found)
    finally:
        store.close()


def durations(text, capsys, tmp_path):
    (tmp_path / "seen.jsonl").write_text(json.dumps({"endpoint": text, "duration": 0.1}) + "\n", "utf-8")
    assert 0 == timeouts_command(tmp_path / "seen.jsonl", False)
    return lines_of(capsys.readouterr().out)


class Heard:
    """What Allure's listener is told."""

    def __init__(self):
        self.said, self.shape = [], []

    def hear(self, what, *words):
        self.shape.append(what)
        self.said += map(str, words)

    @allure_commons.hookimpl
    def start_step(self, uuid, title, params):
        self.hear("step", title, *params)

    @allure_commons.hookimpl
    def add_label(self, label_type, labels):
        self.hear(label_type, *labels)

    @allure_commons.hookimpl
    def add_parameter(self, name, value, excluded, mode):
        self.hear("parameter", name, value)

    @allure_commons.hookimpl
    def attach_data(self, body, name, attachment_type, extension):
        self.hear("attachment", body, name)


def allure(text, capsys, tmp_path):
    heard = Heard()
    allure_commons.plugin_manager.register(heard)
    try:
        tell_allure(verdicts(text), history(text))
    finally:
        allure_commons.plugin_manager.unregister(heard)
    assert all(shown(said) for said in heard.said)
    assert {"step", "tag", "parameter", "attachment"} <= set(heard.shape)
    return heard.shape


OUTPUTS = [allure, table, wire, page, markdown, junit, sarif, json_, night, database, durations]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda o: o.__name__.strip("_"))
@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_what_was_recorded_is_text(output, trick, capsys, tmp_path):
    """The output has the shape that harmless words give it, and no character that steers."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert output(HARMLESS, capsys, tmp_path / "a") == output(trick, capsys, tmp_path / "b")


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_a_verifiers_words_are_text(trick, capsys):
    """What a provider answers stands in the reasons."""
    result = InteractionResult(trick, (), False, (trick,), number=0)
    pact = PactFile(Path("p.json"), trick, trick, (), {}, 3, {})
    print_provider(Wanted("http://p", "p"), [(pact, [result])], [CheckResult(trick, False, trick)], [], 1, 0.1)
    assert shown(capsys.readouterr().out)
