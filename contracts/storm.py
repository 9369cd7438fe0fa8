"""The Pact slice: baseline, the contract under a 503 storm, and the provider's verification.

Run it: `python contracts/storm.py [--engine E]`. Three verdicts are kept apart: contract,
resilience, fault evidence.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from contracts.consumer import payments

from galeproof.contract import render_pact, run_baseline, verify_provider
from galeproof.invariants import INVARIANTS
from galeproof.model import Outcome
from galeproof.runner import Station
from galeproof.runner.config import load_config
from galeproof.runner.contract_storm import ContractStorm, storm_contract
from galeproof.scenario import find, load_scenario

PACT = payments.PACTS / "galeproof-client-payments-api.json"
STORM = "fail-twice-then-recover"
MUST = frozenset({"RTY003"})


def baseline() -> bool:
    """The contract without a fault: it matches, and the committed pact is what it gives."""
    fragments = asyncio.run(run_baseline(payments.interactions(), payments.exercise))
    same = render_pact(fragments) == PACT.read_text("utf-8")
    print(f"{_word(same)} contract, fault-free   {len(fragments)} interactions, the committed pact "
          f"{'is' if same else 'is not'} what they give")
    return same


def storm(engine: str) -> bool:
    """The contract of a payment by its id, under two 503s and then health."""
    subject = load_config(HERE.parent).subject("reference").logging_to(Path(os.devnull))
    scenario = load_scenario(find(STORM), frozenset(INVARIANTS))
    interaction = next(i for i in payments.interactions() if i.description == payments.FOUND)
    with Station(engine) as station:
        seen = asyncio.run(storm_contract(station, subject, interaction, scenario, "p1", 7))
    return _told(seen)


def _told(seen: ContractStorm) -> bool:
    if seen.trouble:
        print(f"FAIL contract under {STORM}: {seen.trouble}")
        return False
    decided = {v.code: v for v in seen.resilience}
    holds = not any(v.outcome is Outcome.FAIL for v in seen.resilience) and all(
        decided[code].outcome is Outcome.PASS for code in MUST)
    shown = ", ".join(f"{v.code} {v.outcome.value}" for v in seen.resilience
                      if v.outcome is not Outcome.UNKNOWN)
    print(f"{_word(seen.contract)} contract, under {STORM}   {'; '.join(seen.mismatches)}")
    print(f"{_word(holds)} resilience               {shown}")
    print(f"{_word(seen.fault)} fault evidence           the storm's fault met the client")
    return seen.contract and holds and seen.fault


def provider() -> bool:
    """The reference provider, verified against the pact: one result an interaction."""
    process = subprocess.Popen([sys.executable, str(HERE / "provider" / "app.py"), "--states"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        results = verify_provider(url, PACT, url + "/_pact/states", provider=payments.PROVIDER)
    finally:
        process.terminate()
        process.wait(5)
    for result in results:
        print(f"{_word(result.passed)} provider                 {result.description}"
              f"{'  ' + '; '.join(result.reasons) if result.reasons else ''}")
    return bool(results) and all(result.passed for result in results)


def _word(holds: bool) -> str:
    return "PASS    " if holds else "FAIL    "


def main() -> int:
    """Run the slice; 0 when everything holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="auto")
    engine = parser.parse_args().engine
    logging.getLogger("galeproof").setLevel(logging.ERROR)  # refusals are what is wanted here
    held = [baseline(), storm(engine), provider()]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
