"""Every mutant fails what it must, no trap fails, nothing else fails: over real sockets."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from proof_clients import CLIENTS
from proof_table import DOCUMENT, mutants, notes_of, rows, traps

from galeproof.invariants import INVARIANTS

AT_ONCE = 6
LIMIT_S = 2400
LONG = ("BUD", "CBK")


def prove(names, engine="auto", which="own", at_once=AT_ONCE):
    """Verdicts of proof clients, several at once, each in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / "prove.py"), engine, which, "--at-once", str(at_once), *names],
        capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return {proof["client"]: proof for proof in map(json.loads, done.stdout.splitlines())}


def decided(proof):
    """Whether nothing that the client must show is left open as noise."""
    return "noise" not in [proof["verdicts"].get(code, [None, None])[1]
                           for code in CLIENTS[proof["client"]].INVARIANTS]


def quick():
    """A mutant and a trap for each invariant; those of long outages have the full tier to themselves."""
    chosen = []
    for code in INVARIANTS:
        for fails in () if code[:3] in LONG else (True, False):
            fitting = [name for name, client in CLIENTS.items()
                       if code in client.INVARIANTS and (code in client.EXPECT) is fails]
            if fitting and not set(fitting) & set(chosen):
                chosen.append(fitting[0])
    return chosen


QUICK = quick()


@pytest.fixture(scope="session")
def proofs(request):
    """The proof clients of this session over their own schedules; what ends as noise is run once more,
    alone."""
    asked = [getattr(getattr(item, "callspec", None), "params", {}).get("name")
             for item in request.session.items]
    found = prove([name for name in asked if name in CLIENTS])
    for name in [name for name, proof in found.items() if not decided(proof)]:
        found |= prove([name])
    return found


def test_every_invariant_has_a_client_that_must_fail_it_and_one_that_must_not():
    """No checker stands without its proof."""
    failed = {code for client in CLIENTS.values() for code in {*client.EXPECT, *notes_of(client)}}
    spared = {code for client in CLIENTS.values() for code in client.INVARIANTS if code not in client.EXPECT}
    assert (set(INVARIANTS), set(INVARIANTS)) == (failed, spared & set(INVARIANTS))


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.full) for name in sorted(CLIENTS)])
def test_a_proof_client_gets_the_verdicts_that_it_commits(proofs, name):
    """EXPECT fails, nothing outside EXPECT and MAY fails, and its own invariant is decided."""
    client, proof = CLIENTS[name], proofs[name]
    assert (proof["invalid"], proof["fault"]) == (None, None)
    failed = {code for code, verdict in proof["verdicts"].items() if verdict[0] == "FAIL"}
    assert set(client.EXPECT) <= failed, proof["verdicts"]
    assert failed <= set(client.EXPECT) | set(client.MAY), proof["verdicts"]
    for code, words in notes_of(client).items():
        assert words in proof["verdicts"][code][2], proof["verdicts"][code]
    open_ones = {c: proof["verdicts"][c] for c in client.INVARIANTS if proof["verdicts"][c][0] == "UNKNOWN"}
    assert {"noise"} >= {verdict[1] for verdict in open_ones.values()}, open_ones
    if open_ones:
        pytest.skip(f"this machine is too noisy, twice: {open_ones}")


def test_the_table_in_the_docs_names_every_client():
    """Who was added, or renamed, is missing there: python tests/proof/proof_table.py --write."""
    lines = {line.split(" ")[1]: line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| ")}
    for code in INVARIANTS:
        cells = lines[code].split(" | ")[1:]
        assert [mutants(code), traps(code)] == [
            sorted(cell.rstrip(" |").partition(": ")[2].split(", ")) for cell in cells], code


@pytest.mark.full
def test_the_table_in_the_docs_is_what_was_found(proofs):
    """Row by row, of a session that ran them all."""
    if not set(proofs) >= set(CLIENTS):
        pytest.skip("only some of the proof clients were run")
    assert set(rows(proofs)) <= set(DOCUMENT.read_text("utf-8").splitlines())
