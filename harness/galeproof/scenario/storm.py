"""A storm as a value: the steps of attempts 1, 2, ... in the words of scenario files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]

__all__ = ["Storm"]


@dataclass(frozen=True)
class Storm:
    """What happens to each attempt of an operation; after the last step, or in an empty storm, the
    provider is well.

    Attributes:
        steps: Mappings with ``answer``, ``cut``, ``lane``, ``retry_after``, as in a scenario file but
            without ``attempts``: step n is attempt n's.
    """

    steps: tuple[Mapping[str, Any], ...] = ()

    def text(self, name: str = "found", why: str = "Found by a property test.", *, count: int = 1,
             kind: str = "write", exercised: Sequence[str] = ()) -> str:
        """Return it as a scenario file.

        Args:
            name: The scenario's name.
            why: Why it matters.
            count: How many operations, one at a time.
            kind: ``read`` or ``write``.
            exercised: The invariants that it is about.
        """
        plan = {
            "name": name, "why": why,
            "operations": [{"kind": kind, "count": count, "concurrent": 1}],
            "steps": [{"attempts": number, **step} for number, step in enumerate(self.steps, 1)],
            "expect": {"exercised": list(exercised)},
        }
        return str(yaml.safe_dump(plan, sort_keys=False, default_flow_style=None, width=100))

    def __repr__(self) -> str:
        return f"Storm({', '.join(map(_short, self.steps)) or 'calm'})"


def _short(step: Mapping[str, Any]) -> str:
    parts = [str(step["cut"])] if "cut" in step else []
    answer = step.get("answer", "ok")
    if answer != "ok" or not parts:
        parts.insert(0, str(answer))
    if "retry_after" in step:
        parts.append(f"Retry-After {step['retry_after']}")
    parts += [f"lane {toxic['type']}" for toxic in step.get("lane", ())]
    return " + ".join(parts)
