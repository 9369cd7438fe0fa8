"""Writes the pages of docs/reference that the code can tell; ``--check`` only compares."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "harness"))

import click  # noqa: E402
import typer.main  # noqa: E402

from galeproof.cli.app import app  # noqa: E402
from galeproof.faults.steps import CUT_KINDS  # noqa: E402
from galeproof.invariants import INVARIANTS  # noqa: E402
from galeproof.model.profile import profile_schema  # noqa: E402
from galeproof.report.mending import ACTIONS  # noqa: E402
from galeproof.report.schema import night_schema, run_schema  # noqa: E402
from galeproof.scenario import load_scenario, scenario_schema, shipped  # noqa: E402
from galeproof.scenario.lane import TOXIC_KEYS  # noqa: E402

NOTE = "<!-- written by ci/docs: change the code, not this page -->\n"


def commands() -> Iterator[str]:
    """Every command with its options."""
    yield "# Commands\n"
    yield "Exit codes: 0 pass, 1 findings, 2 usage, 3 invalid control, 4 harness fault, 5 undecided, 130 interrupted.\n"
    yield ("`galeproof --install-completion` teaches your shell (bash, zsh, fish, PowerShell) to complete scenarios, "
           "invariants, families, the subjects of your settings and kept runs; `--show-completion` prints the script.\n")
    yield from _command(typer.main.get_command(app), "galeproof")


def _command(command: Any, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    if hasattr(command, "commands"):
        for name, inner in sorted(command.commands.items()):
            yield from _command(inner, f"{path} {name}")
        return
    yield f"## {path}\n"
    yield f"{(command.help or '').strip()}\n"
    yield f"```\n{' '.join(command.get_usage(context).split()).removeprefix('Usage: ')}\n```\n"
    rows = [record for p in command.params if (record := p.get_help_record(context))]
    if rows:
        yield "| option | |\n|---|---|"
        yield from (f"| `{_cell(name)}` | {_cell(text)} |" for name, text in rows if name != "--help")
        yield ""


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def invariants() -> Iterator[str]:
    """A table, then a page each."""
    yield "# Invariants\n"
    yield f"{len(INVARIANTS)} invariants. `galeproof explain CODE` prints one of these.\n"
    yield "| code | name | severity |\n|---|---|---|"
    for code, invariant in INVARIANTS.items():
        yield f"| [{code}](#{code.lower()}-{invariant.name}) | {invariant.name} | {invariant.severity} |"
    yield ""
    storms = {path.stem: load_scenario(path, frozenset(INVARIANTS)) for path in shipped()}
    for code, invariant in INVARIANTS.items():
        title, *parts = inspect.cleandoc(invariant.check.__doc__ or "").split("\n\n")
        yield f"## {title.rstrip('.')}\n"
        for part in parts:
            head, colon, rest = part.partition(":")
            yield f"**{head}**{colon}{rest}\n" if colon else f"{part}\n"
        used = [f"`{name}`" for name, storm in storms.items() if code in storm.expect.exercised]
        yield f"Severity: {invariant.severity} ({ACTIONS[invariant.severity]}). Exercised by " + (
            ", ".join(used) or "no scenario that ships") + ".\n"


def scenarios() -> Iterator[str]:
    """The storms that ship."""
    yield "# Storms that ship\n"
    yield "| scenario | why | exercises |\n|---|---|---|"
    for path in shipped():
        storm = load_scenario(path, frozenset(INVARIANTS))
        yield f"| `{storm.name}` | {_cell(storm.why)} | {', '.join(storm.expect.exercised)} |"
    yield ""


def scenario() -> Iterator[str]:
    """The keys of a scenario file."""
    yield "# Scenario files\n"
    yield ("YAML, validated; an error names file, line, key and what is allowed. The JSON Schema is "
           "[scenario.schema.json](scenario.schema.json), `scenario_schema()` of `galeproof.scenario`.\n")
    schema = scenario_schema()
    yield from _keys(schema, "The file")
    yield from _keys(schema["properties"]["operations"]["items"], "operations")
    step = schema["properties"]["steps"]["items"]
    yield from _keys(step, "steps")
    answer = next(s for s in step["properties"]["answer"]["anyOf"] if s.get("type") == "object")
    yield from _keys(answer, "steps.answer")
    yield "## Cuts\n"
    yield (f"`{' | '.join(CUT_KINDS)}`: `rst`, `fin` and `hang` are followed by `after accept`, `after request`, "
           "`after effect`, `after headers`, `after N bytes` or `after N request bytes`; `fin after answer` "
           "closes what rests. `rst after accept`, "
           "`refuse`, `blackhole` and `stale` happen before any byte of a request, and need operations one at "
           "a time.\n")
    yield "## Quantities\n"
    yield ("A number, or names of the profile and numbers with `+` and `*` (`deadline_s + 5`); where a name is "
           "undeclared, `otherwise` holds: `{value: 0.4 * read_timeout_s, otherwise: 0.4}`.\n")


def _keys(schema: Mapping[str, Any], title: str) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| key | required | value |\n|---|---|---|"
    for key, value in schema["properties"].items():
        needed = "yes" if key in schema.get("required", ()) else ""
        yield f"| `{key}` | {needed} | {_cell(_value(value))} |"
    yield ""


def _value(schema: Mapping[str, Any]) -> str:
    if "description" in schema:
        return str(schema["description"])
    if "enum" in schema:
        return ", ".join(f"`{v}`" for v in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(_value(s) for s in schema["anyOf"] if s.get("type") != "null")
    if "$ref" in schema:
        return "a table, below"
    kind = schema.get("type", "any")
    kind = " or ".join(kind) if isinstance(kind, list) else str(kind)
    for word, name in (("at least", "minimum"), ("more than", "exclusiveMinimum"), ("at most", "maximum")):
        if name in schema:
            kind += f", {word} {schema[name]}"
    return kind


def profile() -> Iterator[str]:
    """What an owner can promise."""
    yield "# The profile\n"
    yield ("What your client promises, under `[tool.galeproof.subjects.NAME.profile]`. Leave out what it does not: "
           "such an invariant is UNKNOWN `undeclared`, with the figure that was measured. The JSON Schema is "
           "[profile.schema.json](profile.schema.json).\n")
    schema = profile_schema()
    yield from _keys(schema, "Fields")
    for name, inner in schema["$defs"].items():
        if inner.get("properties"):
            yield from _keys(inner, name)


def toxics() -> Iterator[str]:
    """The toxics that a lane can have."""
    yield "# Toxics\n"
    yield ("In a step: `lane: [{type: latency, latency_ms: 200, jitter_ms: 50}]`; also `stream` (`downstream`, "
           "`upstream`) and `toxicity` (0 to 1). What each does, on both engines, stands in "
           "[Toxiproxy](../toxiproxy.md).\n")
    yield "| type | keys | Toxiproxy's attributes |\n|---|---|---|"
    for kind, keys in TOXIC_KEYS.items():
        yield (f"| `{kind}` | {', '.join(f'`{key}`' for key in keys) or '-'} | "
               f"{', '.join(f'`{value}`' for value in keys.values()) or '-'} |")
    yield ""


def documents() -> Iterator[str]:
    """What ``--json`` prints, key by key."""
    yield "# JSON\n"
    yield ("`run`, `replay` and `judge` print one document with `--json`; `report --format json` writes it, and every "
           "kept run has it as `verdicts.json`. Its JSON Schema is [run.schema.json](run.schema.json), that of "
           "`nightly --json` [night.schema.json](night.schema.json). They name every key of this release; a later one may "
           "have more of them, and `schema` changes where a reader would break.\n")
    schema = run_schema()
    yield from _keys(schema, "A run")
    verdict = schema["properties"]["verdicts"]["items"]
    yield from _keys(verdict, "A verdict")
    yield from _keys(verdict["properties"]["findings"]["items"], "A finding")
    night = night_schema()
    yield from _keys(night, "A night")
    yield from _keys(night["properties"]["trends"]["items"], "A trend of a night")
    yield from _keys(night["properties"]["findings"]["items"], "A finding of a night")


PAGES = {"commands.md": commands, "json.md": documents, "invariants.md": invariants, "scenarios.md": scenarios,
         "scenario.md": scenario, "profile.md": profile, "toxics.md": toxics}


SCHEMAS = {"run.schema.json": run_schema, "night.schema.json": night_schema, "scenario.schema.json": scenario_schema,
           "profile.schema.json": profile_schema}


def main() -> int:
    """Write, or compare."""
    check = "--check" in sys.argv[1:]
    texts = {name: NOTE + "\n".join(page()).rstrip() + "\n" for name, page in PAGES.items()}
    texts |= {name: json.dumps(schema(), indent=1) + "\n" for name, schema in SCHEMAS.items()}
    old = []
    for name, text in texts.items():
        path = ROOT / "docs/reference" / name
        if check and (not path.exists() or path.read_text("utf-8") != text):
            old.append(name)
        elif not check:
            path.write_text(text, "utf-8")
    if old:
        print(f"ci/docs: not those of the code: {', '.join(old)} (write them: ci/docs)")
    return int(bool(old))


if __name__ == "__main__":
    sys.exit(main())
