"""Shell completion: typer's protocol in bash, zsh and fish, and the script that a shell takes in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import galeproof
from galeproof.invariants import INVARIANTS
from galeproof.scenario import shipped

SETTINGS = '[subjects.billing]\npython = "m:C"\n[subjects.ledger]\nexec = "true"\n'


@pytest.fixture
def project(tmp_path):
    (tmp_path / "galeproof.toml").write_text(SETTINGS, "utf-8")
    for name in ("20261101-1200-aaaa", "20261102-1200-bbbb"):
        (tmp_path / ".galeproof/runs" / name).mkdir(parents=True)
        (tmp_path / ".galeproof/runs" / name / "run.json").write_text("{}", "utf-8")
    return tmp_path


def environment(**more):
    return {**os.environ, "PYTHONPATH": str(Path(galeproof.__file__).parent.parent), **more}


@pytest.fixture
def type_tab(project):
    """What a shell is offered behind a line, as words."""

    def run(line, shell="bash"):
        given = {"bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
                 "zsh": {"_TYPER_COMPLETE_ARGS": line},
                 "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}}[shell]
        done = subprocess.run([sys.executable, "-m", "galeproof"], cwd=project, text=True, capture_output=True,
                              check=False, env=environment(_GALEPROOF_COMPLETE=f"complete_{shell}", **given))
        assert ("", 0) == (done.stderr, done.returncode)
        return done.stdout

    return run


@pytest.mark.parametrize(("line", "offered"), [
    ("galeproof run 503", [p.stem for p in shipped() if p.stem.startswith("503")]),
    ("galeproof run calm RTY00", [c for c in INVARIANTS if c.startswith("RTY00")]),
    ("galeproof run CB", [*(c for c in INVARIANTS if c.startswith("CB")), "CBK"]),
    ("galeproof nightly TM", [*(c for c in INVARIANTS if c.startswith("TM")), "TMO"]),
    ("galeproof run --subject ", ["billing", "ledger"]),
    ("galeproof profile --subject l", ["ledger"]),
    ("galeproof run --engine e", ["embedded"]),
    ("galeproof run --effort n", ["nightly"]),
    ("galeproof explain SEC", [c for c in INVARIANTS if c.startswith("SEC")]),
    ("galeproof replay .galeproof/r", [".galeproof/runs/20261102-1200-bbbb", ".galeproof/runs/20261101-1200-aaaa"]),
    ("galeproof judge x", []),
    ("galeproof report .galeproof/latest --format j", ["junit", "json"]),
    ("galeproof ex", ["explain"]),
])
def test_a_half_typed_word_is_completed(type_tab, line, offered):
    """Scenarios, codes, families, subjects of the settings, kept runs, values of options."""
    assert offered == type_tab(line).split()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_show_what_a_word_means(type_tab, shell):
    """The invariant's name stands beside its code."""
    shown = type_tab("galeproof explain RTY001", shell)
    assert "RTY001" in shown and INVARIANTS["RTY001"].name in shown


@pytest.mark.parametrize("settings", ["[subjects", 'fail_on = "x"\n'])
def test_broken_settings_offer_nothing(type_tab, project, settings):
    """And the shell's line stays clean."""
    (project / "galeproof.toml").write_text(settings, "utf-8")
    assert "" == type_tab("galeproof run --subject ").strip()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on PATH")
def test_bash_takes_the_script_in(project):
    """What --show-completion prints completes a word in bash itself."""
    command = project / "bin/galeproof"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m galeproof "$@"\n', "utf-8")
    command.chmod(0o755)
    script = ('eval "$(galeproof --show-completion)"; COMP_WORDS=(galeproof explain IDM00); COMP_CWORD=2\n'
              '_galeproof_completion galeproof; printf "%s\\n" "${COMPREPLY[@]}"; complete -p galeproof\n')
    done = subprocess.run(["bash", "--norc", "-c", script], cwd=project, text=True, capture_output=True,
                          check=False, env=environment(PATH=f"{command.parent}:{os.environ['PATH']}", SHELL="/bin/bash"))
    assert [*(c for c in INVARIANTS if c.startswith("IDM00")),
            "complete -o default -F _galeproof_completion galeproof"] == done.stdout.splitlines(), done.stderr


def test_it_is_installed_on_request(project):
    """--install-completion writes into the home folder of whoever asks, and says where."""
    script = f'"{sys.executable}" -m galeproof --install-completion; true'
    done = subprocess.run(["bash", "--norc", "-c", script], cwd=project, text=True, capture_output=True,
                          check=False, env=environment(HOME=str(project), SHELL="/bin/bash"))
    assert "bash completion installed in" in done.stdout, done.stderr
    assert "_GALEPROOF_COMPLETE" in (project / ".bash_completions/galeproof.sh").read_text("utf-8")
