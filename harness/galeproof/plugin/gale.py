"""The ``gale`` fixture: a storm around an existing test, or a whole scenario."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from galeproof import __version__
from galeproof.errors import UsageError
from galeproof.faults.steps import Schedule, parse_step_words
from galeproof.invariants import judge
from galeproof.kernel.chance import canary, reference, stream
from galeproof.kernel.clock import now_ns, wall_at_s
from galeproof.kernel.recorder import RawEvent, Recorder
from galeproof.model import History, Outcome, Profile, Verdict, make_history, parse_profile
from galeproof.model.attribution import attribute
from galeproof.plugin.remaining import remaining_text
from galeproof.plugin.scope import OperationScope
from galeproof.plugin.share import Shared, facts_of
from galeproof.plugin.shown import failure_text
from galeproof.plugin.telling import refusal, tell
from galeproof.plugin.whole import Whole
from galeproof.runner import Judged, Subject, subject_of
from galeproof.runner.catalogue import CatalogueResult
from galeproof.runner.config import weighed
from galeproof.scenario import NotApplicable, parse_scenario, schedule_of
from galeproof.scenario.storm import Storm
from galeproof.subject.capture import CHANNELS, Capture
from galeproof.subject.environment import spare_loopback
from galeproof.subject.sealed import Secrets
from galeproof.subject.shown import probe as probe_exception
from galeproof.world import WorldRun

if TYPE_CHECKING:
    from galeproof.contract import Fragment, Interaction
    from galeproof.plugin.contracting import CalmContract, StormContract

__all__ = ["Gale"]

_MOST_OPERATIONS = 200


class Gale:
    """Steps, operations and checks of one test; or ``run()`` of its scenario."""

    def __init__(self, shared: Shared, test: str, subject: Any, scenario: str | None,
                 promises: Mapping[str, Any], unknown: frozenset[str],
                 item: pytest.Item | None = None) -> None:
        self._shared, self._test, self._subject, self._item = shared, test, subject, item
        self._scenario, self._promises, self._unknown = scenario, promises, unknown
        self._raw: list[RawEvent] = []
        self.recorder = Recorder(self._raw.append)
        self._rng = stream(shared.seed, test)
        self._refs = [reference(self._rng) for _ in range(_MOST_OPERATIONS)]
        self._amounts = itertools.count(1001)
        self._used: list[str] = []
        self._schedule: list[dict[str, Any]] = []
        self._lanes: Mapping[str, Sequence[Mapping[str, Any]]] = {}
        self._storm: Storm | None = None
        self._stack = contextlib.ExitStack()
        self._world: WorldRun | None = None
        self._whole_history: History | None = None
        self._open: list[str] = []
        self._overlapped = self._may_remain = False
        self._lock = threading.RLock()
        self._capture: Capture | None = None
        self.contracts = item is not None and item.get_closest_marker("contract") is not None
        self.fragments: list[Fragment] = []
        self._secrets = Secrets({"api_key": canary(self._rng)})

    # -- a storm around an existing test ----------------------------------------------------

    @property
    def base_url(self) -> str:
        """Where the client must go."""
        return self._room.base_url

    def steps(self, *words: str | int, may_remain: bool = False) -> None:
        """Say what happens to attempts 1, 2, ... of each operation; the last one stays.

        Args:
            words: ``"ok"``, a status, or a cut such as ``"rst after effect"``.
            may_remain: Let the test pass although a fault met no attempt: a client that gives up first.

        Raises:
            ScenarioError: A word is not known.
        """
        if self._world is not None:
            raise UsageError("gale.steps: call it before base_url is used")
        self._schedule = [step.as_dict() for step in parse_step_words(*words).steps]
        self._may_remain = may_remain

    @contextlib.contextmanager
    def storm(self, storm: Storm) -> Iterator[Gale]:
        """Open a storm of its own, for a property test that tries many: a fresh address, fresh
        secrets, in the one world that all share.

        Args:
            storm: For instance one of ``galeproof.strategies.storms()``.

        Yields:
            Another ``gale`` that holds this storm only.

        Raises:
            ScenarioError: A step is not known.
        """
        air = Gale(self._shared, self._test, self._subject, None, self._promises, self._unknown)
        scenario = parse_scenario(storm.text(), "storm", frozenset(self._shared.codes))
        schedule = schedule_of(scenario, air.profile)
        if isinstance(schedule, NotApplicable):
            raise UsageError(f"gale.storm: {schedule.reason}")
        air._storm, air._lanes = storm, schedule.lanes
        air._schedule = [step.as_dict() for step in schedule.steps]
        try:
            yield air
        finally:
            air.close()

    def operation(self, name: str, *, answer: Any = None, kind: str = "write", status: int = 200,
                  effect: bool = True, may_fail: bool = False, more: Mapping[str, Any] | None = None
                  ) -> OperationScope:
        """Open one operation.

        Args:
            name: What it is called in findings.
            answer: What a healthy provider says, as a JSON template.
            kind: ``read`` or ``write``.
            status: The healthy status.
            effect: False where a 2xx is no effect.
            may_fail: Swallow the client's exception; it is an outcome all the same.
            more: Who answers in the origin's place (``upstream``, ``upstreams``), or None.
        """
        spec = {"kind": kind, "answer": answer, "status": status, "headers": {},
                "effect": effect and kind == "write", **(more or {})}
        return OperationScope(self, name, spec, may_fail)

    def contract(self, *interactions: Interaction) -> CalmContract | StormContract:
        """Hold one interaction; the test runs in calm air, which makes the pact, and again under each
        storm of its ``contract`` marker or of ``--galeproof-scenario``.

        Args:
            interactions: The one that the client asks for, then answers of other statuses to the same
                request, which a storm's step of that status gives.

        Raises:
            UsageError: The test has no ``contract`` marker.
            ContractError: An interaction is refused.
        """
        from galeproof.plugin.contracting import open_contract  # the extra `pact`

        if not self.contracts:
            raise UsageError("gale.contract: mark the test with @pytest.mark.contract")
        return open_contract(self, interactions, self._scenario)

    def plan(self, schedule: Schedule) -> None:
        """Take a scenario's schedule for this test."""
        self._lanes = schedule.lanes
        self._schedule = [step.as_dict() for step in schedule.steps]

    def keep_fragment(self, fragment: Fragment) -> None:
        """Keep a matched interaction for the pact, which is written where the whole run is over.

        Raises:
            ContractError: Another test says something else of the same interaction, or it holds a secret.
        """
        from galeproof.contract import ContractError, find_secrets

        if found := find_secrets(fragment.document, map(str, self._secrets.values())):
            raise ContractError(f"not written: {'; '.join(found)}")
        self._shared.claim(fragment.interaction)
        self.fragments.append(fragment)

    def judged(self, history: History) -> list[Verdict]:
        """Judge a history of this test by the invariants that the project wants, and tell it."""
        config = self._shared.config
        verdicts = weighed(judge(history, self.profile, config.codes()), config.severity)
        self._tell(verdicts, history)
        return [v for v in verdicts if v.outcome is not Outcome.FAIL or config.fails(v)]

    @property
    def codes(self) -> frozenset[str]:
        """The invariants that are built."""
        return self._shared.codes

    def next_operation(self) -> tuple[str, int]:
        """Draw reference and amount of the next operation."""
        with self._lock:
            if len(self._used) == len(self._refs):
                raise UsageError(f"gale: more than {_MOST_OPERATIONS} operations in one test")
            ref = self._refs[len(self._used)]
            self._used.append(ref)
            return ref, next(self._amounts)

    def _begin(self) -> None:
        with self._lock:  # a test may have threads of its own
            if self._world is None:
                self._enter()

    def _enter(self) -> None:
        station = self._shared.station
        self._stack.callback(spare_loopback(os.environ))
        self._world = self._stack.enter_context(station.open_run())
        ports, closing = self._stack.enter_context(station.lanes(self._world, self._lanes))
        self._world.call(
            "begin", refs={ref: {} for ref in self._refs}, schedule=self._schedule,
            lanes=ports, closing=closing, key_where=self._key, seed=self._shared.seed,
            deduplicate=True, routes={})
        self._listen()

    def _listen(self) -> None:
        """Hear what the process says from here on: the secret is about to be given away."""
        if self._capture is None:
            self._capture = Capture(self._secrets.values())
            self._capture.start()
            self._stack.callback(self._stop_capture)

    def _stop_capture(self) -> None:
        if self._capture is not None:
            self._capture.stop()
            self._capture = None

    @property
    def secrets(self) -> Secrets:
        """The canary secrets of this test; give them to your client."""
        self._listen()
        return self._secrets

    @property
    def _room(self) -> WorldRun:
        """This test's own run in the world; opens it."""
        self._begin()
        assert self._world is not None
        return self._world

    @property
    def profile(self) -> Profile:
        """What the test's subject promises."""
        return parse_profile(self._promises, f"{self._test}: profile marker")

    @property
    def _key(self) -> str:
        return self.profile.idempotency_key or "Idempotency-Key"

    def begin_operation(self, ref: str, spec: Mapping[str, Any]) -> None:
        """Tell the world what this operation's healthy answer is, and that it runs now."""
        self._room.call("spec", ref=ref, spec=dict(spec))
        with self._lock:
            self._open.append(ref)
            self._name_current()

    def end_operation(self, ref: str) -> None:
        """Tell the world that this operation runs no more."""
        with self._lock:
            self._open.remove(ref)
            self._name_current()
        if self._capture is not None:
            self._capture.pass_on()

    def _name_current(self) -> None:
        """Where several run at once, only a reference in the head says whose a request is."""
        self._overlapped |= len(self._open) > 1
        self._room.call("operation", ref=self._open[0] if len(self._open) == 1 else None)

    @property
    def history(self) -> History:
        """The record of this test so far; operations may go on."""
        if self._whole_history is not None:
            return self._whole_history
        room = self._room
        raw = list(self._raw)
        recorder = Recorder(raw.append)
        if self._capture is not None:
            captured, probes = self._capture.look()
            for at, data in captured:
                recorder.add("subject", "capture", None, None, lo_ns=at, **data)
            for probe in [*probes, probe_exception()]:
                recorder.add("subject", "probe", None, None, **probe)
        told = room.call("look")
        raw += list(room.events)
        start = min((e[0] for e in raw), default=now_ns())
        return make_history(self._header(told, wall_at_s(start)), raw, start)

    def _header(self, told: Mapping[str, Any], began_s: float) -> dict[str, Any]:
        return {
            "scenario": self._test, "seed": self._shared.seed, "subject": self._test,
            "engine": self._shared.station.engine, "target": None, "version": __version__,
            "profile": self.profile.model_dump(mode="json", exclude_unset=True),
            "refs": self._used, "secrets": dict(self._secrets), "sequential": not self._overlapped,
            "origin": self._room.base_url.removeprefix("http://"),
            "expect": {"outcome": "any", "exercised": []}, "budget_s": 30.0,
            "words": [step["word"] for step in self._schedule],
            "lanes": {name: list(toxics) for name, toxics in self._lanes.items()},
            "spoiled": self._schedule[-1]["first"] - 1 if self._schedule else 0,
            "channels": list(CHANNELS), "effects": told["effects"],
            "lag_p99_ms": told["lag_p99_ms"], "start_wall_s": round(began_s, 3),
        }

    def effects(self, operation: OperationScope) -> int:
        """Return how many distinct effects the provider has applied for this operation."""
        return len({effect for found in attribute(self.history).operations
                    if found.ref == operation.ref
                    for attempt in found.attempts for effect in attempt.effects})

    def check(self, *codes: str) -> list[Verdict]:
        """Judge this test's history; the test fails unless each code was exercised and PASSes.

        Raises:
            UsageError: An unknown code.
        """
        self._known(codes, "gale.check")
        history = self.history
        verdicts = judge(history, self.profile, frozenset(codes))
        self._tell(verdicts, history)
        self._settle([
            v for v in verdicts if v.outcome is Outcome.FAIL
            or (v.outcome is Outcome.UNKNOWN and v.code not in self._unknown)], history)
        return verdicts

    def holds(self, *codes: str) -> list[Verdict]:
        """Judge this storm: the test fails where an invariant is broken; one that this storm did not
        exercise is no matter, as most storms of a search do not.

        Raises:
            UsageError: An unknown code.
        """
        self._known(codes, "gale.holds")
        history = self.history
        verdicts = judge(history, self.profile, frozenset(codes))
        self._settle([v for v in verdicts if v.outcome is Outcome.FAIL], history)
        return verdicts

    def _tell(self, verdicts: list[Verdict], history: History) -> None:
        if self._item is not None:
            tell(self._item, verdicts, history)

    def _known(self, codes: Sequence[str], who: str) -> None:
        for code in codes:
            if code not in self._shared.codes:
                raise UsageError(f"{who}: {code!r}: no such invariant; "
                                 f"known: {', '.join(sorted(self._shared.codes))}")

    def _settle(self, bad: list[Verdict], history: History) -> None:
        """Fail the test where there are bad verdicts, with all that one needs to see."""
        if not bad:
            return
        path = self._shared.keep(Judged(history), "", facts_of(history, self._shared))
        pytest.fail(failure_text(bad, history, path, test=self._test, seed=self._shared.seed,
                                 storm=self._storm, operations=len(self._used)), pytrace=False)

    def settle_remaining(self) -> None:
        """Fail the test where a planned fault met no attempt, unless it may."""
        if self._may_remain or not self._schedule or self._scenario is not None or self.contracts:
            return
        if text := remaining_text(self.history, self._schedule):
            pytest.fail(text, pytrace=False)

    # -- a whole scenario -------------------------------------------------------------------

    def _whole(self) -> Whole:
        if self._scenario is None:
            raise UsageError("gale.run: mark the test with @pytest.mark.scenario(NAME)")
        subject = self._subject
        if subject is None:
            subject = self._shared.config.subject(None)
        elif not isinstance(subject, Subject):
            subject = subject_of(subject, self.profile if self._promises else None)
        return Whole(self._shared, subject, self._scenario)

    async def arun(self) -> list[Verdict]:
        """Run this test's scenario on this loop, asyncio's or trio's; the test fails on a finding.

        Raises:
            UsageError: The test has no ``scenario`` marker.
        """
        return self._take(await self._whole().arun())

    def run(self) -> list[Verdict]:
        """Run this test's scenario, for blocking tests (also inside a running loop).

        Raises:
            UsageError: The test has no ``scenario`` marker.
        """
        return self._take(self._whole().run())

    def _take(self, result: CatalogueResult) -> list[Verdict]:
        """Turn a scenario's result into the test's outcome."""
        if result.invalid or result.fault:
            pytest.fail(refusal(result), pytrace=False)
        skipped = next((r.skipped for r in result.runs if r.skipped), None)
        if skipped:
            pytest.skip(skipped)
        config = self._shared.config
        self._whole_history = history = result.judged[0].history
        verdicts = [v for v in weighed(result.verdicts, config.severity) if v.code in config.codes()]
        expected = result.expected()
        self._tell(verdicts, history)
        self._settle([
            v for v in verdicts if config.fails(v)
            or (v.outcome is Outcome.UNKNOWN and v.code in expected - self._unknown
                and v.reason != "undeclared")], history)
        return verdicts

    @property
    def toxiproxy(self) -> str:
        """The control address of the engine behind this test."""
        return self._shared.station.world.engine_url

    def close(self) -> None:
        """End this test's storm."""
        self._stack.close()
