"""``await gale.arun()`` on the test's own loop: pytest-asyncio in both modes, anyio, trio."""

import pytest

TEST = '''
import asyncio

import pytest
import sniffio
from adapters import Billing, NewKeys

LOOPS = []


class AtHome(Billing):
    """Bound to the loop that it is used on."""

    async def create(self, ref, amount):
        LOOPS.append(sniffio.current_async_library())
        return await super().create(ref, amount)

    create.__galeproof_operation__ = Billing.create.__galeproof_operation__


class Broken(AtHome):
    keys = staticmethod(NewKeys.keys)


@pytest.fixture(params=["AtHome", "Broken"])
def gale_subject(request):
    return globals()[request.param]


@pytest.mark.scenario("lost.yaml")
{mark}
async def test_weather(gale, gale_subject):
    with_findings = gale_subject is Broken
    try:
        verdicts = await gale.arun()
    finally:
        assert {library!r} in LOOPS
    assert not with_findings and "IDM002" in [v.code for v in verdicts]
'''
WAYS = {
    "asyncio-strict": ("@pytest.mark.asyncio", "asyncio", ("-p", "no:anyio")),
    "asyncio-auto": ("", "asyncio", ("-p", "no:anyio", "-o", "asyncio_mode=auto")),
    "anyio": ("@pytest.mark.anyio", "asyncio", ("-p", "no:asyncio", "-k", "asyncio")),
    "trio": ("@pytest.mark.anyio", "trio", ("-p", "no:asyncio", "-k", "trio")),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_scenario_on_the_tests_own_loop(inner, way):
    """The subject's coroutines run on that loop; the sound one passes, the broken one fails."""
    mark, library, options = WAYS[way]
    inner.adapter()
    inner.scenario("lost")
    (inner.pytester.path / "lost.yaml").write_text(
        (inner.pytester.path / "scenarios" / "lost.yaml").read_text())
    inner.tests(TEST.replace("{mark}", mark).replace("{library!r}", repr(library)))
    result = inner.run("test_inner.py", *options)
    counts = result.parseoutcomes()
    counts.pop("deselected", None)
    counts.pop("warnings", None)
    assert {"passed": 1, "failed": 1} == counts
    result.stdout.fnmatch_lines(["*FAIL*IDM002*"])


def test_a_blocking_run_inside_a_running_loop(inner):
    """``gale.run()`` in an async test runs beside the loop, and blocks it."""
    inner.adapter()
    inner.scenario("lost")
    inner.tests('''
import pytest

@pytest.mark.asyncio
@pytest.mark.scenario("scenarios/lost.yaml")
async def test_weather(gale):
    assert gale.run()
''')
    assert {"passed": 1} == inner.run("test_inner.py").parseoutcomes()


@pytest.mark.parametrize("how", ["load", "each-of-three"])
def test_workers_share_one_run_of_a_scenario(inner, how):
    """However xdist deals the items, a scenario file is run once, and every worker tells the same."""
    inner.adapter("NewKeys")
    with (inner.pytester.path / "adapters.py").open("a") as text:
        text.write('\nclass Counted(NewKeys):\n'
                   "    def __init__(self, base_url, secrets):\n"
                   "        super().__init__(base_url, secrets)\n"
                   '        open("made", "a").write("x")\n')
    toml = inner.pytester.path / "galeproof.toml"
    toml.write_text(toml.read_text().replace("NewKeys", "Counted"))
    inner.scenario("lost")
    options = ("-n", "3", "--dist", "load") if how == "load" else ("-n", "3", "--dist", "worksteal")
    result = inner.run(*options)
    assert {"passed": 2, "failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["FAILED*lost.yaml::IDM002*"])
    assert "x" == (inner.pytester.path / "made").read_text()
    assert [] == list((inner.pytester.path / ".galeproof").glob(".workers-*"))


def test_settings_choose_and_weigh(inner):
    """What is ignored is no item; a finding below ``fail_on`` is a warning."""
    inner.adapter("NewKeys")
    toml = inner.pytester.path / "galeproof.toml"
    toml.write_text('ignore = ["SEC"]\nseverity = {IDM002 = "minor"}\n' + toml.read_text())
    inner.scenario("lost")
    result = inner.run()
    assert {"passed": 2, "warnings": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*FAIL*IDM002*minor*"])


def test_a_kept_run_is_replayed_with_its_seed(inner):
    """``--galeproof-replay RUN`` takes seed, engine and scenarios of that run."""
    inner.adapter()
    inner.scenario("lost-one")
    inner.scenario("lost-two")
    inner.tests('''
import pytest

@pytest.mark.scenario("scenarios/lost-one.yaml")
def test_weather(gale):
    gale.run()
    path = gale._shared.keep(__import__("galeproof.runner").runner.Judged(gale.history), "",
                             __import__("galeproof.plugin.share").plugin.share.facts_of(
                                 gale.history, gale._shared))
    print("KEPT", path)
''')
    first = inner.run("test_inner.py", "-s", "--galeproof-seed", "77")
    path = next(line.split()[-1] for line in first.outlines if "KEPT" in line)
    again = inner.run("scenarios", "--galeproof-replay", path)
    assert {"passed": 3} == again.parseoutcomes()
    again.stdout.fnmatch_lines(["galeproof: seed 77*"])
    assert 4 == inner.run("--galeproof-replay", "nowhere").ret
