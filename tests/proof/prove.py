"""Proves clients: `python tests/proof/prove.py ENGINE own|whole [--at-once N] [NAME]...`

Each client is judged in a process of its own, over the schedules of its own invariants or over the
whole set; a JSON line comes for each as it is done. All clients if none is named.
"""

import argparse
import asyncio
import fcntl
import json
import os
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from proof_clients import CLIENTS

from galeproof.invariants import INVARIANTS
from galeproof.model import parse_profile
from galeproof.runner import Station, run_catalogue, subject_of
from galeproof.scenario import load_scenario, shipped

OBSERVE_S = 6.0


def prove(engine, name, whole):
    """Judge one client; its verdicts, and how long it took."""
    began = time.monotonic()
    client = CLIENTS[name]
    scenarios = [load_scenario(path, frozenset(INVARIANTS)) for path in shipped()]
    if whole:  # as a plain run: what takes a minute each has clients of its own
        scenarios = [s for s in scenarios if s.effort == "quick"]
    else:
        wanted = set(client.INVARIANTS)
        scenarios = [s for s in scenarios if wanted & set(s.expect.exercised)]
    with Station(engine) as station:
        result = asyncio.run(run_catalogue(
            station, subject_of(client, parse_profile(client.PROFILE)), scenarios, 7,
            observe_s=OBSERVE_S))
    return {
        "client": name, "invalid": result.invalid, "fault": result.fault,
        "took_s": round(time.monotonic() - began, 1),
        "lag_p99_ms": max((j.history.header["lag_p99_ms"] for j in result.judged), default=0),
        "verdicts": {v.code: [v.outcome.value, v.reason, v.note,
                              [f.text for f in v.findings[:2]], list(v.scenarios)]
                     for v in result.verdicts},
    }


def told(engine, name, whole):
    """The same as a line; what goes wrong is a fault and no silence."""
    try:
        return json.dumps(prove(engine, name, whole))
    except BaseException:
        return json.dumps({"client": name, "invalid": None, "fault": traceback.format_exc()[-2000:],
                           "took_s": 0, "lag_p99_ms": 0, "verdicts": {}})


def say(line):
    """Print a line whole, also while other processes print theirs."""
    with open(__file__) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine")
    parser.add_argument("set", choices=("own", "whole"))
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("names", nargs="*")
    given = parser.parse_intermixed_args()
    left = list(given.names or CLIENTS)
    running = set()
    while left or running:
        # forked while this process has one thread and no loop: the imports are paid once
        while left and len(running) < given.at_once:
            name = left.pop(0)
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                say(told(given.engine, name, given.set == "whole"))
                os._exit(0)
            running.add(child)
        running.discard(os.wait()[0])


if __name__ == "__main__":
    main()
