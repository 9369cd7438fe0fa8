"""The verdict table on a terminal: coloured and indented there, the plain lines wherever else."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import galeproof

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def on_a_terminal(project):
    """Run one command on a terminal of its own; what it wrote to it."""

    def run(*words, columns=140, **environment):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
        process = subprocess.Popen(
            [sys.executable, "-m", "galeproof", *map(str, words)], cwd=project, stdin=subprocess.DEVNULL,
            stdout=theirs, stderr=subprocess.DEVNULL,
            env={**base, "TERM": "xterm-256color", "PYTHONPATH": str(Path(galeproof.__file__).parent.parent),
                 **environment})
        os.close(theirs)
        said = b""
        try:
            while piece := os.read(ours, 65536):
                said += piece
        except OSError:  # the other side is closed: Linux says EIO
            pass
        os.close(ours)
        process.wait(60)
        return said.decode("utf-8").replace("\r\n", "\n")

    return run


def words(text):
    return COLOUR.sub("", text).split()


@pytest.mark.parametrize("columns", [140, 72])
def test_a_terminal_has_colours_and_no_line_is_too_long(on_a_terminal, gale, kept, columns):
    """Every word of the plain table is there; the counts stand below it."""
    shown = on_a_terminal("judge", kept[1], columns=columns)
    assert "\x1b[1;31mFAIL" in shown and "\x1b[32mPASS" in shown
    told = [COLOUR.sub("", line) for line in shown.splitlines()]
    assert all(len(line) <= columns for line in told if "replay: " not in line)  # that one is to be copied
    plain = gale("judge", kept[1]).stdout
    assert set(words("\n".join(line for line in plain.splitlines() if not line.startswith("PASS")))) <= set(words(shown))
    verdicts = [line.split()[0] for line in plain.splitlines() if line[:1] in "FPU" and line[:1]]
    assert [f"{verdicts.count('FAIL')} FAIL", f"{verdicts.count('UNKNOWN')} UNKNOWN",
            f"{verdicts.count('PASS')} PASS"] == re.split(r" {3}", COLOUR.sub("", shown).splitlines()[-1])


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colours_it_is_the_table_of_a_pipe(on_a_terminal, gale, kept, environment):
    """Byte for byte."""
    assert gale("judge", kept[1]).stdout == on_a_terminal("judge", kept[1], **environment)


def test_a_pipe_has_no_colours(gale, kept):
    """The lines are those of the plain table."""
    assert "\x1b" not in gale("judge", kept[1]).stdout
