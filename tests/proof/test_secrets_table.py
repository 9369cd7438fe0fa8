"""Every form of a secret is found in every channel; and ordinary logs, however many, hold none."""

import base64
import json
import random
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from secrets_table import CHANNELS, DOCUMENT, FORMS, SETS, fits, markdown

from galeproof.invariants.sec import shows
from galeproof.kernel.chance import canary, symbol_canary

PIECE = 1 << 16


def _table(*channels):
    done = subprocess.run([sys.executable, str(HERE / "secrets_table.py"), *channels], capture_output=True,
                          text=True, timeout=900, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("channels", [
    pytest.param(("log that does not propagate", "packed file"), id="two"),
    pytest.param(tuple(CHANNELS), id="all", marks=pytest.mark.full)])
def test_each_form_is_found_in_each_channel(channels):
    """A run a cell; the docs say what was found."""
    found = _table(*channels)
    assert {c: {f: ["FAIL" if fits(c, f, kind) else "-" for kind in SETS] for f in FORMS} for c in channels} == found
    rows = markdown(found).splitlines()
    assert set(rows) <= set(DOCUMENT.read_text("utf-8").splitlines())


def _log_lines(rng):
    """What services write: times, ids, digests, tokens of others, masks."""
    while True:
        uid = uuid.UUID(int=rng.getrandbits(128), version=4)
        yield (f"2026-11-25T18:{rng.randrange(60):02}:{rng.random() * 60:06.3f}Z INFO shop.client id={uid} GET "
               f"https://api.example.com/payments/{rng.getrandbits(64):x}?page={rng.randrange(99)}&sig=REDACTED 200 "
               f"{rng.random():.6f}s etag={base64.b64encode(rng.randbytes(24)).decode()} Bearer sk_test_**** "
               f"sha256:{rng.randbytes(32).hex()} \\u0026 %2Fpath &amp; trace={rng.getrandbits(128):032x}\n")


@pytest.mark.parametrize("size", [
    pytest.param(2_000_000, id="two megabytes"),
    pytest.param(100_000_000, id="a hundred megabytes", marks=pytest.mark.full)])
def test_ordinary_logs_show_no_secret(size):
    """Twenty canaries of both sorts, and none of them by chance; one that is put there is found."""
    rng = random.Random(5)
    secrets = [draw(rng) for draw in (canary, symbol_canary) for _ in range(10)]
    lines, seen = _log_lines(rng), 0
    while seen < size:
        piece = "".join(next(lines) for _ in range(PIECE // 300))
        assert not shows(secrets, piece), piece
        seen += len(piece)
    assert shows(secrets, piece + secrets[-1][-14:])
