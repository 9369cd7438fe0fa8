"""The ``gale`` fixture: a storm around an existing test, or a whole scenario."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from galeproof import __version__
from galeproof.errors import UsageError
from galeproof.faults.steps import parse_step_words
from galeproof.invariants import judge
from galeproof.kernel.chance import canary, reference, stream
from galeproof.kernel.clock import now_ns
from galeproof.kernel.recorder import RawEvent, Recorder
from galeproof.model import History, Outcome, Profile, Verdict, make_history, parse_profile
from galeproof.plugin.share import Shared
from galeproof.report import table_lines, wire_lines
from galeproof.runner import Judged, Subject, run_catalogue, subject_of
from galeproof.scenario import find, load_scenario
from galeproof.subject.capture import CHANNELS, Capture
from galeproof.subject.outcome import failed, ok
from galeproof.subject.sealed import Secrets
from galeproof.world import WorldRun

__all__ = ["Gale", "OperationScope"]

_MOST_OPERATIONS = 200
_INTERRUPTED_S = 2.0


class OperationScope:
    """One operation of a test: ``with gale.operation("create") as op``.

    Attributes:
        ref: The reference; it must reach the wire.
        amount: A number of this operation's own.
        value: Set it to what the client returned, to have it compared with the provider's answer.
    """

    def __init__(self, gale: Gale, name: str, spec: Mapping[str, Any], may_fail: bool) -> None:
        self._gale, self._name, self._spec, self._may_fail = gale, name, spec, may_fail
        self.ref, self.amount = gale.next_operation()
        self.value: Any = None
        self._start = 0

    def __enter__(self) -> OperationScope:
        self._gale.begin_operation(self.ref, {**self._spec, "amount": self.amount})
        self._start = now_ns()
        self._gale.recorder.add("subject", "op_start", None, self.ref, lo_ns=self._start,
                                name=self._name, kind=self._spec["kind"], amount=self.amount,
                                instance=1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: object) -> bool:
        end = now_ns()
        outcome = ok(self.value, self._start, end) if error is None else failed(
            error, self._start, end)
        self._gale.recorder.add("subject", "op_end", None, self.ref, lo_ns=end,
                                outcome=outcome.outcome, value=outcome.value, error=outcome.error,
                                returned=self.value is not None)
        self._gale.end_operation()
        return self._may_fail and isinstance(error, Exception)

    async def __aenter__(self) -> OperationScope:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: object) -> bool:
        return self.__exit__(kind, error, traceback)


class Gale:
    """Steps, operations and checks of one test; or ``run()`` of its scenario."""

    def __init__(self, shared: Shared, test: str, subject: Any, scenario: str | None,
                 promises: Mapping[str, Any], unknown: frozenset[str]) -> None:
        self._shared, self._test, self._subject = shared, test, subject
        self._scenario, self._promises, self._unknown = scenario, promises, unknown
        self._raw: list[RawEvent] = []
        self.recorder = Recorder(self._raw.append)
        self._rng = stream(shared.seed, test)
        self._refs = [reference(self._rng) for _ in range(_MOST_OPERATIONS)]
        self._amounts = itertools.count(1001)
        self._used: list[str] = []
        self._schedule: list[dict[str, Any]] = []
        self._stack = contextlib.ExitStack()
        self._world: WorldRun | None = None
        self._ports: dict[str, int] = {}
        self._history: History | None = None
        self._capture: Capture | None = None
        self._begun = False
        self.secrets = Secrets({"api_key": canary(self._rng)})

    # -- a storm around an existing test ----------------------------------------------------

    @property
    def base_url(self) -> str:
        """Where the client must go."""
        return self._room.base_url

    def steps(self, *words: str | int) -> None:
        """Say what happens to attempts 1, 2, ... of each operation; the last one stays.

        Args:
            words: ``"ok"``, a status, or a cut such as ``"rst after effect"``.

        Raises:
            ScenarioError: A word is not known.
        """
        if self._begun:
            raise UsageError("gale.steps: call it before base_url is used")
        self._schedule = [step.as_dict() for step in parse_step_words(*words).steps]

    def operation(self, name: str, *, answer: Any = None, kind: str = "write", status: int = 200,
                  effect: bool = True, may_fail: bool = False) -> OperationScope:
        """Open one operation.

        Args:
            name: What it is called in findings.
            answer: What a healthy provider says, as a JSON template.
            kind: ``read`` or ``write``.
            status: The healthy status.
            effect: False where a 2xx is no effect.
            may_fail: Swallow the client's exception; it is an outcome all the same.
        """
        spec = {"kind": kind, "answer": answer, "status": status, "headers": {},
                "effect": effect and kind == "write"}
        return OperationScope(self, name, spec, may_fail)

    def next_operation(self) -> tuple[str, int]:
        """Draw reference and amount of the next operation."""
        if len(self._used) == len(self._refs):
            raise UsageError(f"gale: more than {_MOST_OPERATIONS} operations in one test")
        ref = self._refs[len(self._used)]
        self._used.append(ref)
        return ref, next(self._amounts)

    def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        station = self._shared.station
        self._world = self._stack.enter_context(station.open_run())
        self._ports, closing = self._stack.enter_context(station.lanes(self._world, {}))
        self._world.call(
            "begin", refs={ref: {} for ref in self._refs}, schedule=self._schedule,
            lanes=self._ports, closing=closing, key_where=self._key, seed=self._shared.seed,
            deduplicate=True, routes={})
        self._capture = Capture(descriptors=False)
        self._capture.start()

    @property
    def _room(self) -> WorldRun:
        """This test's own run in the world; opens it."""
        self._begin()
        assert self._world is not None
        return self._world

    @property
    def _profile(self) -> Profile:
        return parse_profile(self._promises, f"{self._test}: profile marker")

    @property
    def _key(self) -> str:
        return self._profile.idempotency_key or "Idempotency-Key"

    def begin_operation(self, ref: str, spec: Mapping[str, Any]) -> None:
        """Tell the world what this operation's healthy answer is, and that it runs now."""
        self._room.call("spec", ref=ref, spec=dict(spec))
        self._room.call("operation", ref=ref)

    def end_operation(self) -> None:
        """Tell the world that no operation runs now."""
        self._room.call("operation", ref=None)

    @property
    def history(self) -> History:
        """The record of this test so far; asking for it ends the storm."""
        if self._history is None:
            room = self._room
            self._stop_capture()
            ended = room.call("end")
            raw = self._raw + list(room.events)
            self._history = make_history(
                self._header(ended), raw, min((e[0] for e in raw), default=0))
        return self._history

    def _stop_capture(self) -> None:
        if self._capture is None:
            return
        captured, probes = self._capture.stop()
        self._capture = None
        for at, data in captured:
            self.recorder.add("subject", "capture", None, None, lo_ns=at, **data)
        for probe in probes:
            self.recorder.add("subject", "probe", None, None, **probe)

    def _header(self, ended: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "scenario": self._test, "seed": self._shared.seed, "subject": self._test,
            "engine": self._shared.station.engine, "target": None, "version": __version__,
            "profile": self._profile.model_dump(mode="json", exclude_unset=True),
            "refs": self._used, "secrets": dict(self.secrets), "sequential": True,
            "origin": self._room.base_url.removeprefix("http://"),
            "expect": {"outcome": "any", "exercised": []}, "budget_s": 30.0,
            "words": [step["word"] for step in self._schedule],
            "spoiled": self._schedule[-1]["first"] - 1 if self._schedule else 0,
            "channels": list(CHANNELS[:3]),
            "effects": ended["effects"], "lag_p99_ms": ended["lag_p99_ms"],
            "start_wall_s": 0.0,
        }

    def effects(self, operation: OperationScope) -> int:
        """Return how many distinct effects the provider has applied for this operation."""
        return len({e.data["effect"] for e in self.history.of("effect")
                    if e.marker == operation.ref})

    def check(self, *codes: str) -> list[Verdict]:
        """Judge this test's history; the test fails unless each code was exercised and PASSes.

        Raises:
            UsageError: An unknown code.
        """
        for code in codes:
            if code not in self._shared.codes:
                raise UsageError(f"gale.check: {code!r}: no such invariant; "
                                 f"known: {', '.join(sorted(self._shared.codes))}")
        verdicts = judge(self.history, self._profile, frozenset(codes))
        self._settle(verdicts, self.history)
        return verdicts

    def _settle(self, verdicts: list[Verdict], history: History,
                replay: str = "", expected: frozenset[str] | None = None) -> None:
        """Turn verdicts into the test's outcome."""
        bad = [v for v in verdicts if v.outcome is Outcome.FAIL or (
            v.outcome is Outcome.UNKNOWN and v.code not in self._unknown
            and (expected is None or (v.code in expected and v.reason != "undeclared")))]
        if not bad:
            return
        path = self._shared.keep(Judged(history), "", self._facts(history))
        lines = table_lines(bad, replay or f"galeproof judge {path}  #")
        for verdict in bad:
            for finding in verdict.findings[:1]:
                if finding.operation:
                    lines += ["", f"{verdict.code} on the wire:"]
                    lines += wire_lines(history, finding.operation)
        lines.append(f"run kept in {path}; again: pytest {json.dumps(self._test)} "
                     f"--galeproof-seed={self._shared.seed}")
        pytest.fail("\n".join(lines), pytrace=False)

    def _facts(self, history: History) -> dict[str, object]:
        return {"schema": 1, "version": __version__, "engine": history.header["engine"],
                "engine_option": self._shared.engine, "seed": self._shared.seed,
                "subject": history.header["subject"], "target": history.header["target"],
                "profile": history.header["profile"], "fail_on": self._shared.config.fail_on,
                "codes": None, "scenarios": [history.header["scenario"]],
                "kept": [history.header["scenario"]], "invalid": None,
                "fault": None, "not_applicable": {}}

    # -- a whole scenario -------------------------------------------------------------------

    def _whole(self) -> Subject:
        if self._subject is None:
            return self._shared.config.subject(None)
        if isinstance(self._subject, Subject):
            return self._subject
        return subject_of(self._subject, self._profile if self._promises else None)

    async def arun(self) -> list[Verdict]:
        """Run this test's scenario on this loop; the test fails on a finding.

        Raises:
            UsageError: The test has no ``scenario`` marker.
        """
        if self._scenario is None:
            raise UsageError("gale.run: mark the test with @pytest.mark.scenario(NAME)")
        path = find(self._scenario)
        scenario = load_scenario(path, self._shared.codes)
        result = await run_catalogue(self._shared.station, self._whole(), [scenario],
                                     self._shared.seed)
        if result.invalid or result.fault:
            pytest.fail(f"INVALID: {result.invalid}" if result.invalid
                        else f"harness fault: {result.fault}", pytrace=False)
        skipped = next((r.skipped for r in result.runs if r.skipped), None)
        if skipped:
            pytest.skip(skipped)
        self._history = result.judged[0].history
        self._settle(list(result.verdicts), self._history,
                     expected=frozenset(scenario.expect.exercised))
        return list(result.verdicts)

    def run(self) -> list[Verdict]:
        """Run this test's scenario, for blocking tests (also inside a running loop)."""
        box: list[Any] = []
        running: list[tuple[asyncio.AbstractEventLoop, Any]] = []

        async def here() -> list[Verdict]:
            running.append((asyncio.get_running_loop(), asyncio.current_task()))
            return await self.arun()

        def target() -> None:
            try:
                box.append(asyncio.run(here()))
            except BaseException as error:
                box.append(error)

        thread = threading.Thread(target=target, name="galeproof-run", daemon=True)
        thread.start()
        try:
            thread.join()
        except KeyboardInterrupt:
            for loop, task in running:
                loop.call_soon_threadsafe(task.cancel)
            thread.join(_INTERRUPTED_S)
            raise
        if isinstance(box[0], BaseException):
            raise box[0]
        verdicts: list[Verdict] = box[0]
        return verdicts

    @property
    def toxiproxy(self) -> str:
        """The control address of the engine behind this test."""
        return self._shared.station.world.engine_url

    def close(self) -> None:
        """End this test's storm."""
        self._stop_capture()
        self._stack.close()
