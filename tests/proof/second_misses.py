"""Storms that miss in ways of their own: `python tests/proof/second_misses.py [CLIENT]`; prints each PASS."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from second_clients import CLIENTS

from galeproof.invariants import INVARIANTS
from galeproof.model import parse_profile
from galeproof.runner import Station, run_catalogue, subject_of
from galeproof.scenario import load_scenario

BOTH = "  - {kind: read, count: 2, concurrent: 2}\n  - {kind: write, count: 2, concurrent: 2}"
READS = "  - {kind: read, count: 3}"
ONE = "  - {kind: read, count: 2, concurrent: 1}\n  - {kind: write, count: 2, concurrent: 1}"
STORMS = {  # name: groups, steps, the codes that it is said to exercise
    "upload-cut-behind-its-end": (
        BOTH,
        ["{attempts: 1, cut: rst after 900000 request bytes}"],
        "RTY007 RTY003 IDM001 IDM002",
    ),
    "by-hardly-a-chance": (
        BOTH,
        ["{attempts: 1-, chance: 0.000001, answer: 503}"],
        "RTY001 RTY003 RTY006 ERR001",
    ),
    "a-window-before-all": (
        BOTH,
        ["{attempts: 1-, from_s: 0, to_s: 0.000001, answer: 503}"],
        "RTY001 RTY003 IDM002",
    ),
    "late-within-time": (BOTH, ["{attempts: 1-, answer: {status: 200, delay_s: 0.1}}"], "TMO002 TMO006"),
    "latency-within-time": (
        BOTH,
        ["{attempts: 1-, answer: ok, lane: [{type: latency, latency_ms: 50}]}"],
        "TMO002 TMO003 TMO004 TMO006",
    ),
    "wide-as-the-sea": (
        BOTH,
        ["{attempts: 1-, answer: ok, lane: [{type: bandwidth, rate_kbps: 100000}]}"],
        "TMO003 TMO004",
    ),
    "cancelled-too-late": (
        "  - {kind: read, count: 4, concurrent: 4, cancel_after_s: 20}\n  - {kind: read, count: 3}",
        ["{attempts: 9-, cut: hang after request}"],
        "TMO008 CON002",
    ),
    "lost-writes-of-readers": (
        READS,
        ["{attempts: 1, cut: rst after effect}"],
        "IDM001 IDM002 IDM004 IDM007 IDM009",
    ),
    "second-attempts-only": (
        BOTH,
        ["{attempts: 2-, answer: 503, retry_after: 2}"],
        "RTY001 RTY004 RTY006 RAF001",
    ),
    "behind-a-refusal": (
        BOTH,
        ["{attempts: 1, answer: 404}", "{attempts: 2-, cut: rst after effect}"],
        "IDM001 IDM002 IDM007 RTY003 RTY007",
    ),
    "stale-without-a-first": ("  - {kind: read, count: 1}", ["{attempts: 1, cut: stale}"], "RTY003 CON001"),
    "nobody-asks-for-tokens": (READS, ["{attempts: 9-, answer: 401}"], "OAU001 OAU002"),
    "an-expiry-of-nothing": (READS, [], "OAU001 OAU002"),
    "elsewhere-is-nowhere": (
        READS,
        ["{attempts: 2-, answer: {status: 302, location: other, effect: false}}"],
        "SEC006 ERR006 ERR005",
    ),
    "redirect-without-location": (
        READS,
        ["{attempts: 1-, answer: {status: 304, effect: false}}"],
        "SEC006 ERR006 ERR005",
    ),
    "garbage-of-writes": (
        READS,
        ["{attempts: 1-, operations: 4-, answer: {garbage: html}}"],
        "ERR001 ERR002 ERR004",
    ),
    "thirty-of-nothing": (
        "  - {kind: read, count: 30, concurrent: 30, stagger_s: 0.01}",
        ["{attempts: 4-, answer: 503}"],
        "JIT001 JIT002 JIT003 JIT005 RTY005",
    ),
    "a-fleet-in-calm": ("  - {kind: read, count: 40}", ["{attempts: 5-, answer: 503}"], "JIT004"),
    "a-primary-that-is-well": (READS, ["{attempts: 5-, origin: first, answer: 503}"], "OBS003"),
    "limits-unsaid": (READS, ["{attempts: 1-, answer: {status: 200, headers: {X-Other: '1'}}}"], "RAF005"),
    "one-conflict-of-readers": (READS, ["{attempts: 1, answer: 409}"], "IDM008"),
    "blackhole-for-the-tenth": (ONE, ["{attempts: 10-, cut: blackhole}"], "TMO001"),
    "refused-for-the-tenth": (ONE, ["{attempts: 10-, cut: refuse}"], "RTY003 TMO001"),
    "reset-on-accept-for-the-tenth": (
        ONE,
        ["{attempts: 10-, cut: rst after accept}"],
        "RTY001 RTY003 RTY006",
    ),
    "hang-of-the-fiftieth": (
        BOTH,
        ["{attempts: 1-, operations: 50-, cut: hang after effect}"],
        "TMO002 TMO006 TMO007 TMO008 IDM001 IDM007",
    ),
    "before-the-first-request": (
        BOTH,
        ["{attempts: 1-, from_s: 500, to_s: 600, cut: rst after effect}"],
        "IDM001 IDM007 RTY003",
    ),
    "other-origin-is-ill": (
        BOTH,
        ["{attempts: 1-, origin: other, answer: 503, retry_after: 2}"],
        "RAF001 RTY001 RTY006 CBK005",
    ),
    "answers-late-and-whole": (
        BOTH,
        ["{attempts: 1-, answer: {status: 200, delay_s: 0.2}}"],
        "TMO003 TMO004 RTY003 ERR003",
    ),
}


def text_of(name):
    """A scenario file."""
    groups, steps, codes = STORMS[name]
    more = "tokens: {expired: true}\n" if name == "an-expiry-of-nothing" else ""
    more += "starts: 2\n" if name == "a-fleet-in-calm" else ""
    said = "".join(f"\n  - {step}" for step in steps) or " []"
    return (
        f"name: {name}\nwhy: It never comes.\n{more}operations:\n{groups}\nsteps:{said}\n"
        f"expect: {{outcome: any, exercised: [{', '.join(codes.split())}]}}\n"
    )


def main():
    client = CLIENTS[sys.argv[1] if len(sys.argv) > 1 else "AllInOneTimeout"]
    with tempfile.TemporaryDirectory() as folder, Station("auto") as station:
        for name in STORMS:
            path = Path(folder) / f"{name}.yaml"
            path.write_text(text_of(name))
            try:
                scenario = load_scenario(path, frozenset(INVARIANTS))
                result = asyncio.run(
                    run_catalogue(
                        station,
                        subject_of(client, parse_profile(client.PROFILE)),
                        [scenario],
                        7,
                        observe_s=6.0,
                    )
                )
            except Exception as error:
                print(json.dumps({"storm": name, "error": str(error).replace(folder, "")[:300]}), flush=True)
                continue
            codes = STORMS[name][2].split()
            said = {
                v.code: f"{v.outcome.value} {v.reason or ''} {v.note or ''}".strip()
                for v in result.verdicts
                if v.code in codes
            }
            print(
                json.dumps(
                    {
                        "storm": name,
                        "invalid": result.invalid,
                        "fault": result.fault,
                        "said": said,
                        "passed": [c for c, t in said.items() if t.startswith("PASS")],
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
