"""``gale.run()``, ``gale.arun()`` and scenario files as items."""

import json
import re
import sys

import pytest

WEATHER = '''
import pytest
from adapters import {attribute}


@pytest.fixture
def gale_subject():
    return {attribute}


@pytest.mark.scenario("503-storm", "reset-after-effect")
def test_weather(gale):
    gale.run()
'''
ASYNC = '''
import asyncio
import pytest
from adapters import {attribute}

LOOPS = []

class Here({attribute}):
    async def create(self, ref, amount):
        LOOPS.append(asyncio.get_running_loop())
        return await super().create(ref, amount)

    create.__galeproof_operation__ = {attribute}.create.__galeproof_operation__

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
def gale_subject():
    return Here

@pytest.mark.anyio
@pytest.mark.scenario("reset-after-effect")
async def test_weather(gale):
    try:
        await gale.arun()
    finally:
        assert {{asyncio.get_running_loop()}} == set(LOOPS)
'''


def test_one_item_for_each_scenario_of_the_marker(inner):
    """``gale.run()`` runs each named scenario on the subject of the fixture."""
    inner.adapter()
    inner.tests(WEATHER.format(attribute="Billing"))
    result = inner.run("-v")
    assert {"passed": 2} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*test_weather?503-storm? PASSED*",
                                 "*test_weather?reset-after-effect? PASSED*"])


def test_a_finding_fails_the_scenarios_test(inner):
    """A client with a new key on each attempt fails, with the wire and the way to run it again."""
    inner.adapter()
    inner.tests(WEATHER.format(attribute="NewKeys"))
    result = inner.run("--galeproof-seed", "5", "-k", "reset-after-effect")
    assert {"failed": 1, "deselected": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines([
        "FAIL*IDM002*", "*attempt 1: POST*<- rst after effect*", "*attempt 2: POST*",
        'run kept in *again: pytest "test_inner.py::test_weather?reset-after-effect?" '
        "--galeproof-seed=5"])


def test_by_effort_the_harness_checks_itself_first(inner):
    """Once in a world, and the finding stays."""
    inner.adapter()
    inner.tests(WEATHER.format(attribute="NewKeys"))
    result = inner.run("--galeproof-effort=ci", "-s", "-k", "reset-after-effect")
    assert {"failed": 1, "deselected": 1} == result.parseoutcomes()
    assert 1 == str(result.stderr).count("self-check: ")


def test_the_subject_of_the_settings(inner):
    """Without the fixture, ``gale.run()`` takes the one subject of galeproof.toml."""
    inner.adapter("NewKeys")
    inner.tests(WEATHER.format(attribute="Billing").replace("def gale_subject", "def other"))
    result = inner.run("-k", "reset-after-effect")
    assert {"failed": 1, "deselected": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["FAIL*IDM002*"])


@pytest.mark.parametrize(("attribute", "expected"), [("Billing", {"passed": 1}), ("NewKeys", {"failed": 1})])
def test_a_scenario_on_the_tests_own_loop(inner, attribute, expected):
    """``await gale.arun()`` drives the client on the loop of the test."""
    inner.adapter()
    inner.tests(ASYNC.format(attribute=attribute))
    result = inner.run("-p", "anyio")
    assert expected == result.parseoutcomes()
    result.stdout.no_fnmatch_line("*assert {<*")


def test_run_works_inside_a_running_loop(inner):
    """``gale.run()`` of an asynchronous test does not need its loop."""
    inner.adapter()
    inner.tests(WEATHER.format(attribute="Billing").replace(
        '"503-storm", ', "").replace("def test_weather", "async def test_weather").replace(
        "@pytest.mark.scenario", "@pytest.mark.anyio\n@pytest.mark.scenario").replace(
        "def gale_subject", 'def anyio_backend():\n    return "asyncio"\n\n'
        "@pytest.fixture\ndef gale_subject"))
    assert {"passed": 1} == inner.run("-p", "anyio").parseoutcomes()


def test_a_subject_that_does_not_touch_the_tap_is_invalid(inner):
    """An answer out of thin air is no pass: the test fails as INVALID, with the reason."""
    inner.adapter()
    inner.tests(WEATHER.format(attribute="mute").replace('"503-storm", "reset-after-effect"', '"calm"'))
    result = inner.run()
    assert {"failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["INVALID: calm: mute succeeds without touching the tap*"])


def test_run_needs_the_marker(inner):
    """``gale.run()`` of a test without a scenario says what to write."""
    inner.tests("def test_weather(gale):\n    gale.run()\n")
    result = inner.run()
    assert {"failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*UsageError: gale.run: mark the test with @pytest.mark.scenario*"])


def test_a_file_is_run_once_and_gives_an_item_for_each_expected_invariant(inner):
    """Files in a folder called scenarios: one item an invariant, one run a file."""
    inner.adapter()
    with (inner.pytester.path / "adapters.py").open("a") as text:
        text.write('\nclass Counted(Billing):\n'
                   "    def __init__(self, base_url, secrets):\n"
                   "        super().__init__(base_url, secrets)\n"
                   '        open("made", "a").write("x")\n')
    toml = inner.pytester.path / "galeproof.toml"
    toml.write_text(toml.read_text().replace("Billing", "Counted"))
    inner.scenario("lost-one")
    inner.scenario("lost-two")
    result = inner.run("-v")
    assert {"passed": 6} == result.parseoutcomes()
    result.stdout.fnmatch_lines([f"*{name}.yaml::{code} PASSED*" for name in ("lost-one", "lost-two")
                                 for code in ("IDM001", "IDM002", "SEC001")])
    # one instance for control and storm of each file
    assert 2 == len((inner.pytester.path / "made").read_text())


def test_a_files_finding_fails_its_item_only(inner):
    """The item of the broken invariant fails with the wire; the others pass."""
    inner.adapter("NewKeys")
    inner.scenario("lost")
    result = inner.run()
    assert {"passed": 2, "failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["FAIL*IDM002*", "*replay: galeproof replay *IDM002",
                                 "*attempt 1: POST*<- rst after effect*", "FAILED*lost.yaml::IDM002*"])


def test_a_damaged_file_is_a_collection_error(inner):
    """A scenario file that is wrong names file, line and key."""
    inner.adapter()
    inner.scenario("lost")
    path = inner.pytester.path / "scenarios" / "lost.yaml"
    path.write_text(path.read_text().replace("why:", "because: x\nwhy:"))
    result = inner.run()
    assert {"errors": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*lost.yaml, line 3: because: unknown key; allowed: *"])


def test_a_file_whose_promise_is_undeclared_skips_that_item(inner):
    """An invariant that needs a promise that nobody made is skipped, with what to declare."""
    inner.adapter()
    inner.scenario("lost")
    path = inner.pytester.path / "scenarios" / "lost.yaml"
    path.write_text(path.read_text().replace("SEC001", "RTY003"))
    result = inner.run()
    assert {"passed": 2, "skipped": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["SKIPPED*RTY003: undeclared; to judge: retry_on = *"])


def test_other_yaml_files_are_left_alone(inner):
    """A YAML file outside a folder called scenarios is no scenario."""
    (inner.pytester.path / "compose.yaml").write_text("services: {}\n")
    inner.tests("def test_nothing():\n    pass\n")
    assert {"passed": 1} == inner.run().parseoutcomes()


def test_the_seed_stands_in_the_header_and_decides_the_run(inner):
    """A drawn seed is shown; a given one makes the same references and secrets again."""
    inner.tests('''
def test_seed(gale):
    with gale.operation("create") as op:
        print("drawn", op.ref, gale.secrets["api_key"])
''')

    def drawn(*arguments):
        text = inner.run("-s", *arguments).stdout.str()
        return re.findall(r"^galeproof: seed (\d+), engine embedded$", text, re.M) + re.findall(
            r"drawn (\S+) (\S+)", text)

    first = drawn()
    assert first == drawn("--galeproof-seed", first[0])
    assert first[1] != drawn("--galeproof-seed", "1")[1]


@pytest.mark.parametrize("how", [(), ("--dist", "loadgroup")])
def test_workers_share_the_seed(inner, how):
    """Under xdist every worker has the controller's seed, and every verdict is the same."""
    pytest.importorskip("xdist")
    inner.adapter()
    inner.scenario("lost")
    inner.tests(WEATHER.format(attribute="Billing") + '''

@pytest.mark.parametrize("n", range(4))
def test_seed(gale, n, worker_id):
    with open(f"seed-{n}", "w") as file:
        file.write(f"{worker_id} {gale._shared.seed}")
''')
    result = inner.run("-n", "2", *how)
    assert {"passed": 2 + 3 + 4} == result.parseoutcomes()
    seed = re.search(r"^galeproof: seed (\d+),", result.stdout.str(), re.M)[1]
    told = [path.read_text().split() for path in inner.pytester.path.glob("seed-*")]
    assert [seed] * 4 == [found for _, found in told]


def test_the_kept_run_of_a_test_can_be_judged(inner):
    """The folder that a failure names has facts, history and the scenario's name."""
    inner.adapter("NewKeys")
    inner.tests(WEATHER.format(attribute="NewKeys"))
    inner.run("-k", "reset-after-effect")
    (folder,) = (inner.pytester.path / ".galeproof" / "runs").iterdir()
    facts = json.loads((folder / "run.json").read_text())
    assert ["reset-after-effect"] == facts["scenarios"] == facts["kept"]
    done = inner.pytester.run(sys.executable, "-m", "galeproof", "judge", str(folder))
    assert 1 == done.ret
    done.stdout.fnmatch_lines(["FAIL*IDM002*"])


def test_importing_the_plugin_is_light(inner):
    """``galeproof.plugin`` alone brings in no HTTP client and no validation library."""
    inner.pytester.makepyfile(light='''
import sys
import pytest
before = set(sys.modules)
import galeproof.plugin
heavy = {"httpx", "httpcore", "pydantic", "pydantic_core", "requests", "urllib3", "yaml", "typer",
         "rich", "tenacity", "asyncio"}
print("brought", sorted(heavy & (set(sys.modules) - before)))
''')
    result = inner.pytester.runpython("light.py")
    result.stdout.fnmatch_lines(["brought []"])
