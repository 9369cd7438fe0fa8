"""`ci/bench judge`: all invariants over synthetic histories of 10,000 to 1,000,000 events.

Each size is judged in a process of its own: seconds, peak memory, and the time of each part, with the
ratio to what a linear growth from the smallest size would be.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "harness"))

from galeproof.invariants import INVARIANTS, judge  # noqa: E402
from galeproof.invariants._case import Case  # noqa: E402
from galeproof.kernel.chance import canary, reference, stream  # noqa: E402
from galeproof.model import History, make_history, parse_profile  # noqa: E402

SIZES = (10_000, 100_000, 1_000_000)
PROFILE = {
    "max_attempts": 3, "connect_timeout_s": 1, "read_timeout_s": 1, "deadline_s": 6,
    "retry_on": ["connect", "reset", "timeout", 429, 503],
    "backoff": {"base_s": 0.2, "factor": 2, "cap_s": 2, "jitter": "full"}, "retry_after_max_s": 5,
}
_BARS = {"seconds": 10.0, "mib": 1024.0, "growth": 1.5}
_MS = 1_000_000
_STEPS = ("503", "rst after effect", "ok")


def synthetic(size: int) -> History:
    """Make a history of about that many events: operations of three attempts each, busy, cut off after
    the effect, then answered; twenty at a time, with lags and log lines between."""
    rng = stream(7, "bench")
    secret = canary(rng)
    refs = [reference(rng) for _ in range(size // 27)]
    raw: list[Any] = []
    for number, ref in enumerate(refs):
        raw += _operation(number, ref, (number // 20) * 2000 * _MS + number % 20 * 15 * _MS, secret, rng)
    header = {"scenario": "bench", "seed": 7, "profile": PROFILE, "refs": refs,
              "secrets": {"api_key": secret}, "words": list(_STEPS), "spoiled": 2, "budget_s": 30,
              "channels": ["log"], "expect": {"exercised": sorted(INVARIANTS)}, "lag_p99_ms": 3.0}
    return make_history(header, raw)


def _operation(number: int, ref: str, at: int, secret: str, rng: Any) -> Iterator[tuple[Any, ...]]:
    yield at, at, "subject", "op_start", None, ref, {
        "name": "create", "kind": "write", "amount": 1000 + number, "instance": 1}
    for index, word in enumerate(_STEPS):
        at += int(rng.uniform(1, 200 * 2**index)) * _MS
        x = connection = number * 3 + index + 1
        yield at, at, "tap", "accept", connection, None, {}
        yield at, at + _MS, "tap", "head", connection, ref, {
            "x": x, "method": "POST", "target": f"/payments/{ref}",
            "headers": [["Authorization", f"Bearer {secret}"], ["Idempotency-Key", f"key-{ref}"]],
            "lane": "clean", "step": index, "word": word, "attempt": index + 1, "by": "head", "nth": 1}
        yield at + _MS, at + _MS, "tap", "request_end", connection, ref, {
            "x": x, "n": 15, "sha256": "0" * 16, "body": f'{{"amount":{1000 + number}}}'}
        yield at + _MS, at + _MS, "tap", "dial", connection, ref, {"x": x, "lane": "clean"}
        yield at + 2 * _MS, at + 2 * _MS, "origin", "read", None, ref, {"x": x, "head": 120, "n": 15}
        if word != "503":
            yield at + 2 * _MS, at + 2 * _MS, "origin", "effect", None, ref, {
                "x": x, "effect": f"pay-{number}", "key": f"key-{ref}", "replayed": word == "ok"}
        at += 3 * _MS
        if word.startswith("rst"):
            yield at, at + _MS, "tap", "close", connection, ref, {
                "x": x, "planned": "rst", "done": "rst", "sent": 0}
            continue
        yield at, at + _MS, "tap", "answer", connection, ref, {
            "x": x, "n": 90, "total": 90, "status": 200 if word == "ok" else 503, "headers": []}
        yield at + _MS, at + _MS, "tap", "answer_end", connection, ref, {"x": x, "total": 90}
        yield at + _MS, at + _MS, "origin", "answered", None, ref, {
            "x": x, "status": 200, "total": 90, "value": f"pay-{number}" if word == "ok" else None}
    yield at + _MS, at + _MS, "subject", "op_end", None, ref, {
        "outcome": "ok", "value": {"id": f"pay-{number}"}, "error": None}
    yield at + _MS, at + _MS, "subject", "capture", None, None, {
        "channel": "log", "level": 20, "logger": "shop", "text": f"payment {number} made"}
    if number % 10 == 0:
        yield at, at + 30 * _MS, "world", "lag", None, None, {"ms": 30.0}


def one(size: int) -> dict[str, Any]:
    """Judge one size here; return its figures."""
    history = synthetic(size)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    profile = parse_profile(PROFILE)
    begin = time.process_time()  # of this one thread: a shared machine adds nothing to it
    verdicts = judge(history, profile)
    took = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    case = Case.of(history, profile)
    parts: dict[str, float] = {}
    for code, invariant in INVARIANTS.items():
        start = time.process_time()
        invariant.check(case)
        parts[code] = round(time.process_time() - start, 3)
    return {"events": len(history), "seconds": round(took, 3), "mib": round(peak, 1),
            "history_mib": round(held, 1), "verdicts": len(verdicts),
            "slowest": dict(sorted(parts.items(), key=lambda p: -p[1])[:5])}


def main() -> int:
    """Judge all sizes; tell whether the bars are kept."""
    parser = argparse.ArgumentParser(prog="ci/bench judge")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one)))
        return 0
    rows = [json.loads(subprocess.run([sys.executable, __file__, "--one", str(size)], check=True,
                                      capture_output=True, text=True).stdout) for size in SIZES]
    for row in rows:
        row["growth"] = round(row["seconds"] / row["events"] * rows[0]["events"] / rows[0]["seconds"], 2)
    kept = all(rows[-1][name] <= bar for name, bar in _BARS.items())
    if given.json:
        print(json.dumps({"rows": rows, "bars": _BARS, "kept": kept}))
    else:
        for row in rows:
            print(f"{row['events']:>9} events  {row['seconds']:>8.3f} s  {row['mib']:>7.1f} MiB "
                  f"(history alone {row['history_mib']:.0f})  {row['growth']:.2f}x of linear  "
                  f"slowest {row['slowest']}")
        print(f"bars: {_BARS} at the last; {'kept' if kept else 'NOT kept'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
