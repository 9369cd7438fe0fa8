"""The second set: clients by eyes that had not seen the checkers. Their first score stands in
second_clients/FIRST_SCORE.md; now nothing is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from second_clients import CLIENTS
from second_set import score

pytestmark = pytest.mark.full  # a quarter of an hour
LIMIT_S = 3000


def _judged(names, at_once):
    done = subprocess.run(
        [sys.executable, str(HERE / "second_set.py"), "--at-once", str(at_once), *names],
        capture_output=True, text=True, timeout=LIMIT_S, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"client"')]
    return {line["client"]: line for line in lines}


def test_no_pair_is_wrong_and_none_is_open_but_for_noise():
    """What is wrong or open is run once more, alone: timing on a busy machine."""
    found = _judged(sorted(CLIENTS), 3)
    assert set(found) == set(CLIENTS)
    again = {name for word, name, _, _ in score(found.values()) if word in ("wrong", "undecided")}
    found |= _judged(sorted(again), 1) if again else {}
    bad = [pair for pair in score(found.values()) if pair[0] in ("wrong", "undecided")]
    assert [] == [pair for pair in bad if not pair[3].startswith("UNKNOWN noise")]
