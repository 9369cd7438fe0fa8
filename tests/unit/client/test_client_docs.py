"""The pages about the client: made from the code, and their examples run."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs" / "client").glob("*.md"))
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def blocks(page: str) -> list[dict[str, Any]]:
    """Run the examples of a page, and return what each defines."""
    found: list[dict[str, Any]] = []
    for text in _BLOCK.findall((ROOT / "docs" / "client" / page).read_text("utf-8")):
        space: dict[str, Any] = {"__name__": "example"}
        exec(compile(text, page, "exec"), space)
        found.append(space)
    return found


def test_pages_are_what_the_code_says() -> None:
    """Features, settings and policy are up to date, and every test in the table exists."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "ci" / "client-features"), "--check"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("page", [path.name for path in PAGES])
def test_examples_are_python_that_imports(page: str) -> None:
    """Every example of every page compiles, and what it imports is there."""
    blocks(page)


def test_the_first_example_pays(gale_payments: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example that is copied first makes a payment, with settings from the environment."""
    monkeypatch.setenv("GALEPROOF_CLIENT_PAYMENTS_BASE_URL", gale_payments.base_url)
    monkeypatch.setenv("GALEPROOF_CLIENT_PAYMENTS_API_KEY", "k")
    assert asyncio.run(blocks("index.md")[0]["example"]()) == "p1"


def test_the_fixtures_example_holds(gale_payments: Any) -> None:
    """The example of the fixture passes as it stands."""
    (example,) = [b["test_a_lost_answer"] for b in blocks("index.md") if "test_a_lost_answer" in b]
    example(gale_payments)


def test_the_outbox_example_drains(gale_payments: Any, tmp_path: Path) -> None:
    """The example of the outbox makes its call and leaves nothing dead."""
    (example,) = blocks("outbox.md")

    async def main() -> None:
        async with gale_payments.client() as payments:
            await example["serve"](tmp_path / "box.db", payments)

    asyncio.run(main())
    assert [p["reference"] for p in gale_payments.payments.values()] == ["7"]
