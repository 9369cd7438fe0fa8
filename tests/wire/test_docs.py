"""The docs do what they say: the tutorial is carried out, adapters run, generated pages are the code's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page):
    return [(m[1], m[2], m[3]) for m in BLOCK.finditer((DOCS / page).read_text("utf-8"))]


@pytest.fixture
def type_in(tmp_path):
    def run(line):
        words = line.split()
        assert "galeproof" == words[0]
        return subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, env=os.environ, text=True,
                              capture_output=True, timeout=200, check=False)

    return run


def test_the_tutorial_can_be_carried_out(type_in, tmp_path):
    """In at most four commands, with the exit codes and the findings that it names."""
    typed = []
    for kind, title, text in blocks("tutorial/first-verdict.md"):
        if title:
            (tmp_path / title).write_text(text, "utf-8")
        elif kind == "console":
            typed += [line.removeprefix("$ ") for line in text.splitlines()]
    assert typed.pop(0).startswith("pip install")
    assert len(typed) <= 3
    init, run, shrink = [type_in(line) for line in typed]
    assert (0, 1, 0) == (init.returncode, run.returncode, shrink.returncode), run.stdout + shrink.stderr
    named = next(text for kind, _, text in blocks("tutorial/first-verdict.md") if kind == "text")
    for line in named.splitlines():
        assert " ".join(line.split()) in " ".join(run.stdout.split())
    assert "1 operations" in shrink.stdout


@pytest.mark.parametrize("library", ["requests", "httpx", "aiohttp", "openai", "boto3"])
def test_an_adapter_of_the_docs_runs(type_in, tmp_path, library):
    """In calm air, where its library is installed."""
    pytest.importorskip(library)
    section = (DOCS / "how-to/libraries.md").read_text("utf-8").partition(f"## {library}\n")[2]
    text = BLOCK.search(section)[3]
    (tmp_path / "adapters.py").write_text(text, "utf-8")
    name = re.search(r"^class (\w+)", text, re.MULTILINE)[1]
    done = type_in(f"galeproof run calm --engine embedded --subject adapters:{name} --json")
    assert '"invalid": null, "fault": null' in done.stdout, done.stdout + done.stderr


def test_generated_pages_are_those_of_the_code():
    """`ci/docs` writes them."""
    done = subprocess.run([sys.executable, ROOT / "ci/docs.d/generate.py", "--check"], text=True,
                          capture_output=True, check=False)
    assert (0, "") == (done.returncode, done.stdout)


def test_the_site_builds_without_a_warning(tmp_path):
    """Dead links and pages that nothing leads to are errors."""
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "-q", "--strict", "-f",
                           ROOT / "ci/docs.d/mkdocs.yml", "-d", tmp_path / "site"], text=True,
                          env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, check=False)
    assert 0 == done.returncode, done.stderr
    assert (tmp_path / "site/index.html").exists()


@pytest.mark.parametrize("path", sorted((DOCS / "templates").glob("*.yml")), ids=lambda p: p.name)
def test_templates_are_yaml_and_name_real_commands(path):
    """Every galeproof command in them exists."""
    text = path.read_text("utf-8")
    assert isinstance(yaml.safe_load(text), dict)
    told = (DOCS / "reference/commands.md").read_text("utf-8")
    for command in set(re.findall(r"galeproof ((?:pact )?[a-z][\w-]*)\b", text)) - {"on"}:
        assert f"## galeproof {command}\n" in told
