"""A summary for a pull request or a CI job, in GitHub's and GitLab's Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from galeproof.report.gate import Gate
from galeproof.report.mending import ACTIONS
from galeproof.report.plain import one_line
from galeproof.report.table import figure, seen

__all__ = ["markdown_text"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&$@]|!(?=\[)|:(?=//)|(?<=www)\.)")
_SIGNS = {"FAIL": "❌", "UNKNOWN": "❔", "PASS": "✅"}
_RULES = {"holds": "✅", "broken": "❌", "not shown": "❔"}
_MOST = 3


def markdown_text(document: Mapping[str, Any], gate: Sequence[Gate]) -> str:
    """Return the summary.

    Args:
        document: The published JSON form of a run.
        gate: The four release rules.
    """
    rows = sorted(document["verdicts"], key=lambda v: (list(_SIGNS).index(v["verdict"]), v["code"]))
    count = {name: sum(v["verdict"] == name for v in rows) for name in _SIGNS}
    lines = [
        f"## galeproof: {_text(document['subject'])}", "",
        f"**{count['FAIL']} FAIL, {count['UNKNOWN']} UNKNOWN, {count['PASS']} PASS** "
        f"(exit {document['exit']}; {_text(document['engine'])}, seed {document['seed']})", ""]
    for what in ("invalid", "fault"):
        if document.get(what):
            lines += [f"**{what}**: {_text(document[what])}", ""]
    lines += [f"- {_RULES[rule.state]} {rule.rule}: {rule.state}" for rule in gate]
    lines += ["", "| | code | invariant | observed | operations | scenarios |", "|---|---|---|---|---|---|"]
    lines += [_row(row) for row in rows]
    for row in rows:
        if row["verdict"] == "FAIL":
            lines += _finding(row)
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    """Text that Markdown and HTML leave alone."""
    return _SPECIAL.sub(r"\\\1", one_line(str(value))).replace("\\<", "&lt;").replace("\\&", "&amp;")


def _code(value: Any) -> str:
    text = one_line(str(value), 500)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _row(row: Mapping[str, Any]) -> str:
    observed = "" if row["observed"] is None else f"{figure(row['observed'])} {row['unit']}".strip()
    if observed and row["limit"] is not None:
        observed += f" against {figure(row['limit'])}"
    state = row["reason"] or row["severity"]
    return (f"| {_SIGNS[row['verdict']]} {row['verdict']} | {row['code']} | {_text(row['name'])}, "
            f"{_text(state)} | {_text(observed)} | "
            f"{seen(row['witnesses'], row['total']).removesuffix(' ops')} | "
            f"{_text(', '.join(row['scenarios'][:_MOST]))} |")


def _finding(row: Mapping[str, Any]) -> list[str]:
    lines = ["", f"### {row['code']} {_text(row['name'])}: {ACTIONS[row['severity']]}", ""]
    for found in row["findings"][:_MOST]:
        lines.append(f"- {_code(found['operation'] or '-')} {_text(found['text'])}")
    if row["findings"]:
        first = row["findings"][0]
        if first["mend"]:
            lines += ["", f"Use instead: {_text(first['mend'])}"]
        lines += ["", f"Replay: {_code(first['replay'])}"]
    return lines
