"""Makes the kept histories anew: ``python -m galeproof.runner.selfcheck.keeping``, after a change of
the history's format. What a breaker and a budget do takes longer to show than a self-check may last."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Mapping
from typing import Any

from galeproof.invariants import INVARIANTS
from galeproof.model import parse_profile
from galeproof.model.codec import dump_history
from galeproof.runner.selfcheck.checking import HERE, PROFILE
from galeproof.runner.selfcheck.clients import Failed, Sound
from galeproof.runner.station import Station
from galeproof.runner.subjects import subject_of
from galeproof.runner.weather import run_scenario
from galeproof.scenario import load_scenario

__all__ = ["Breaking", "Budgeted", "Hasty", "keep"]


class Hasty(Sound):
    """No budget and no breaker: the defective one of both pairs."""

    base_s = 0.05


class Budgeted(Hasty):
    """Ten retries, and a tenth of one for each operation."""

    def __init__(self, base_url: str, secrets: Mapping[str, str]) -> None:
        super().__init__(base_url, secrets)
        self._lock, self._tokens = threading.Lock(), 10.0

    def _operation(self, method: str, path: str, ref: str, payload: object) -> Any:
        with self._lock:
            self._tokens = min(10.0, self._tokens + 0.1)
        return super()._operation(method, path, ref, payload)

    def wait_s(self, asked_s: float) -> float:
        """Take a token, or fail."""
        with self._lock:
            if self._tokens < 1:
                raise Failed("the budget of retries is spent")
            self._tokens -= 1
        return super().wait_s(asked_s)


class Breaking(Hasty):
    """Open for a second after twenty failures in a row, then one probe."""

    def __init__(self, base_url: str, secrets: Mapping[str, str]) -> None:
        super().__init__(base_url, secrets)
        self._lock, self._failures, self._until = threading.Lock(), 0, 0.0

    def _once(self, method: str, path: str, told: str, key: str, payload: object
              ) -> tuple[int | None, float, bytes]:
        with self._lock:
            if self._failures >= 20:
                if time.monotonic() < self._until:
                    raise Failed("the breaker is open")
                self._until = time.monotonic() + 1.0
        found = super()._once(method, path, told, key, payload)
        with self._lock:
            self._failures = 0 if found[0] is not None and found[0] < 500 else self._failures + 1
            if self._failures == 20:
                self._until = time.monotonic() + 1.0
        return found


def keep() -> None:
    """Drive the two pairs and write their histories beside this file."""
    promised: dict[str, dict[str, Any]] = {
        "bud": {"retry_budget": True}, "cbk": {"breaker": {"calls": 20, "reset_s": 1.0}}}
    driven = (("bud", "budget.yaml", Budgeted), ("cbk", "outage.yaml", Breaking))
    with Station("embedded", seed=1) as station:
        for family, file, sound in driven:
            scenario = load_scenario(HERE / file, frozenset(INVARIANTS))
            profile = parse_profile({**dict(PROFILE), **promised[family]})
            for which, client in (("sound", sound), ("defective", Hasty)):
                run = asyncio.run(run_scenario(station, subject_of(client, profile), scenario, 1))
                assert run.history is not None, run
                place = HERE / f"{family}-{which}.jsonl.gz"
                place.write_bytes(gzip.compress(dump_history(run.history).encode(), mtime=0))
                print(f"wrote {place.name}: {place.stat().st_size} bytes")


if __name__ == "__main__":
    keep()
