"""A sound client stays sound however its stamps fall within their intervals, and where the machine stood still."""

import collections
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from galeproof.model import Outcome, make_history
from galeproof.runner import Judged, read_run
from galeproof.runner.judging import judge_one

ROOT = Path(__file__).resolve().parents[2]
TIMES = 1000
STALLS_MS = (5, 20, 60, 200, 800)
pytestmark = pytest.mark.full  # a minute of running, and some of judging


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The reference client over the whole catalogue, kept."""
    output = tmp_path_factory.mktemp("runs")
    done = subprocess.run([sys.executable, "-m", "galeproof", "run", "--subject", "reference", "--output",
                           str(output), "--json"], cwd=ROOT, capture_output=True, text=True, timeout=400)
    said = json.loads(done.stdout)
    assert [] == [v["code"] for v in said["verdicts"] if v["verdict"] == "FAIL"], done.stderr[-2000:]
    return read_run(output / "latest")[1]


def moved(history, rng):
    """The same record, each stamp somewhere within its interval, and the machine stood still a few times:
    everything after such an instant came so much later, and the heartbeats have it on record."""
    end = history.events[-1].hi_ns
    stalls = sorted((rng.randrange(end + 1), rng.choice(STALLS_MS) * 1_000_000)
                    for _ in range(rng.randrange(4)))
    raw = []
    for event in history.events:
        at = rng.randint(event.lo_ns, event.hi_ns)
        stood = sum(ns for begin, ns in stalls if begin <= at)
        raw.append((at + stood, at + stood, event.witness, event.kind, event.connection, event.marker,
                    event.data))
    before = 0
    for begin, ns in stalls:
        raw += [(begin + before, begin + before + ns, process, "lag", None, None, {"ms": ns / 1e6})
                for process in ("world", "subject")]
        before += ns
    return make_history(history.header, raw)


def test_a_thousand_judgements_of_moved_stamps_show_no_fail(runs):
    """Over all kept histories in turn."""
    rng = random.Random(11)
    failed, outcomes = [], collections.Counter()
    for number in range(TIMES):
        judged = runs[number % len(runs)]
        for verdict in judge_one(Judged(moved(judged.history, rng))):
            outcomes[verdict.outcome] += 1
            if verdict.outcome is Outcome.FAIL:
                failed.append((judged.history.header["scenario"], verdict.code,
                               verdict.findings[0].text if verdict.findings else verdict.note))
    assert [] == failed, collections.Counter(f[:2] for f in failed)
    assert outcomes[Outcome.PASS] > TIMES, outcomes
