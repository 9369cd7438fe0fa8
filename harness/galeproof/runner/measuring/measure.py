"""Driving a subject through the measuring schedules, several at a time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml  # type: ignore[import-untyped]

from galeproof.errors import SubjectError
from galeproof.model import History, Profile
from galeproof.runner.learning import learn
from galeproof.runner.measuring.reading import (
    Measured,
    Value,
    read_busy,
    read_hang,
    read_key,
    read_retried,
    read_retry_after,
    read_statuses,
    slept_s,
)
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.runner.weather import run_scenario
from galeproof.scenario import parse_scenario

__all__ = ["as_profile", "measure"]

_AT_ONCE = 6
_STARTING = 2
_MOST = 40.0
_STATUSES = tuple(range(400, 600))
_FEW = (400, 401, 403, 404, 405, 408, 409, 410, 412, 418, 421, 422, 423, 425, 429, 451, 500, 501, 502, 503,
        504, 505, 507, 508, 509, 511, 520, 521, 522, 524, 529, 598, 599)
_FAILURES = {"reset": "rst after request", "closed": "fin after request", "truncated": "fin after 20 bytes",
             "timeout": "hang after request", "connect": "refuse"}
_LADDER = (1, 2, 3, 5, 6, 8, 9, 10, 11, 20, 21, 30, 31, 60, 61, 120, 121)
_QUICK = (1, 2, 3, 5, 6, 8, 9, 10, 11)


async def measure(station: Station, subject: Subject, *, seed: int, quick: bool = False,
                  tell: Callable[[str], object] = lambda text: None) -> Measured:
    """Measure a subject's policy.

    Args:
        station: The world.
        subject: The client; what its profile says is not used.
        seed: Of the runs.
        quick: Retry-After up to 11 s only, and a watch of 15 s.
        tell: Given each schedule's name as it ends.

    Raises:
        SubjectError: It fails in calm air.
    """
    await learn(station, subject, seed)
    work = _Work(station, dataclasses.replace(subject, profile=Profile()), seed, quick, tell)
    await work.run(_plans(subject.cold, quick))
    return work.read()


def _plans(cold: bool, quick: bool) -> dict[str, dict[str, Any]]:
    """The schedules by name."""
    plans: dict[str, dict[str, Any]] = {}
    many = 12 if cold else 60
    statuses = list(_FEW if cold else _STATUSES)
    watch = 15.0 if quick else _MOST
    for kind in ("read", "write"):
        plans[f"busy-{kind}"] = _plan(
            kind, many, min(many, 20), [{"attempts": "1-", "answer": 503}], watch, 0.02)
        plans[f"statuses-{kind}"] = _plan(kind, len(statuses), 10 if cold else 40, [
            {"attempts": 1, "answer": {"statuses": statuses}}], watch)
        for name, cut in _FAILURES.items():
            plans[f"{name}-{kind}"] = _plan(kind, 3, 1 if cut == "refuse" else 3,
                                            [{"attempts": 1, "cut": cut}], watch)
        plans[f"hang-{kind}"] = _plan(kind, 2, 2, [{"attempts": "1-", "cut": "hang after request"}], watch)
    plans["blackhole-read"] = _plan("read", 1, 1, [{"attempts": "1-", "cut": "blackhole"}], watch)
    for status in (429, 503):
        for seconds in _QUICK if quick else _LADDER:
            plans[f"after-{status}-{seconds}"] = _plan("read", 2, 2, [
                {"attempts": 1, "answer": status, "retry_after": seconds}], min(seconds + 4.0, 66.0))
    return plans


def _plan(kind: str, count: int, concurrent: int, steps: list[dict[str, Any]], observe_s: float,
          stagger_s: float = 0.0) -> dict[str, Any]:
    return {"operations": [{"kind": kind, "count": count, "concurrent": concurrent, "stagger_s": stagger_s}],
            "steps": steps, "observe_s": observe_s}


class _Work:
    def __init__(self, station: Station, subject: Subject, seed: int, quick: bool,
                 tell: Callable[[str], object]) -> None:
        self._station, self._subject, self._seed, self._tell = station, subject, seed, tell
        self._quick = quick
        self._starting = asyncio.Semaphore(_STARTING)
        self.histories: dict[str, History] = {}
        self._invalid: str | None = None

    async def run(self, plans: Mapping[str, dict[str, Any]]) -> None:
        # the longest first, and what a counter of the whole machine sees alone, last
        alone = [n for n in plans if n.startswith("connect-")]
        order = sorted((n for n in plans if n not in alone), key=lambda n: -plans[n]["observe_s"])
        waiting = iter(order)

        async def worker() -> None:
            for name in waiting:
                if self._invalid is None:
                    await self._one(name, plans[name])

        at_once = 1 if self._subject.in_process else 2 if self._subject.cold else _AT_ONCE
        tasks = [asyncio.ensure_future(worker()) for _ in range(at_once)]
        try:
            await asyncio.gather(*tasks)
        finally:  # where one fails, or the run is ended, the others end in order
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for name in alone:
            if self._invalid is None:
                await self._one(name, plans[name])
        if self._invalid is not None:
            raise SubjectError(f"{self._subject.name} cannot be measured: {self._invalid}")

    async def _one(self, name: str, plan: dict[str, Any]) -> None:
        text = yaml.safe_dump({"name": name, "why": "Measured.", **plan}, sort_keys=False)
        scenario = parse_scenario(text, name, frozenset())
        run = await run_scenario(self._station, self._subject, scenario, self._seed,
                                 starting=self._starting)
        if run.history is not None and run.fault is None:
            self.histories[name] = run.history
        elif run.invalid and run.history is None:
            self._invalid = run.invalid
        self._tell(name)

    def read(self) -> Measured:
        found = Measured(self._subject.name)
        for kind in ("read", "write"):
            self._busy(found, kind)
            self._retried(found, kind)
            self._waits(found, kind)
        self._limits(found)
        return found

    def _busy(self, found: Measured, kind: str) -> None:
        history = self.histories.get(f"busy-{kind}")
        if history is None:
            return
        attempts, backoff, layers = read_busy(history)
        if attempts:
            found.values[f"{kind}.max_attempts"] = attempts
        if layers:
            found.values[f"{kind}.layers"] = Value(
                list(layers), "measured", f"{layers[0] * layers[1]} attempts told as {layers[0]} x "
                f"{layers[1]}: the inner delays come back")
        if backoff:
            told = {"base_s": round(backoff.base_s, 3), "factor": backoff.factor and round(backoff.factor, 2),
                    "cap_s": round(backoff.cap_s, 3), "capped": backoff.capped, "jitter": backoff.jitter,
                    "first_at_once": backoff.first_at_once}
            found.values[f"{kind}.backoff"] = Value(
                told, "measured" if backoff.capped else "at least",
                "delays under an endless 503" + ("" if backoff.capped else "; the cap was not reached"))
        if kind == "write" and (key := read_key(history)):
            found.values["idempotency_key"] = key

    def _retried(self, found: Measured, kind: str) -> None:
        again: list[Any] = []
        said = []
        history = self.histories.get(f"statuses-{kind}")
        statuses = read_statuses(history) if history else None
        if statuses:
            again += statuses.value
            said.append(statuses.evidence)
        for name in _FAILURES:
            history = self.histories.get(f"{name}-{kind}")
            retried = read_retried(history) if history else None
            if retried is not None:
                again += [name] if retried and name != "closed" else []
                said.append(f"{name}: {'tried again' if retried else 'not'}")
        if said:
            found.values[f"{kind}.retry_on"] = Value(again, "exact", "; ".join(said))

    def _waits(self, found: Measured, kind: str) -> None:
        history = self.histories.get(f"hang-{kind}")
        if history is not None:
            wait, whole = read_hang(history)
            if wait:
                found.values[f"{kind}.read_timeout_s"] = wait
            if whole:
                found.values[f"{kind}.silence_s"] = whole

    def _limits(self, found: Measured) -> None:
        hole = self.histories.get("blackhole-read")
        if hole is not None:
            attempts = found.values.get("read.max_attempts")
            busy = self.histories.get("busy-read")
            retried = "connect" in getattr(found.values.get("read.retry_on"), "value", ())
            found.values["connect_timeout_s"] = _connect(
                hole, attempts.value if attempts and retried else 1,
                slept_s(busy) if busy and retried else 0.0)
        for status in (429, 503):
            runs = {int(name.rpartition("-")[2]): history for name, history in self.histories.items()
                    if name.startswith(f"after-{status}-")}
            value, shown = read_retry_after(runs)
            if value:
                found.values[f"retry_after_max_s.{status}"] = value
                found.notes += [f"Retry-After with {status}, {text}" for text in shown[:4]]


def _connect(history: History, attempts: int, slept: float) -> Value:
    """The wire counts no connect that hangs: the time of all tries, shared among them."""
    ends = [e for e in history.of("op_end") if e.data.get("outcome") == "failed"]
    starts = {e.marker: e.lo_ns for e in history.of("op_start")}
    if not ends:
        budget = float(history.header.get("budget_s") or 0)
        return Value(budget, "at least", f"still connecting after {budget:g} s")
    took = max((e.lo_ns - starts[e.marker]) / 1e9 for e in ends)
    each = max(0.0, took - slept) / attempts
    return Value(round(each, 2), "measured" if attempts == 1 else "guess",
                 f"{took:.2f} s for connects that hung: {attempts} tries, {slept:.2f} s of waits between")


def as_profile(measured: Measured) -> list[str]:
    """Return the profile as TOML lines, ready to paste."""
    values = measured.values
    lines = []

    def both(name: str) -> Sequence[Value]:
        return [v for kind in ("read", "write") if (v := values.get(f"{kind}.{name}"))]

    attempts = both("max_attempts")
    if attempts:
        worst = max(attempts, key=lambda v: v.value)
        lines.append(f"max_attempts = {worst.value}{_unsure(worst)}")
    for name in ("read_timeout_s",):
        found = both(name)
        if found:
            worst = max(found, key=lambda v: v.value)
            lines.append(f"{name} = {worst.value:.2f}{_unsure(worst)}")
    connect = values.get("connect_timeout_s")
    if connect:
        lines.append(f"connect_timeout_s = {connect.value:.2f}{_unsure(connect)}")
    again = [set(map(str, v.value)) for v in both("retry_on")]
    if again:
        common = set.union(*again)
        words = [w for w in ("connect", "reset", "timeout", "truncated") if w in common]
        numbers = sorted(int(w) for w in common if w.isdigit())
        lines.append("retry_on = [" + ", ".join([*(f'"{w}"' for w in words), *map(str, numbers)]) + "]")
    lines += [_backoff_line(v) for v in both("backoff")[:1]]
    layers = both("layers")
    if layers:
        lines.append(f"layers = {layers[0].value}")
    limits = [v for status in (429, 503) if (v := values.get(f"retry_after_max_s.{status}"))]
    if limits and max(v.value for v in limits):
        worst = max(limits, key=lambda v: v.value)
        lines.append(f"retry_after_max_s = {float(worst.value)}{_unsure(worst)}")
    key = values.get("idempotency_key")
    if key:
        lines.append(f'idempotency_key = "{key.value}"')
    return lines


def _backoff_line(value: Value) -> str:
    """A profile knows jitter either way of the nominal delay; a share below it is written so."""
    told, jitter = value.value, value.value["jitter"]
    base, cap = told["base_s"], told["cap_s"]
    if isinstance(jitter, str) and jitter.startswith("minus"):
        below = float(jitter.split()[1])
        base, cap, jitter = base * (1 - below / 2), cap * (1 - below / 2), round(below / (2 - below), 3)
    written = jitter if isinstance(jitter, float) else f'"{jitter}"'
    known = isinstance(jitter, float) or jitter in ("none", "full", "equal")
    line = (f"backoff = {{ base_s = {base:g}, factor = {told['factor'] or 1:g}, cap_s = {cap:g}, "
            f"jitter = {written} }}{_unsure(value)}")
    return line if known else f"# no profile can say this: {line}"


def _unsure(value: Value) -> str:
    return f"   # {value.confidence}" if value.confidence in ("at least", "guess") else ""
