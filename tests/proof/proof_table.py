"""The table of mutants killed and traps spared: `python tests/proof/proof_table.py [--write] [ENGINE]`.

Runs every proof client over its own schedules (half an hour), prints the table, and with --write keeps it in
docs/proofs.md.
"""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from proof_clients import CLIENTS

from galeproof.invariants import INVARIANTS

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parents[1] / "docs" / "proofs.md"
HEAD = """# Proofs

Every invariant is proved over real sockets: a *mutant* is a client with one defect that it must FAIL, a *trap* a sound
client that looks like one and must not. Clients stand in `tests/proof/proof_clients`, with what they must fail and what
they may fail beside it, and why. Written by `python tests/proof/proof_table.py --write`; `ci/test --full` holds it.

| invariant | mutants killed | traps spared |
|---|---|---|
"""


def notes_of(client):
    """What an invariant that never fails must note of a client."""
    return getattr(client, "NOTES", {})


def mutants(code):
    """Clients that must fail an invariant, or must be noted by one that never fails."""
    return sorted(n for n, c in CLIENTS.items() if code in c.EXPECT or code in notes_of(c))


def traps(code):
    """Clients that must be decided by an invariant and not fail it."""
    return sorted(n for n, c in CLIENTS.items()
                  if code in c.INVARIANTS and code not in c.EXPECT and code not in notes_of(c))


def killed(proof, code):
    """Whether a mutant's verdict is what it must be."""
    outcome, _, note = proof["verdicts"][code][:3]
    words = notes_of(CLIENTS[proof["client"]]).get(code)
    return outcome == "FAIL" if words is None else words in note


def spared(proof, code):
    """Whether a trap's verdict is what it must be."""
    return proof["verdicts"].get(code, ["UNKNOWN"])[0] == "PASS"


def rows(proofs):
    """One a code; who was not killed or not spared is named in capitals."""
    for code, invariant in INVARIANTS.items():
        cells = []
        for names, right in ((mutants(code), killed), (traps(code), spared)):
            good = [n for n in names if n in proofs and right(proofs[n], code)]
            told = ", ".join(n if n in good else f"NOT {n}" for n in names)
            cells.append(f"{len(good)} of {len(names)}: {told}")
        yield f"| {code} {invariant.name} | {' | '.join(cells)} |"


def markdown(proofs):
    """The page."""
    told = []
    for word, names, right in (("mutants killed", mutants, killed), ("traps spared", traps, spared)):
        pairs = [right(proofs[name], code) for code in INVARIANTS for name in names(code)]
        told.append(f"{word} {sum(pairs)} of {len(pairs)}")
    return HEAD + "\n".join(rows(proofs)) + (
        f"\n\n{len(CLIENTS)} clients; pairs of invariant and client: {', '.join(told)}.\n")


if __name__ == "__main__":
    engine = next((word for word in sys.argv[1:] if word != "--write"), "auto")
    done = subprocess.run([sys.executable, str(HERE / "prove.py"), engine, "own", "--at-once", "4"],
                          stdout=subprocess.PIPE, text=True, check=True)
    page = markdown({p["client"]: p for p in map(json.loads, done.stdout.splitlines())})
    print(page)
    if "--write" in sys.argv:
        DOCUMENT.write_text(page, "utf-8")
