"""Ctrl-C, once and again, and a reader that goes away: an exit code, and no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import galeproof


def _in_front():
    """This test run may be a shell's background job, which ignores Ctrl-C and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _behind():
    """What a shell's ``galeproof run ... &`` and nohup hand on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.fixture
def begun(project):
    """Start one command; it has said something when it is given back."""
    made = []

    def start(*words, as_job=_in_front):
        process = subprocess.Popen(
            [sys.executable, "-m", "galeproof", *words], cwd=project, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True, preexec_fn=as_job,
            env={**os.environ, "PYTHONPATH": str(Path(galeproof.__file__).parent.parent)})
        made.append(process)
        first = process.stderr.readline()
        assert "Traceback" not in first
        return process

    yield start
    for process in made:
        process.kill()
        process.communicate()


COMMANDS = [("profile", "--quick", "--engine", "embedded"),
            ("run", "hang", "503-storm", "--engine", "embedded", "--output", "interrupted")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[0])
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM] * 2],
                         ids=["once", "twice", "ended twice"])
def test_an_interrupt_is_no_traceback(begun, command, signals):
    """Exit 130, whoever is impatient."""
    process = begun(*command)
    time.sleep(1.5)
    for each in signals:
        process.send_signal(each)
        time.sleep(0.05)
    said = "".join(process.communicate(timeout=30))
    assert (130, False) == (process.returncode, "Traceback" in said), said[-2000:]


def test_a_background_job_ends_when_it_is_told_to(begun):
    """It ignores Ctrl-C and the end of its terminal, and no SIGTERM."""
    process = begun(*COMMANDS[1], as_job=_behind)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    said = "".join(process.communicate(timeout=30))
    assert (130, False) == (process.returncode, "Traceback" in said), said[-2000:]


def test_a_reader_that_goes_away_is_no_traceback():
    """As in ``galeproof invariants | head -1``."""
    whole = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m galeproof invariants --json | head -c 10'], text=True,
        capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(galeproof.__file__).parent.parent)})
    assert "Traceback" not in whole.stderr and "BrokenPipe" not in whole.stderr, whole.stderr
