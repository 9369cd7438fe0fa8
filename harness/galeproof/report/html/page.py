"""The page: tables by the template (readable without scripts), charts from figures by page.js.

Everything that was recorded is text: the template escapes, the figures are JSON without ``<``, and the
script sets ``textContent`` only.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import Any

import jinja2
from markupsafe import Markup

from galeproof.invariants import INVARIANTS, false_alarm_bound
from galeproof.model import Outcome, Verdict
from galeproof.report.gate import gate_of
from galeproof.report.html.data import scenarios_of
from galeproof.report.mending import ACTIONS, library_of, mend_for
from galeproof.report.plain import each_text, plain
from galeproof.report.table import figure, ordered, seen
from galeproof.report.wire import wire_lines
from galeproof.runner import Judged

__all__ = ["html_page"]

_MOST_FINDINGS = 20
_MOST_EXCERPTS = 2


def html_page(facts: Mapping[str, Any], verdicts: Sequence[Verdict], runs: Sequence[Judged], *,
              code: int, replay: str, run: str, minimal: Mapping[str, str] = MappingProxyType({}),
              trend: Sequence[Any] = ()) -> str:
    """Return the page's text.

    Args:
        facts: What ``run.json`` says.
        verdicts: One an invariant.
        runs: The kept histories.
        code: The exit code.
        replay: The command that replays the run; an invariant's code is put behind it.
        run: The run's folder, as people type it.
        minimal: The least schedule that shows a failure, by code.
        trend: One a code, over the nights (``runner.nightly.Trend``).
    """
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined, finalize=_shown)
    template = environment.from_string(_file("page.html.j2"))
    library = next((found for r in runs if (found := library_of(r.history))), None)
    counts = {outcome.value: sum(v.outcome is outcome for v in verdicts) for outcome in Outcome}
    figures = json.dumps(each_text(scenarios_of(runs, verdicts), plain), separators=(",", ":")).replace(
        "<", "\\u003c")
    return template.render(
        facts=facts, code=code, run=run, counts=counts, gate=gate_of(verdicts), library=library,
        said=_said(facts, code), trend=trend, style=_markup(_file("page.css")),
        script=_markup(_file("page.js")), figures=_markup(figures),
        rows=[_row(v, runs, library, replay) | {"minimal": minimal.get(v.code)} for v in
              ordered(verdicts)],
        alarms=f"{false_alarm_bound(verdicts):.1g}",
        lag=max((float(r.history.header.get("lag_p99_ms") or 0) for r in runs), default=0.0),
        python=next((r.history.header.get("python") for r in runs), ""),
        attempts=sum(1 for r in runs for _ in r.history.of("head")), scenarios=len(runs))


def _shown(value: Any) -> Any:
    """What was recorded, with its control characters as escapes; markup of our own as it is."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _markup(text: str) -> Markup:
    """Mark text of our own as markup."""
    return Markup(text)


def _file(name: str) -> str:
    return resources.files("galeproof.report.html").joinpath(name).read_text("utf-8")


def _said(facts: Mapping[str, Any], code: int) -> str:
    if facts.get("interrupted"):
        return "interrupted: what was recorded until then"
    return {0: "every exercised invariant holds", 1: "findings",
            3: f"INVALID: {facts.get('invalid')}", 4: f"harness fault: {facts.get('fault')}",
            5: "undecided: an expected invariant is UNKNOWN"}.get(code, f"exit {code}")


def _row(verdict: Verdict, runs: Sequence[Judged], library: Any, replay: str) -> dict[str, Any]:
    invariant = INVARIANTS.get(verdict.code)
    page = inspect.cleandoc(invariant.check.__doc__ or "") if invariant else ""
    observed = "" if verdict.observed is None else f"{figure(verdict.observed)} {verdict.unit}".strip()
    return {
        "v": verdict, "seen": seen(verdict.witnesses, verdict.total), "outcome": verdict.outcome.value,
        "observed": observed,
        "limit": "" if verdict.limit is None else figure(verdict.limit),
        "state": verdict.severity if verdict.reason is None else verdict.reason,
        "action": ACTIONS[verdict.severity] if verdict.outcome is Outcome.FAIL else "",
        "page": page.split("\n\n")[1:],
        "mend": mend_for(verdict.code, library) if verdict.findings else None,
        "findings": [{"f": f, "wire": _wire(f.operation, runs) if n < _MOST_EXCERPTS else ()}
                     for n, f in enumerate(verdict.findings[:_MOST_FINDINGS])],
        "more": max(0, len(verdict.findings) - _MOST_FINDINGS),
        "replay": f"{replay} {verdict.code}",
    }


def _wire(ref: str | None, runs: Sequence[Judged]) -> list[str]:
    for run in runs:
        if ref and ref in run.history.header.get("refs", ()):
            return wire_lines(run.history, ref)
    return []
