"""A consumer contract run again under a storm: three verdicts, kept apart."""

from __future__ import annotations

from dataclasses import dataclass

from galeproof.contract import Interaction, serve
from galeproof.model import History, Verdict
from galeproof.runner.firing import fired
from galeproof.runner.judging import Judged, judge_one
from galeproof.runner.station import Station
from galeproof.runner.subjects import Subject
from galeproof.runner.weather import Behind, run_scenario
from galeproof.scenario import Scenario

__all__ = ["ContractStorm", "storm_contract"]


@dataclass(frozen=True, slots=True)
class ContractStorm:
    """What one interaction showed under one storm.

    Attributes:
        interaction: Its description.
        contract: Every complete attempt that reached the mock server matched, and one came.
        mismatches: What did not match.
        resilience: The invariants' verdicts.
        fault: The storm's fault met at least one attempt.
        history: The record.
        trouble: Why nothing was judged (invalid subject, harness fault), or None.
    """

    interaction: str
    contract: bool
    mismatches: tuple[str, ...]
    resilience: tuple[Verdict, ...]
    fault: bool
    history: History | None
    trouble: str | None


async def storm_contract(station: Station, subject: Subject, interaction: Interaction,
                         scenario: Scenario, value: str | None, seed: int) -> ContractStorm:
    """Run a subject's operations through a storm, the contract's mock server behind the origin.

    The mock server sees only attempts that the storm lets through to a healthy answer. The pact
    file is never written here: a storm cannot change the contract.

    Args:
        station: The world.
        subject: The consumer.
        interaction: One interaction of its contract; reads for GET and HEAD, writes otherwise.
        scenario: The storm; operations of the other kind are left out.
        value: A string that the mock server's answer contains.
        seed: Of the run.
    """
    kind = "read" if interaction.request.method in ("GET", "HEAD") else "write"
    groups = tuple(g for g in scenario.operations if g.kind == kind)
    if not groups:
        return ContractStorm(interaction.description, False, (), (), False, None,
                             f"scenario {scenario.name} has no {kind} operation")
    fitted = scenario.model_copy(update={"operations": groups})
    with serve(interaction) as mock:
        run = await run_scenario(station, subject, fitted, seed,
                                 behind=Behind(mock.url, value))
        matched, mismatches = mock.matched(), tuple(mock.mismatches())
    trouble = run.invalid or run.fault or run.skipped
    verdicts = tuple(judge_one(Judged(run.history))) if run.history and not trouble else ()
    return ContractStorm(interaction.description, matched and not mismatches, mismatches, verdicts,
                         bool(run.history and fired(run.history)), run.history, trouble)
