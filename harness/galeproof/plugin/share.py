"""What the tests of one worker share: one world, started when first used."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from galeproof import __version__
from galeproof.invariants import INVARIANTS
from galeproof.model import History
from galeproof.runner import Judged, RunFolder, Station
from galeproof.runner.catalogue import CatalogueResult
from galeproof.runner.config import Config, load_config

if TYPE_CHECKING:
    from galeproof.contract import Interaction

__all__ = ["Shared", "facts_of"]


@dataclass(slots=True)
class Shared:
    """World, settings and kept runs of one worker.

    Attributes:
        common: A folder that all xdist workers of this test run share; None without xdist.
        results: What scenario files have shown so far, by the scenario's name.
        claimed: What tests have said of interactions, by names.
        checked: Whether the harness checks itself in each world before it judges in it.
    """

    engine: str
    seed: int
    output: Path
    root: Path
    common: Path | None = None
    results: dict[str, CatalogueResult] = field(default_factory=dict)
    claimed: dict[tuple[str, ...], Interaction] = field(default_factory=dict)
    checked: bool = False
    _station: Station | None = None
    _config: Config | None = None

    @property
    def station(self) -> Station:
        """The world; a fresh one where the last one died."""
        if self._station is not None and self._station.world.fault:
            self._station.close()
            self._station = None
        if self._station is None:
            self._station = Station(self.engine, seed=self.seed)
            if self.checked:
                from galeproof.runner.selfcheck import self_check

                print(self_check(self._station, self.seed).line(), file=sys.stderr)
        return self._station

    @property
    def config(self) -> Config:
        """``[tool.galeproof]`` of the project under test."""
        if self._config is None:
            self._config = load_config(self.root)
        return self._config

    @property
    def codes(self) -> frozenset[str]:
        """The invariants that are built."""
        return frozenset(INVARIANTS)

    def claim(self, interaction: Interaction) -> None:
        """Note what a test says of an interaction.

        Raises:
            ContractError: Another test said something else of it.
        """
        from galeproof.contract import ContractError, same_contract

        names = tuple(sorted(state.name for state in interaction.states))
        key = (interaction.consumer, interaction.provider, interaction.description, *names)
        known = self.claimed.setdefault(key, interaction)
        if not same_contract(known, interaction):
            raise ContractError(
                f"interaction {interaction.description!r} in states {list(names)} is defined twice, and not "
                "the same: Pact would keep one; give one of them another description or state")

    def keep(self, judged: Judged, source: str, facts: dict[str, object]) -> Path:
        """Keep one run's folder."""
        folder = RunFolder.new(self.output)
        folder.keep(str(judged.history.header["scenario"]), judged, source, single=True)
        folder.write("run.json", facts)
        folder.mark_latest()
        return folder.path

    def close(self) -> None:
        """End the world."""
        if self._station is not None:
            self._station.close()
            self._station = None


def facts_of(history: History, shared: Shared) -> dict[str, object]:
    """Return what ``run.json`` says of a run that a test made."""
    header = history.header
    return {"schema": 1, "version": __version__, "engine": header["engine"],
            "engine_option": shared.engine, "seed": shared.seed, "subject": header["subject"],
            "target": header["target"], "profile": header["profile"],
            "fail_on": shared.config.fail_on, "severity": dict(shared.config.severity),
            "codes": None, "scenarios": [header["scenario"]], "kept": [header["scenario"]],
            "invalid": None, "fault": None, "not_applicable": {}}
