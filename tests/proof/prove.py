"""Runs proof clients in a process of their own: prints the verdicts as JSON, a line a client."""

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from proof_clients import CLIENTS

from galeproof.invariants import INVARIANTS
from galeproof.model import parse_profile
from galeproof.runner import Station, run_catalogue, subject_of
from galeproof.scenario import load_scenario, shipped

OBSERVE_S = 6.0


def prove(station, name, whole):
    client = CLIENTS[name]
    scenarios = [load_scenario(path, frozenset(INVARIANTS)) for path in shipped()]
    if not whole:
        wanted = set(client.INVARIANTS)
        scenarios = [s for s in scenarios if wanted & set(s.expect.exercised)]
    result = asyncio.run(run_catalogue(
        station, subject_of(client, parse_profile(client.PROFILE)), scenarios, 7,
        observe_s=OBSERVE_S))
    return {
        "client": name, "invalid": result.invalid, "fault": result.fault,
        "verdicts": {v.code: [v.outcome.value, v.reason, v.note,
                              [f.text for f in v.findings[:2]], list(v.scenarios)]
                     for v in result.verdicts},
    }


def main(engine, whole, names):
    with Station(engine) as station:
        for name in names:
            print(json.dumps(prove(station, name, whole)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "whole", sys.argv[3:])
