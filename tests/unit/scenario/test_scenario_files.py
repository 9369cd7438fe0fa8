"""Scenario files: what loads, what is refused, and how the refusal reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from galeproof.errors import ScenarioError
from galeproof.faults.steps import Schedule
from galeproof.faults.toxics import OWN_TOXICS, TOXICS
from galeproof.invariants import INVARIANTS
from galeproof.model import Profile, parse_profile
from galeproof.scenario import (
    NotApplicable,
    find,
    load_scenario,
    parse_scenario,
    scenario_schema,
    schedule_of,
    shipped,
)
from galeproof.scenario.lane import TOXIC_KEYS
from galeproof.scenario.quantity import QUANTITY_NAMES

CODES = frozenset(INVARIANTS)
FULL = parse_profile({
    "max_attempts": 3, "connect_timeout_s": 1.0, "read_timeout_s": 1.0, "deadline_s": 6.0,
    "retry_after_max_s": 5.0, "secret_reload_s": 1.0, "backoff": {"base_s": 0.2, "cap_s": 2.0},
})
HEAD = "name: x\nwhy: y\noperations:\n  - {kind: read, count: 2}\nsteps:\n"


def schedule(steps: str, profile: Profile = FULL) -> Schedule:
    made = schedule_of(parse_scenario(HEAD + steps, "x.yaml", CODES), profile)
    assert isinstance(made, Schedule)
    return made


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_every_shipped_file_loads_and_has_a_schedule(path: Path) -> None:
    """Every shipped file is valid, named as its file, and applies to a full profile."""
    scenario = load_scenario(path, CODES)
    assert path.stem == scenario.name
    assert isinstance(schedule_of(scenario, FULL), Schedule)


def test_the_shipped_files_exercise_every_invariant() -> None:
    """Together the shipped files exercise each invariant that is built."""
    assert set(CODES) == {
        code for path in shipped() for code in load_scenario(path, CODES).expect.exercised
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "  - attempts: 1\n    retry_afer: 2\n",
         "x.yaml, line 7: steps[0].retry_afer: unknown key; "
         "allowed: answer, attempts, chance, cut, from_s, lane, operations, origin, retry_after, to_s"),
        (HEAD + "  - {attempts: 3-1}\n", "x.yaml, line 6: steps[0].attempts: '3-1' is an imposs"),
        (HEAD + "  - {attempts: 0}\n", "x.yaml, line 6: steps[0].attempts: '0' is an impossible"),
        (HEAD + "  - {attempts: 1-2}\n  - {attempts: 2}\n",
         "x.yaml, line 7: steps[1].attempts: attempt 2 has a step already"),
        (HEAD + "  - {attempts: 1, cut: hang after accept}\n",
         "x.yaml, line 6: steps[0].cut: 'hang after accept' is not built yet"),
        (HEAD + "  - attempts: 1\n    lane:\n      - type: latency\n        latency_s: 1\n",
         "x.yaml, line 9: steps[0].lane[0].latency_s: unknown key of latency; allowed: "
         "attributes, jitter_ms, latency_ms, stream, toxicity, type"),
        (HEAD + "  - {attempts: 1, lane: [{type: fog}]}\n",
         "x.yaml, line 6: steps[0].lane[0].type: 'fog' is no toxic; allowed: bandwidth, latency"),
        (HEAD + "  - {attempts: 1, lane: [{type: latency}]}\n",
         "x.yaml, line 6: steps[0].lane[0]: latency needs latency_ms"),
        (HEAD + "  - {attempts: 1, answer: 503, retry_after: deadlin_s}\n",
         "x.yaml, line 6: steps[0].retry_after.seconds: deadlin_s: no quantity of a profile; "
         "allowed: backoff_base_s, "),
        (HEAD.replace("count: 2", "count: 2, concurrent: 2") + "  - {attempts: 1, cut: refuse}\n",
         "x.yaml, line 6: steps[0].cut: a connection step happens before any byte"),
        (HEAD + "  []\nexpect: {exercised: [XYZ001]}\n",
         "x.yaml, line 7: expect.exercised[0]: 'XYZ001' is no invariant; known: BUD001, BUD002"),
        ("name: x\nwhy: y\nname: z\n", "x.yaml, line 3: name: the key is given twice"),
        ("a: &a [x]\nb: [*a, *a]\n", "x.yaml, line 2: alias *a: aliases are not allowed"),
        ("a: !!python/name:os.system x\n", "x.yaml, line 1: a: tag "),
        ("[" * 500, "x.yaml, line 1: nested deeper than 20 levels"),
        ("a: [1\n", "x.yaml, line 2: not YAML ("),
        ("", "x.yaml, line 1: empty, expected a scenario"),
        ("- 1\n", "x.yaml, line 1: expected a mapping"),
    ],
)
def test_an_error_names_file_line_key_and_what_is_allowed(text: str, expected: str) -> None:
    """Every error is one line with the file, the line, the key and what is allowed."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "x.yaml", CODES)
    assert expected == str(caught.value)[: len(expected)]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", [b"\x89PNG\r\n\x1a\n\x00", b"a: \xff\n", b"x" * 300_000])
def test_a_file_that_is_no_text_is_one_error(tmp_path: Path, raw: bytes) -> None:
    """A binary or oversized file is one error that names it."""
    path = tmp_path / "x.yaml"
    path.write_bytes(raw)
    with pytest.raises(ScenarioError, match=r"x\.yaml[^\n]*$"):
        load_scenario(path, CODES)


def test_a_missing_file_or_name_is_one_error(tmp_path: Path) -> None:
    """A missing file, a folder, and an unknown name are told as such."""
    with pytest.raises(ScenarioError, match="no such file"):
        load_scenario(tmp_path / "none.yaml", CODES)
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(tmp_path, CODES)
    with pytest.raises(ScenarioError, match="scenarios: .*calm"):
        find("no-such-storm")
    assert find("calm").name == "calm.yaml"


def test_units_become_toxiproxys_attributes_in_one_lane_a_set() -> None:
    """Words with units become Toxiproxy's attributes, and equal sets share one lane."""
    lane = "lane: [{type: latency, latency_ms: 200, jitter_ms: 50}]"
    native = "lane: [{type: latency, attributes: {latency: 200, jitter: 50}}]"
    made = schedule(f"  - {{attempts: 1, {lane}}}\n  - {{attempts: 2, {native}}}\n")
    assert [step.lane for step in made.steps] == ["lane-1", "lane-1"]
    assert made.lanes == {"lane-1": ({"name": "latency_downstream_0", "type": "latency", "toxicity": 1.0,
                        "stream": "downstream", "attributes": {"latency": 200, "jitter": 50}},)
            }


def test_the_units_cover_every_attribute_of_every_toxic() -> None:
    """Each toxic's attributes can all be given, and no others."""
    kinds = {**TOXICS, "reset_after": OWN_TOXICS["reset_after"], "stall_after": OWN_TOXICS["stall_after"]}
    assert {name: set(kind.fields) for name, kind in kinds.items()} == {
        name: set(keys.values()) for name, keys in TOXIC_KEYS.items()
    }


@pytest.mark.parametrize("kind", ["reset_after", "stall_after"])
def test_toxics_of_ours_are_named_like_the_others(kind: str) -> None:
    """With their bytes, none too; the schema has an entry of the same keys."""
    step = f"  - {{attempts: 1, lane: [{{type: {kind}, bytes: 0, stream: upstream}}]}}\n"
    assert schedule(step).lanes["lane-1"] == ({
        "name": f"{kind}_upstream_0", "type": kind, "stream": "upstream", "toxicity": 1.0,
        "attributes": {"bytes": 0}},)
    toxics = scenario_schema()["properties"]["steps"]["items"]["properties"]["lane"]["items"]["oneOf"]
    (entry,) = [item["properties"] for item in toxics if item["properties"]["type"] == {"const": kind}]
    assert {"type", "stream", "toxicity", "attributes", "bytes"} == set(entry)
    with pytest.raises(ScenarioError, match=f"{kind} needs bytes"):
        schedule(step.replace("bytes: 0, ", ""))


def test_the_names_of_quantities_are_those_of_a_profile() -> None:
    """Expressions may name exactly what a full profile offers."""
    assert set(QUANTITY_NAMES) == set(FULL.quantities())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2", 2.0), ("deadline_s + 5", 11.0), ("2 * read_timeout_s + 3 * deadline_s", 20.0),
     ("{seconds: deadline_s + 5, otherwise: 9}", 11.0)],
)
def test_a_quantity_is_computed_from_the_profile(text: str, expected: float) -> None:
    """Products bind before sums, and a declared name wins over ``otherwise``."""
    made = schedule(f"  - {{attempts: 1, answer: 503, retry_after: {text}}}\n")
    assert expected == made.steps[0].answer.retry_after_s


def test_an_undeclared_name_takes_otherwise_or_makes_the_scenario_not_applicable() -> None:
    """Without the declaration ``otherwise`` holds; without that the scenario does not apply."""
    text = "  - {attempts: 1, answer: 503, retry_after: {seconds: deadline_s + 5%s}}\n"
    made = schedule(text % ", otherwise: 9", Profile())
    assert made.steps[0].answer.retry_after_s == 9.0
    bare = schedule_of(parse_scenario(HEAD + text % "", "x.yaml", CODES), Profile())
    assert NotApplicable("the profile does not declare deadline_s (deadline_s + 5)") == bare


@pytest.mark.parametrize("text", ["deadline_s - 1", "1 +", "+ 2", "1 * * 2", "(1)", "1 2", "__import__", "-1",
                                  "2 ** 3", "1e9999", ".nan", "true", "[1]", "99999999999"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """Only numbers, profile names, + and * make a quantity."""
    with pytest.raises(ScenarioError, match=r"line 6: steps\[0\]\.retry_after"):
        parse_scenario(HEAD + f"  - {{attempts: 1, answer: 503, retry_after: {text}}}\n",
                       "x.yaml", CODES)


def test_a_toxic_out_of_range_only_under_this_profile_does_not_apply() -> None:
    """A computed attribute outside its toxic's range is a reason, not a crash."""
    lane = "{type: slicer, average_size_bytes: deadline_s, size_variation_bytes: 10}"
    scenario = parse_scenario(HEAD + f"  - {{attempts: 1, lane: [{lane}]}}\n", "x.yaml", CODES)
    assert NotApplicable(
        "slicer: size_variation must be 0 to 6 bytes (at most average_size)"
    ) == schedule_of(scenario, FULL)


def test_the_schema_knows_every_key_of_a_step() -> None:
    """The published schema names the keys that the validator allows."""
    step = scenario_schema()["properties"]["steps"]["items"]
    assert {"answer", "attempts", "chance", "cut", "from_s", "lane", "operations", "origin", "retry_after",
            "to_s"} == set(step["properties"])
