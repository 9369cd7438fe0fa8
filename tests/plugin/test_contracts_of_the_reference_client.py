"""The reference client's whole contract: in calm air, and each interaction under five storms."""

import os
from pathlib import Path

import pytest

pytest.importorskip("pact")

ROOT = Path(__file__).parents[2]
STORMS = ["fail-twice-then-recover", "reset-before-any-byte", "reset-after-effect", "reset-after-request",
          "latency-jitter"]
TESTS = f'''
import asyncio
import pytest
from contracts.consumer import payments

ALL = payments.interactions()


@pytest.mark.parametrize("which", range(len(ALL)), ids=[i.description for i in ALL])
@pytest.mark.contract(*{STORMS!r})
@pytest.mark.profile(max_attempts=3, idempotency_key="Idempotency-Key", connect_timeout_s=1.0,
                     read_timeout_s=1.0, deadline_s=6.0, correlation_id="X-Request-Id")
def test_contract(gale, which):
    with gale.contract(ALL[which]) as mock:
        asyncio.run(payments.exercise(ALL[which], mock.url, mock.storm is not None))
'''


@pytest.mark.full
def test_every_interaction_under_five_storms(inner, monkeypatch):
    """25 interactions in calm air and under 5 storms each: 150 items, and the committed pact again."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]]))
    inner.tests(TESTS)
    result = inner.run("-q", "-n", "4")
    assert {"passed": 150} == result.parseoutcomes(), result.stdout.str()[-6000:]
    written = inner.pytester.path / "pacts" / "galeproof-client-payments-api.json"
    assert (ROOT / "contracts" / "pacts" / written.name).read_bytes() == written.read_bytes()
