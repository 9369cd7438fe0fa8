"""What ``run.json`` says of a run: enough to judge it again, and to drive its subject again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from galeproof import __version__
from galeproof.runner.config import Config
from galeproof.runner.subjects import Subject

__all__ = ["facts_of_run"]


def facts_of_run(config: Config, subject: Subject, scenarios: Sequence[str], *, engine: str, option: str,
                 seed: int, codes: Collection[str] | None = None, kept: Sequence[str] = (),
                 **more: Any) -> dict[str, Any]:
    """Return the facts.

    Args:
        config: The project's settings.
        subject: The client under test.
        scenarios: By name, in their order.
        engine: What carried the lanes.
        option: How it was asked for.
        seed: Of the run.
        codes: Which invariants were wanted; all if None.
        kept: The scenarios whose histories are kept.
        more: Further facts: ``invalid``, ``fault``, ``not_applicable``.
    """
    return {
        "schema": 1, "version": __version__, "engine": engine, "engine_option": option, "seed": seed,
        "subject": subject.name, "target": subject.target, "hosts": list(subject.hosts),
        "profile": subject.profile.model_dump(mode="json", exclude_unset=True),
        "fail_on": config.fail_on, "severity": dict(config.severity),
        "codes": sorted(codes) if codes else None, "scenarios": list(scenarios), "kept": list(kept),
        "invalid": None, "fault": None, "not_applicable": {}, **more}
