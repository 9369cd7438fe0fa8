"""Any input is a scenario or one ScenarioError, and any scenario is a schedule or a reason."""

from __future__ import annotations

from typing import Any

import yaml  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from galeproof.errors import ScenarioError
from galeproof.faults.steps import Schedule
from galeproof.model import Profile, parse_profile
from galeproof.scenario import NotApplicable, Scenario, parse_scenario, schedule_of, shipped

PROFILES = (Profile(), parse_profile({"deadline_s": 6.0, "read_timeout_s": 1e308}))
SHIPPED = [path.read_text("utf-8") for path in shipped()]

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["ok", "1", "1-2", "3-", "refuse", "stale", "rst after effect", "read", "html",
                     "fin after 5 bytes", "deadline_s + 5", "1000000 * read_timeout_s",
                     "downstream", "success", "TMO002", "latency", "slicer", 503, 1, 2]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


def mapping(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A mapping of some of these keys, often wrong; or something else."""
    return st.fixed_dictionaries({}, optional=keys) | values


lane = st.lists(mapping(
    type=st.sampled_from(["latency", "slicer", "bandwidth", "noop", "reset_peer"]),
    latency_ms=scalars, average_size_bytes=scalars, size_variation_bytes=scalars,
    toxicity=scalars, attributes=values), max_size=2)
step = mapping(
    attempts=st.sampled_from([1, 2, "1-2", "3-"]) | scalars, cut=scalars, lane=lane,
    answer=scalars | mapping(status=scalars, headers=values, drip=values, delay_s=scalars),
    retry_after=scalars | mapping(seconds=scalars, date_in_s=scalars, otherwise=scalars))
documents = st.fixed_dictionaries({
    "name": st.just("x") | scalars, "why": st.just("y") | scalars,
    "operations": st.just([{"kind": "read", "count": 1}]) | st.lists(mapping(
        kind=scalars, count=scalars, concurrent=scalars, stagger_s=scalars), max_size=2),
    "steps": st.lists(step, max_size=3) | values,
}, optional={"expect": mapping(outcome=scalars, exercised=values), "observe_s": scalars,
             "requires": values, "source": values})


numbers = st.integers(0, 9) | st.sampled_from([0.5, "deadline_s", "2 * read_timeout_s + 1", 10**9])
sound_lane = st.lists(st.one_of(
    st.fixed_dictionaries({"type": st.just("latency"), "latency_ms": st.integers(0, 9)}),
    st.fixed_dictionaries({"type": st.just("bandwidth"), "rate_kbps": st.just("deadline_s")}),
    st.fixed_dictionaries({"type": st.just("slicer"), "size_variation_bytes": st.integers(0, 9),
                           "average_size_bytes": st.just("deadline_s")})), max_size=2)
sound_step = st.fixed_dictionaries({}, optional={
    "answer": st.sampled_from(["ok", 429, 503]) | st.fixed_dictionaries({"delay_s": numbers}),
    "cut": st.sampled_from(["refuse", "stale", "rst after effect", "fin after 5 bytes"]),
    "lane": sound_lane, "retry_after": numbers})
sound_documents = st.lists(sound_step, max_size=4).map(lambda steps: {
    "name": "x", "why": "y", "operations": [{"kind": "read", "count": 1}],
    "steps": [{"attempts": number, **step} for number, step in enumerate(steps, 1)]})


def holds(text: str) -> None:
    """Check the one promise on one text."""
    try:
        scenario = parse_scenario(text, "x.yaml", {"TMO002"})
    except ScenarioError as error:
        assert str(error).startswith("x.yaml")
        assert "\n" not in str(error)
        return
    assert isinstance(scenario, Scenario)
    for profile in PROFILES:
        assert isinstance(schedule_of(scenario, profile), Schedule | NotApplicable)


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text("{}[]:,-&*!|>'\"%@`#?\\ \n\tax01", max_size=60))
def test_any_text_is_a_scenario_or_one_error(text: str) -> None:
    """Any text whatever is a scenario or one error on one line."""
    holds(text)


@settings(max_examples=600, deadline=None)
@given(sound_documents | documents | values)
def test_any_yaml_structure_is_a_scenario_or_one_error(data: Any) -> None:
    """Any YAML structure, near a scenario or far from it, is a scenario or one error."""
    holds(yaml.safe_dump(data, allow_unicode=True))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SHIPPED), st.integers(0, 400), st.integers(0, 6), st.text(max_size=4))
def test_a_damaged_shipped_file_is_a_scenario_or_one_error(
    text: str, at: int, cut: int, put: str
) -> None:
    """A shipped file with some characters replaced is a scenario or one error."""
    holds(text[:at] + put + text[at + cut :])
