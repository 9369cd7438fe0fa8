"""Every mutant fails what it must, no trap fails, nothing else fails: over real sockets."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from proof_clients import CLIENTS

AT_ONCE = 4


def _prove(name, engine="auto"):
    done = subprocess.run([sys.executable, str(HERE / "prove.py"), engine, "own", name],
                          capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def proofs():
    """Verdicts of every proof client, several at once, each in a process of its own."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(CLIENTS, pool.map(_prove, CLIENTS), strict=True))


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_a_proof_client_gets_the_verdicts_that_it_commits(proofs, name):
    """EXPECT fails, nothing outside EXPECT and MAY fails, and its own invariant is decided."""
    client, proof = CLIENTS[name], proofs[name]
    assert (proof["invalid"], proof["fault"]) == (None, None)
    failed = {code for code, verdict in proof["verdicts"].items() if verdict[0] == "FAIL"}
    assert set(client.EXPECT) <= failed, proof["verdicts"]
    assert failed <= set(client.EXPECT) | set(client.MAY), proof["verdicts"]
    for code in client.INVARIANTS:
        assert proof["verdicts"][code][0] != "UNKNOWN", proof["verdicts"][code]
