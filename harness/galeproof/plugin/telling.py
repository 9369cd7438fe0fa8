"""What other reporters are told of a verdict: JUnit properties, and Allure where its plugin is active."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from galeproof.model import History, Verdict
from galeproof.model.attribution import attribute
from galeproof.report import wire_lines
from galeproof.report.plain import one_line, plain
from galeproof.runner.catalogue import CatalogueResult

__all__ = ["refusal", "tell"]

_MOST = 3
_LEVELS = {"critical": "critical", "major": "normal", "minor": "minor"}


def refusal(result: CatalogueResult) -> str:
    """Say why a scenario's result is no verdict."""
    return plain(f"INVALID: {result.invalid}" if result.invalid else f"harness fault: {result.fault}")


def tell(item: pytest.Item, verdicts: Sequence[Verdict], history: History) -> None:
    """Add the verdicts to a test item's report.

    JUnit: one property a verdict (``galeproof.RTY001``). Allure: labels, a step for each attempt of the
    operations that a finding names, and the wire excerpt as an attachment.
    """
    for verdict in verdicts:
        reason = f" {verdict.reason}" if verdict.reason else ""
        item.user_properties.append((f"galeproof.{verdict.code}", f"{verdict.outcome.value}{reason}"))
    header = history.header
    for name in ("engine", "seed", "scenario"):
        item.user_properties.append((f"galeproof.{name}", one_line(str(header.get(name)))))
    if item.config.pluginmanager.hasplugin("allure_listener"):
        _allure(verdicts, history)


def _allure(verdicts: Sequence[Verdict], history: History) -> None:
    import allure

    dynamic: Any = allure.dynamic
    dynamic.label("epic", "galeproof")
    dynamic.parameter("engine", one_line(str(history.header.get("engine"))))
    dynamic.parameter("seed", str(history.header.get("seed")))
    for verdict in verdicts:
        dynamic.tag(verdict.code)
        dynamic.label("feature", verdict.code[:3])
    if verdicts:
        worst = max(verdicts, key=lambda v: list(_LEVELS).index(v.severity) * -1)
        dynamic.severity(_LEVELS[worst.severity])
    shown = [f.operation for v in verdicts for f in v.findings[:1] if f.operation]
    shown = shown or [o.ref for o in attribute(history).operations[:1]]
    for ref in list(dict.fromkeys(shown))[:_MOST]:
        _steps(history, ref)


def _steps(history: History, ref: str) -> None:
    import allure

    for operation in attribute(history).operations:
        if operation.ref != ref:
            continue
        with allure.step(one_line(f"{operation.name} {ref}: {operation.outcome}")):
            for number, attempt in enumerate(operation.attempts, 1):
                said = "no answer" if attempt.status is None else f"answered {attempt.status}"
                with allure.step(one_line(f"attempt {number}: {attempt.word}, {said}")):
                    pass
    allure.attach("\n".join(wire_lines(history, ref)), name=one_line(f"{ref} on the wire"),
                  attachment_type=allure.attachment_type.TEXT)
