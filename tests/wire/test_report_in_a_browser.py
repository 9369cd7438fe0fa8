"""The HTML report in a real browser: filter, expand, keyboard, charts; large runs stay quick to open."""

import os
import shutil
from pathlib import Path

import pytest

from galeproof.model import Finding, Outcome, Verdict, make_history
from galeproof.report.html import html_page
from galeproof.runner import Judged

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")
FACTS = {"version": "0.1.0", "subject": "billing", "engine": "embedded", "seed": 7, "profile": {}, "fail_on": "major",
         "invalid": None, "fault": None, "not_applicable": {}}
PROFILE = {"max_attempts": 3, "deadline_s": 6, "retry_on": [503], "retry_after_max_s": 5,
           "backoff": {"base_s": 0.2, "factor": 2, "cap_s": 2, "jitter": "full"}}
MS = 1_000_000


def history(operations, attempts=4):
    raw = []
    for number in range(operations):
        ref, at = f"g{number:015d}", number * 20 * MS
        raw.append((at, at, "subject", "op_start", None, ref, {"name": "create", "kind": "write", "amount": 1, "instance": 1}))
        for n in range(attempts):
            x = number * attempts + n + 1
            at += (100 << n) * MS
            status = 503 if n < attempts - 1 else 200
            raw.append((at, at, "tap", "head", x, ref, {
                "x": x, "method": "POST", "target": f"/payments/{ref}", "headers": [["User-Agent", "python-requests/2.32"]],
                "lane": "clean", "step": 0, "word": "503", "attempt": n + 1, "by": "head", "nth": 1}))
            raw.append((at + MS, at + 2 * MS, "tap", "answer", x, ref, {
                "x": x, "n": 9, "total": 9, "status": status, "headers": [["Retry-After", "1"]] if n == 0 else []}))
            raw.append((at + 2 * MS, at + 2 * MS, "tap", "answer_end", x, ref, {"x": x, "total": 9}))
        raw.append((at + 3 * MS, at + 3 * MS, "subject", "op_end", None, ref, {"outcome": "ok", "value": {}, "error": None}))
    refs = [f"g{n:015d}" for n in range(operations)]
    return make_history({"scenario": "503-storm", "refs": refs, "profile": PROFILE, "secrets": {}, "words": ["503"],
                         "effects": operations, "attribution": "head", "lag_p99_ms": 2.0}, raw)


def page(operations):
    finding = Finding("g000000000000001", (1,), "4 attempts > 3", "one layer")
    verdicts = [Verdict("RTY001", "retry-cap", Outcome.FAIL, "major", observed=4, limit=3, unit="attempts", witnesses=1,
                        total=operations, findings=(finding,), scenarios=("503-storm",)),
                Verdict("SEC001", "logs", Outcome.PASS, "critical", scenarios=("503-storm",)),
                Verdict("TMO006", "deadline", Outcome.UNKNOWN, "major", reason="undeclared", note="worst 3.4 s")]
    return html_page(FACTS, verdicts, [Judged(history(operations))], code=1, replay="galeproof replay X", run="X")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a report; what it would load, and its errors, are held against it."""
    pages = []

    def open_page(text, width=1280, height=900, scheme="light"):
        (tmp_path / "report.html").write_text(text, "utf-8")
        shown = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        shown.wrong = []
        shown.on("request", lambda r: shown.wrong.append(r.url) if not r.url.startswith("file:") else None)
        shown.on("pageerror", lambda error: shown.wrong.append(str(error)))
        shown.goto((tmp_path / "report.html").as_uri())
        pages.append(shown)
        return shown

    yield open_page
    wrong = [w for shown in pages for w in shown.wrong]
    for shown in pages:
        shown.close()
    assert [] == wrong


def visible(shown):
    return [row.get_attribute("id") for row in shown.locator(".verdict").all() if row.is_visible()]


class TestReport:
    def test_a_click_on_a_count_filters_and_a_second_one_ends_it(self, opened):
        """FAIL, UNKNOWN, PASS."""
        shown = opened(page(3))
        shown.get_by_role("button", name="1 FAIL").click()
        assert ["RTY001"] == visible(shown)
        shown.get_by_role("button", name="1 FAIL").click()
        assert ["RTY001", "TMO006", "SEC001"] == visible(shown)

    def test_words_filter(self, opened):
        """Also by what a note says."""
        shown = opened(page(3))
        shown.get_by_label("Filter").fill("worst 3.4")
        assert ["TMO006"] == visible(shown)
        shown.get_by_label("Filter").fill("nothing of this")
        assert shown.get_by_text("Nothing matches.").is_visible()

    def test_a_verdict_opens_by_keyboard(self, opened):
        """Focus, then Enter."""
        shown = opened(page(3))
        shown.locator("#RTY001 > summary").focus()
        shown.keyboard.press("Enter")
        assert shown.get_by_text("4 attempts > 3").is_visible()
        assert shown.get_by_text("galeproof replay X RTY001").is_visible()

    def test_a_storm_shows_lanes_and_delays(self, opened):
        """A lane an operation: those of a finding first; more on a click."""
        shown = opened(page(60))
        shown.locator(".storm > summary").click()
        shown.locator(".lane svg").first.wait_for()
        assert 40 == shown.locator(".lane svg").count()
        assert "RTY001" in shown.locator(".lane .who b").first.text_content()
        shown.locator(".more").click()
        assert 60 == shown.locator(".lane svg").count()
        assert shown.locator(".bars figure").count() >= 3
        label = shown.locator(".lane svg").first.get_attribute("aria-label")
        assert "attempt 4" in label

    @pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
    def test_it_fits_its_window(self, opened, width, scheme, tmp_path):
        """On a desk and on a phone; the screenshot is kept where CI asks for it."""
        shown = opened(page(12), width=width, scheme=scheme)
        shown.locator(".storm > summary").click()
        shown.locator(".lane svg").first.wait_for()
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        kept = Path(os.environ.get("GALEPROOF_SCREENSHOTS", tmp_path))
        kept.mkdir(parents=True, exist_ok=True)
        shown.screenshot(path=kept / f"report-{width}-{scheme}.png", full_page=True)
        assert (kept / f"report-{width}-{scheme}.png").stat().st_size > 10_000

    def test_ten_thousand_attempts_stay_small(self, opened):
        """Under 5 MB; nothing is drawn before it is asked for (the time is ci/bench report's)."""
        text = page(2500)
        assert len(text.encode()) < 5_000_000
        shown = opened(text)
        assert 0 == shown.locator("svg").count()

