"""What ships agrees with itself."""

import importlib
import pkgutil
from pathlib import Path

import galeproof
from galeproof.invariants import INVARIANTS
from galeproof.scenario import load_scenario, shipped

ROOT = Path(galeproof.__file__).parent


def test_the_scenarios_exercise_exactly_the_invariants_that_are_built():
    """The union of what scenarios say they exercise is the list of invariants."""
    said = {code for path in shipped() for code in load_scenario(path, set(INVARIANTS)).expect.exercised}
    assert set(INVARIANTS) == said


def test_every_invariant_is_a_page():
    """The checker's docstring has the parts of a page."""
    for invariant in INVARIANTS.values():
        page = invariant.check.__doc__ or ""
        assert page.startswith(f"{invariant.code} {invariant.name}"), invariant.code
        for part in ("What it does", "Why it is bad", "Example", "Use instead", "When it is unknown",
                     "References"):
            assert part in page, (invariant.code, part)


def test_every_module_says_what_it_exports():
    """Each module with public names has a sorted `__all__` whose names exist."""
    for found in pkgutil.walk_packages([str(ROOT)], "galeproof."):
        if found.name.split(".")[-1].startswith("_") or found.name.endswith(("pydriver", "world.child")):
            continue
        module = importlib.import_module(found.name)
        names = module.__all__
        assert all(hasattr(module, name) for name in names), found.name
        assert len(set(names)) == len(names), found.name


def test_scenarios_explain_themselves():
    """The file's name is the scenario's, and it says why it matters."""
    for path in shipped():
        scenario = load_scenario(path, set(INVARIANTS))
        assert (path.stem, True) == (scenario.name, len(scenario.why) > 30)
