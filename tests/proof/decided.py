"""Runs proof clients over every shipped scenario and prints the decided rate and wrong verdicts.

`python tests/proof/decided.py [--engine E] [--at-once N] [NAME]...`; all clients if none is named.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from proof_clients import CLIENTS

HERE = Path(__file__).parent


def whole(name, engine):
    """Return the verdicts of one client over the whole set."""
    done = subprocess.run([sys.executable, str(HERE / "prove.py"), engine, "whole", name],
                          capture_output=True, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else {
        "client": name, "invalid": None, "fault": done.stderr[-300:], "verdicts": {}}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    names = given.names or sorted(CLIENTS)
    with ThreadPoolExecutor(given.at_once) as pool:
        found = list(pool.map(lambda name: whole(name, given.engine), names))
    decided = total = wrong = 0
    for proof in found:
        client = CLIENTS[proof["client"]]
        if proof["invalid"] or proof["fault"]:
            print(f"{proof['client']}: {proof['invalid'] or proof['fault']}")
            wrong += 1
        for code, (outcome, reason, note, texts, scenarios) in sorted(proof["verdicts"].items()):
            total += 1
            decided += outcome != "UNKNOWN"
            bad = outcome == "FAIL" and code not in client.EXPECT and code not in client.MAY
            missed = code in client.EXPECT and outcome != "FAIL"
            wrong += bad or missed
            if outcome == "UNKNOWN" or bad or missed:
                print(f"{'WRONG ' if bad or missed else ''}{proof['client']} {code} {outcome} "
                      f"{reason or ''} {note} {texts[:1]} {scenarios[:4]}")
    print(f"decided {decided} of {total} ({100 * decided / max(total, 1):.1f} %), wrong {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
