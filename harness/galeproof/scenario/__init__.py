"""Scenario files: YAML, validated, to a schedule. Imports ``faults``, ``model``, ``errors``."""

from galeproof.scenario.load import (
    find,
    load_scenario,
    parse_scenario,
    scenario_schema,
    shipped,
)
from galeproof.scenario.model import Scenario
from galeproof.scenario.schedule import NotApplicable, schedule_of

__all__ = ["NotApplicable", "Scenario", "find", "load_scenario", "parse_scenario",
           "scenario_schema", "schedule_of", "shipped"]
