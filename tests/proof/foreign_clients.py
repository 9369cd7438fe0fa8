"""Clients that are not ours, each behind an adapter or a driver, judged: prints what they do as Markdown.

Without arguments the table of docs/foreign-clients.md, with --other that of docs/foreign-languages.md; with
names, one JSON line a client.
"""

import asyncio
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import foreign_other
from foreign_adapters import OpenAI, Requests, Stripe

from galeproof.invariants import INVARIANTS
from galeproof.model import parse_profile
from galeproof.model.attribution import attribute
from galeproof.runner import Station, run_catalogue, subject_of
from galeproof.scenario import load_scenario, shipped

HERE = Path(__file__).resolve().parent
SEED = 7
OBSERVE_S = 8.0
LIMIT_S = 600

CLIENTS = {"requests": Requests, "openai": OpenAI, "stripe": Stripe}
OTHERS = tuple(foreign_other.PROFILES)


def _subject(name):
    """The subject, its release, and for how many s an operation is watched."""
    if name in OTHERS:
        profile = parse_profile(foreign_other.PROFILES[name])
        return (subject_of(foreign_other.target(name), profile, name), foreign_other.version(name),
                foreign_other.OBSERVE_S[name])
    client = CLIENTS[name]
    # by its name: in processes of its own, so that the scenarios run side by side
    subject = subject_of(f"foreign_adapters:{client.__name__}", parse_profile(client.PROFILE), name)
    return subject, importlib.metadata.version(client.PACKAGE), OBSERVE_S


def judge(name, engine="auto"):
    """Run one client through every shipped scenario; verdicts, and its attempts as the tap saw them."""
    subject, version, observe_s = _subject(name)
    scenarios = [load_scenario(path, frozenset(INVARIANTS)) for path in shipped()]
    scenarios = [s for s in scenarios if s.effort == "quick"]
    with Station(engine, seed=SEED) as station:
        result = asyncio.run(run_catalogue(station, subject, scenarios, SEED, observe_s=observe_s))
    runs = result.judged
    return {
        "client": name, "version": version,
        "invalid": result.invalid, "fault": result.fault,
        "strays": sum(len(_attributed(j).strays) + len(_attributed(j).ambiguous) for j in runs),
        "verdicts": {v.code: {
            "name": v.name, "verdict": v.outcome.value, "reason": v.reason, "note": v.note,
            "observed": v.observed, "limit": v.limit, "unit": v.unit, "witnesses": v.witnesses,
            "findings": [f.text for f in v.findings],
        } for v in sorted(result.verdicts, key=lambda v: v.code)},
        "writes": {str(j.history.header["scenario"]): _attempts(j, "write") for j in runs},
        "reads": {str(j.history.header["scenario"]): _attempts(j, "read") for j in runs},
    }


def _attributed(judged):
    return attribute(judged.history)


def _attempts(judged, kind):
    """The attempts of every operation: method, key, what was planned and answered, effects."""
    return [[{"at_s": round((a.start_lo_ns - o.start.lo_ns) / 1e9, 2), "method": a.method,
              "target": a.target, "key": a.header("Idempotency-Key"), "word": a.word,
              "status": a.status if a.complete else None, "effects": a.effects}
             for a in o.requests]
            for o in _attributed(judged).operations if o.kind == kind]


def judge_apart(name):
    """Judge one client in a process of its own."""
    done = subprocess.run([sys.executable, str(HERE / "foreign_clients.py"), name], cwd=HERE,
                          capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def judge_all(names=tuple(CLIENTS)):
    """Judge the clients, one after another: each runs its scenarios side by side."""
    return {name: judge_apart(name) for name in names}


def evidence(verdict):
    """One line of evidence: the first finding, else what was measured."""
    if verdict["findings"]:
        more = len(verdict["findings"]) - 1
        return verdict["findings"][0] + (f" (and {more} more)" if more else "")
    parts = []
    if verdict["observed"] is not None:
        limit = "" if verdict["limit"] is None else f", limit {verdict['limit']:g}"
        parts.append(f"observed {verdict['observed']:.3g} {verdict['unit']}{limit}")
    if verdict["witnesses"]:
        parts.append(f"{verdict['witnesses']} operations")
    parts += [verdict["note"]] if verdict["note"] else []
    return "; ".join(parts) or "the situation never arose"


def markdown(proofs):
    """Return the table, a row an invariant and client."""
    lines = ["| client | version | invariant | verdict | evidence |", "|---|---|---|---|---|"]
    for name, proof in proofs.items():
        for code, verdict in proof["verdicts"].items():
            outcome = " ".join(filter(None, (verdict["verdict"], verdict["reason"])))
            text = evidence(verdict).replace("|", "/")
            lines.append(f"| {name} | {proof['version']} | {code} {verdict['name']} "
                         f"| {outcome} | {text} |")
    return "\n".join(lines)


if __name__ == "__main__":
    os.chdir(HERE)  # a subject's process finds its module in the working directory
    if sys.argv[1:] == ["--other"]:
        print(markdown(judge_all(OTHERS)))
    elif sys.argv[1:]:
        for wanted in sys.argv[1:]:
            print(json.dumps(judge(wanted)), flush=True)
    else:
        print(markdown(judge_all()))
