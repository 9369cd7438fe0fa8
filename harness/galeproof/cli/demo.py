"""``galeproof demo``: a popular client under three settings, without any file of the user's."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from galeproof.cli.demo_clients import CLIENTS
from galeproof.invariants import INVARIANTS
from galeproof.model import Profile
from galeproof.report.coloured import print_table
from galeproof.runner import Station, run_catalogue, subject_of
from galeproof.scenario import find, load_scenario

__all__ = ["demo_command"]

_CODES = frozenset({"JIT001", "RTY006"})
_SCENARIO = "herd-of-thirty"


def demo_command(engine: str, seed: int, as_json: bool) -> int:
    """Judge the three and print what each shows; 0, or 4 where the harness is to blame.

    Args:
        engine: As for ``galeproof run``.
        seed: Of the run.
        as_json: Print JSON only.
    """
    scenario = load_scenario(find(_SCENARIO), frozenset(INVARIANTS))
    shown: list[dict[str, Any]] = []
    with Station(engine, seed=seed) as station:
        print(f"Thirty calls, a provider that answers 503. Engine {station.engine}, seed {seed}.",
              file=sys.stderr)
        for client in CLIENTS:
            told = (client.__doc__ or "").rstrip(".").replace("``", "")
            subject = subject_of(f"{client.__module__}:{client.__name__}", Profile(max_attempts=4))
            result = asyncio.run(run_catalogue(station, subject, [scenario], seed, _CODES))
            shown.append({"client": told, "invalid": result.invalid, "fault": result.fault,
                          "verdicts": [dict(v.as_json()) for v in result.verdicts]})
            if not as_json:
                print(f"\n{told}")
                print_table(result.verdicts, "", sys.stdout)
                sys.stdout.flush()
    if as_json:
        print(json.dumps({"schema": 1, "seed": seed, "clients": shown}))
    else:
        print("\nYour own client: write an adapter (README), then "
              "galeproof run --subject module:Adapter")
    return 4 if any(one["invalid"] or one["fault"] for one in shown) else 0
