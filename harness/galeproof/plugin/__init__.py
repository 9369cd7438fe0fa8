"""The pytest plugin ``galeproof``. Imports nothing heavy until a test uses it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from galeproof.plugin.gale import Gale
    from galeproof.plugin.payments_fixture import FakePayments
    from galeproof.plugin.share import Shared

__all__ = ["gale", "gale_payments", "gale_subject", "pytest_addoption", "pytest_collect_file",
           "pytest_configure", "pytest_generate_tests", "pytest_report_header", "pytest_runtest_call",
           "pytest_unconfigure"]

_SHARED = "_galeproof_shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options."""
    group = parser.getgroup("galeproof", "storms for HTTP API clients")
    group.addoption("--galeproof-engine", default="auto",
                    help="auto, toxiproxy, embedded, or a Toxiproxy's URL")
    group.addoption("--galeproof-seed", type=int, default=None, help="seed of the run")
    group.addoption("--galeproof-replay", metavar="RUN", default=None,
                    help="seed, engine and scenarios of a kept run")
    group.addoption("--galeproof-output", default=".galeproof", help="where runs are kept")
    group.addoption("--galeproof-effort", choices=("quick", "ci", "nightly"), default="quick",
                    help="ci, nightly: the harness checks itself first, with a sound client and a defective "
                         "one")
    group.addoption("--galeproof-scenario", action="append", default=[],
                    help="only these scenarios; contract tests run again under each of them")
    group.addoption("--galeproof-provider", metavar="URL", default=None,
                    help="collect the pacts in folders called pacts, an item an interaction, and verify this "
                         "provider")
    group.addoption("--galeproof-states", metavar="URL|FILE", default=None,
                    help="where provider states are set, or a Python file with their handlers")
    group.addoption("--galeproof-pacts", metavar="FOLDER", default="pacts",
                    help="where the pact of a whole, green run is written")


def pytest_configure(config: pytest.Config) -> None:
    """Register markers, and settle the seed: the controller draws it, workers are given it."""
    config.addinivalue_line("markers", "scenario(*names): run this test in these scenarios")
    config.addinivalue_line("markers", "contract(*storms): gale.contract: calm air, then each storm")
    config.addinivalue_line("markers", "profile(**promises): what the subject promises")
    config.addinivalue_line("markers", "expect_unknown(*codes): these may end UNKNOWN")
    given = getattr(config, "workerinput", {}).get("galeproof_seed")
    seed = config.getoption("--galeproof-seed")
    replayed = config.getoption("--galeproof-replay")
    if replayed is not None:
        facts = _kept(Path(replayed))
        seed = facts["seed"] if seed is None else seed
        config.option.galeproof_scenario = config.option.galeproof_scenario or facts["scenarios"]
        if config.option.galeproof_engine == "auto":
            config.option.galeproof_engine = facts.get("engine_option", "auto")
    if seed is None:
        seed = given
    if seed is None:
        import secrets

        seed = secrets.randbelow(2**31)
    config.stash[_seed_key] = seed
    from galeproof.plugin.pacts import Pacts

    config.pluginmanager.register(Pacts(config), "galeproof-pacts")


def _kept(path: Path) -> dict[str, Any]:
    import json

    try:
        facts = json.loads((path / "run.json").read_text("utf-8"))
        facts["seed"] = int(facts["seed"])
        # a storm inside a test is named after the test
        facts["scenarios"] = [str(name) for name in facts["scenarios"] if "::" not in str(name)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise pytest.UsageError(f"--galeproof-replay {path}: not a kept run ({error})") from None
    return dict(facts)


_seed_key = pytest.StashKey[int]()
_runs_key = pytest.StashKey[set[str]]()
_shared_key = pytest.StashKey["Shared"]()
_gale_key = pytest.StashKey["Gale"]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give an xdist worker the controller's seed."""
    node.workerinput["galeproof_seed"] = node.config.stash[_seed_key]
    node.config.stash.setdefault(_runs_key, set()).add(node.workerinput["testrunuid"])


def pytest_report_header(config: pytest.Config) -> str:
    """Show seed and engine option."""
    return (f"galeproof: seed {config.stash[_seed_key]}, "
            f"engine {config.getoption('--galeproof-engine')}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the world of this worker; the controller removes what workers shared."""
    shared = config.stash.get(_shared_key, None)
    if shared is not None:
        shared.close()
    for uid in config.stash.get(_runs_key, ()):
        shutil.rmtree(Path(config.getoption("--galeproof-output")) / f".workers-{uid}",
                      ignore_errors=True)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect scenario files (YAML in a folder called ``scenarios``), and pacts where a provider is named."""
    if file_path.suffix == ".json" and file_path.parent.name == "pacts":
        if parent.config.getoption("--galeproof-provider") is None:
            return None
        from galeproof.plugin.provider_items import ProviderFile

        pacts: pytest.Collector = ProviderFile.from_parent(parent, path=file_path)
        return pacts
    if file_path.suffix not in (".yaml", ".yml") or file_path.parent.name != "scenarios":
        return None
    wanted = parent.config.getoption("--galeproof-scenario")
    if wanted and file_path.stem not in wanted:
        return None
    from galeproof.plugin.items import ScenarioFile

    collector: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
    return collector


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one item a scenario of ``@pytest.mark.scenario``, and of a contract one in calm air too."""
    contract = metafunc.definition.get_closest_marker("contract")
    if contract and "gale" in metafunc.fixturenames:
        storms = metafunc.config.getoption("--galeproof-scenario") or contract.args
        names: list[str | None] = [None, *storms]
        metafunc.parametrize("gale", names, indirect=True, ids=["contract", *storms])
        return
    marker = metafunc.definition.get_closest_marker("scenario")
    if marker and "gale" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--galeproof-scenario")
        names = [name for name in marker.args if not wanted or name in wanted]
        metafunc.parametrize("gale", names, indirect=True, ids=names)


def _common(config: pytest.Config) -> Path | None:
    """The folder that the workers of this test run share."""
    uid = getattr(config, "workerinput", {}).get("testrunuid")
    return Path(config.getoption("--galeproof-output")) / f".workers-{uid}" if uid else None


def shared_of(config: pytest.Config) -> Shared:
    """Return this worker's world and settings, made when first asked for."""
    shared = config.stash.get(_shared_key, None)
    if shared is None:
        from galeproof.plugin.share import Shared

        shared = Shared(engine=config.getoption("--galeproof-engine"),
                        seed=config.stash[_seed_key],
                        output=Path(config.getoption("--galeproof-output")),
                        root=config.rootpath, common=_common(config),
                        checked=config.getoption("--galeproof-effort") != "quick")
        config.stash[_shared_key] = shared
    return shared


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """A test that passed must have met every fault that it planned."""
    result = yield
    made = item.stash.get(_gale_key, None)
    if made is not None:
        made.settle_remaining()
    return result


@pytest.fixture
def gale_subject() -> Any:
    """The subject of ``gale.run()``: override it, or name one in the settings."""
    return None


@pytest.fixture
def gale(request: pytest.FixtureRequest, gale_subject: Any) -> Iterator[Gale]:
    """A storm for this test: isolated, on ports of its own run."""
    from galeproof.plugin.gale import Gale

    scenario = getattr(request, "param", None)
    promises: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers("profile"))):
        promises |= marker.kwargs
    unknown = {code for m in request.node.iter_markers("expect_unknown") for code in m.args}
    made = Gale(shared_of(request.config), request.node.nodeid, gale_subject, scenario, promises,
                frozenset(unknown), request.node)
    request.node.stash[_gale_key] = made
    try:
        yield made
    finally:
        made.close()
    if made.contracts and scenario is None:
        from galeproof.plugin.pacts import keep

        keep(request.node, made.fragments)


@pytest.fixture
def gale_payments() -> Iterator[FakePayments]:
    """A payments API in memory for tests of code that uses ``PaymentsClient`` (extra ``respx``)."""
    from galeproof.plugin.payments_fixture import fake_payments

    with fake_payments() as made:
        yield made
