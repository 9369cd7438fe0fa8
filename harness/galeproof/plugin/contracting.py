"""``gale.contract``: one interaction in calm air, and the same test again under each storm.

Calm: client -> relay -> mock server; only this makes pacts. Under a storm: client -> tap -> lane -> origin
-> the mock server of the attempt's status; three verdicts, kept apart.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

import pytest

from galeproof.contract import (
    Interaction,
    MockProvider,
    Witness,
    check_definition,
    serve,
    strange,
)
from galeproof.errors import UsageError
from galeproof.model import Outcome, Verdict
from galeproof.model.attribution import attribute
from galeproof.plugin.scope import OperationScope
from galeproof.runner.firing import fired
from galeproof.scenario import NotApplicable, Scenario, find, load_scenario, schedule_of

if TYPE_CHECKING:
    from galeproof.plugin.gale import Gale

__all__ = ["CalmContract", "StormContract", "open_contract"]


def open_contract(gale: Gale, interactions: tuple[Interaction, ...], scenario: str | None
                  ) -> CalmContract | StormContract:
    """Return the contract of one test, in calm air or under a storm.

    Args:
        gale: The test's.
        interactions: The one that the client asks for; then the answers that a storm may give to the
            same request, told apart by their status.
        scenario: The storm's name, or None for calm air.

    Raises:
        UsageError: No interaction.
        ContractError: An interaction is refused, or two of them cannot be told apart.
    """
    if not interactions:
        raise UsageError("gale.contract: expected an interaction")
    check_definition(interactions)
    if scenario is None:
        return CalmContract(gale, interactions[0])
    return StormContract(gale, interactions, scenario)


class CalmContract:
    """``with gale.contract(found) as mock``: ``mock.url`` is where the client must go.

    Attributes:
        url: The base URL.
        storm: The scenario's name, or None in calm air.
    """

    def __init__(self, gale: Gale, interaction: Interaction) -> None:
        self._gale, self._interaction = gale, interaction
        self._stack = contextlib.ExitStack()
        self.url, self.storm = "", None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._mock = stack.enter_context(serve(self._interaction))
            self._witness = stack.enter_context(Witness(self._mock.url))
            self._stack = stack.pop_all()
        self.url = self._witness.url
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: object) -> None:
        with self._stack:
            wrong = _mismatches(self._mock, self._witness)
            fragment = None if wrong or error else self._mock.fragment()
        if wrong and (error is None or isinstance(error, Exception)):
            text = f"contract FAIL: {self._interaction.description}: {'; '.join(wrong)}"
            # the client's own error comes of the mock server's refusal: it is kept, as the cause
            raise pytest.fail.Exception(text, pytrace=False) from error
        if fragment is not None:
            self._gale.keep_fragment(fragment)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: object) -> None:
        self.__exit__(kind, error, traceback)


def _mismatches(mock: MockProvider, witness: Witness) -> list[str]:
    requests = witness.exchanges()
    found = mock.mismatches() + strange(requests, mock.interaction.request.method)
    found += [f"{seen.method} {seen.target} was refused: {word}" for seen in requests
              if (word := seen.answer_header("x-pact")) and not mock.mismatches()]
    if not found and not mock.matched():
        found.append("no request came")
    return found


class _Refused(Exception):
    """The outcome of an operation whose contract is a refusal."""


class StormContract:
    """The same under a storm; the three verdicts are settled where the block ends.

    Attributes:
        url: The base URL.
        storm: The scenario's name.
    """

    def __init__(self, gale: Gale, interactions: tuple[Interaction, ...], name: str) -> None:
        self._gale, self._interactions = gale, interactions
        self._scenario: Scenario = load_scenario(find(name), gale.codes)
        self._stack = contextlib.ExitStack()
        self._mocks: list[MockProvider] = []
        self._operation: OperationScope | None = None
        self.url = ""
        self.storm: str | None = self._scenario.name

    def __enter__(self) -> Self:
        schedule = schedule_of(self._scenario, self._gale.profile)
        if isinstance(schedule, NotApplicable):
            pytest.skip(schedule.reason)
        self._gale.plan(schedule)
        with contextlib.ExitStack() as stack:
            self._mocks = [stack.enter_context(serve(one)) for one in self._interactions]
            self._stack = stack.pop_all()
        healthy, *others = self._mocks
        more = {"upstream": healthy.url,
                "upstreams": {str(mock.interaction.response.status): mock.url for mock in others}}
        first = healthy.interaction
        kind = "read" if first.request.method in ("GET", "HEAD", "OPTIONS") else "write"
        may_fail = self._scenario.expect.outcome != "success"
        self._operation = self._gale.operation(
            first.description, kind=kind, status=first.response.status, may_fail=may_fail, more=more)
        self._operation.__enter__()
        self.url = self._gale.base_url
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: object) -> bool:
        assert self._operation is not None
        refused = self._interactions[0].response.status >= 400
        with self._stack:
            if error is None and refused:
                # the test caught what the contract makes the client raise: no success for any witness
                told = _Refused(f"answered {self._interactions[0].response.status}, as the contract has it")
                self._operation.__exit__(_Refused, told, None)
                swallowed = False
            else:
                swallowed = self._operation.__exit__(kind, error, traceback)
            if error is not None and not isinstance(error, Exception):
                return False
            lines, holds = self._settled(error if not swallowed else None)
        if not holds:
            raise pytest.fail.Exception("\n".join(lines), pytrace=False) from error
        return swallowed

    def _settled(self, error: BaseException | None) -> tuple[list[str], bool]:
        """Judge contract, resilience and fault evidence, each for itself."""
        history = self._gale.history
        found = attribute(history)
        refused = [e for e in [*found.exchanges, *found.strays, *found.ambiguous] if e.mismatch]
        broken = [f"attempt {e.x}: {e.method} {e.target}: {e.mismatch}" for e in refused]
        broken += [text for mock in self._mocks if not mock.matched() for text in mock.mismatches()
                   if not text.startswith("Missing request")]
        if not any(mock.matched() for mock in self._mocks) and not broken:
            broken.append("no complete attempt reached a mock server")
        # one run settles no verdict that rests on elapsed time
        verdicts = [v for v in self._gale.judged(history) if v.outcome is Outcome.FAIL and not v.timing]
        hit = fired(history)
        trouble = [_told(v) for v in verdicts]
        if error is not None and not refused:
            trouble.append(f"the client did not come through: {type(error).__name__}: {error}")
        lines = [
            _line("contract", not broken, broken),
            _line("resilience", not trouble, trouble),
            _line("fault evidence", hit, [] if hit else ["the storm never met the client"]),
            f"storm {self._scenario.name}, interaction {self._interactions[0].description!r}",
        ]
        return lines, not broken and not trouble and hit

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: object) -> bool:
        return self.__exit__(kind, error, traceback)


def _told(verdict: Verdict) -> str:
    return f"{verdict.code} {verdict.name}: {verdict.findings[0].text if verdict.findings else verdict.note}"


def _line(name: str, holds: bool, reasons: list[Any]) -> str:
    return f"{name} {'PASS' if holds else 'FAIL'}{': ' if reasons else ''}{'; '.join(map(str, reasons))}"
