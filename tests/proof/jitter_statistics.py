"""JIT001 over many runs: prints a table of verdicts, and how often each was wrong.

`python tests/proof/jitter_statistics.py [--engine E] [--at-once N] [--share S]`; the full tier runs full
jitter, equal jitter and 20 % forty times each, every mutant twenty times; S scales that down.
"""

import argparse
import collections
import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from proof_clients import CLIENTS

HERE = Path(__file__).parent
SOUND = {"Delays": 40, "EqualJitter": 40, "GrpcStyle": 40}
LIMIT_S = 600


def mutants():
    """The names of the clients that must fail JIT001."""
    return {name: 20 for name, client in CLIENTS.items() if "JIT001" in client.EXPECT}


def verdicts(name, count, engine):
    """Run one client so many times in one process; return JIT001's verdicts."""
    done = subprocess.run([sys.executable, str(HERE / "prove.py"), engine, "own", *[name] * count],
                          capture_output=True, text=True, check=False, timeout=LIMIT_S)
    found = []
    for line in done.stdout.splitlines():
        proof = json.loads(line)
        told = proof["verdicts"].get("JIT001", ["FAULT", proof["fault"] or proof["invalid"]])
        found.append(" ".join(filter(None, told[:2])))
    return found + ["FAULT"] * (count - len(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0)
    given = parser.parse_args()
    wanted = {name: math.ceil(n * given.share) for name, n in {**SOUND, **mutants()}.items()}
    with ThreadPoolExecutor(given.at_once) as pool:
        found = dict(zip(wanted, pool.map(
            lambda name: verdicts(name, wanted[name], given.engine), wanted), strict=True))
    wrong = undecided = 0
    print(f"{'client':20} runs  verdicts")
    for name, told in found.items():
        counted = collections.Counter(told)
        print(f"{name:20} {len(told):4}  {', '.join(f'{k} {n}' for k, n in counted.most_common())}")
        must_fail = name not in SOUND
        wrong += counted["PASS"] if must_fail else counted["FAIL"]
        undecided += len(told) - counted["PASS"] - counted["FAIL"]
    print(f"{sum(map(len, found.values()))} runs: {wrong} wrong, {undecided} undecided")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
