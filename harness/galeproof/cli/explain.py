"""``galeproof explain CODE``: an invariant's page."""

from __future__ import annotations

import inspect
import json

from galeproof.errors import UsageError
from galeproof.invariants import INVARIANTS, Invariant
from galeproof.report.mending import ACTIONS
from galeproof.scenario import load_scenario, shipped

__all__ = ["explain_command", "page"]


def page(invariant: Invariant) -> str:
    """Return an invariant's page: the checker's docstring, its severity, and its storms."""
    storms = [path.stem for path in shipped()
              if invariant.code in load_scenario(path, frozenset(INVARIANTS)).expect.exercised]
    return "\n".join([
        inspect.cleandoc(invariant.check.__doc__ or ""), "",
        f"Severity: {invariant.severity} ({ACTIONS[invariant.severity]}).", "",
        f"Exercised by: {', '.join(storms) or 'no scenario that ships'}.", "",
        f"Try it: galeproof run {invariant.code} --subject module:attribute"])


def explain_command(code: str, as_json: bool) -> int:
    """Print a page.

    Raises:
        UsageError: No such invariant.
    """
    invariant = INVARIANTS.get(code.upper())
    if invariant is None:
        raise UsageError(f"{code!r}: no such invariant; known: {', '.join(INVARIANTS)}")
    if as_json:
        print(json.dumps({"schema": 1, "code": invariant.code, "name": invariant.name,
                          "family": invariant.family, "severity": invariant.severity,
                          "page": page(invariant)}))
    else:
        print(page(invariant))
    return 0
