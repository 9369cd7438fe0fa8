"""Writes docs/images/report.png: the report of the tutorial's own run, in real Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```\w+(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Carry the tutorial out in an empty folder; take the picture."""
    from playwright.sync_api import sync_playwright

    page = (ROOT / "docs/tutorial/first-verdict.md").read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        for title, text in BLOCK.findall(page):
            if title:
                Path(folder, title).write_text(text, "utf-8")
        for line in re.findall(r"^\$ (galeproof (?:init|run).*)$", page, re.MULTILINE):
            subprocess.run([sys.executable, "-m", *line.split()], cwd=folder, check=False,
                           stdout=subprocess.DEVNULL)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1280, "height": 1000})
        shown.goto(next(Path(folder).glob(".galeproof/runs/*/report.html")).as_uri())
        shown.locator(".storm > summary").first.click()
        shown.locator(".lane svg").first.wait_for()
        shown.screenshot(path=ROOT / "docs/images/report.png", full_page=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
