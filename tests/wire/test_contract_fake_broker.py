"""Publishing, verifying from and asking a broker, against a fake one that speaks its protocol."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.wire.contract_rig import interaction, pact, provider
from tests.wire.fake_broker import FakeBroker, fake_broker

from galeproof.cli.versions import Version
from galeproof.contract import ContractError
from galeproof.contract.broker import Broker
from galeproof.contract.verify import InteractionResult

pytest.importorskip("pact")
needs_cli = pytest.mark.skipif(not Path(sys.executable).with_name("pact").exists(), reason="no pact-python-cli")

ROOT = Path(__file__).parents[2]
TWO = pact(interaction("one"), interaction("two"))


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    with fake_broker() as made:
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository of a consumer whose last run of tests was whole and green."""
    for words in (["init", "-q", "-b", "trunk"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words], cwd=tmp_path,
                       check=True)
    path = tmp_path / "pacts" / "web-things.json"
    path.parent.mkdir()
    path.write_text(json.dumps(TWO))
    _stamp(tmp_path, {str(path): hashlib.sha256(path.read_bytes()).hexdigest()})
    return tmp_path


def _stamp(folder: Path, pacts: dict[str, str], *refused: str) -> None:
    (folder / ".galeproof").mkdir(exist_ok=True)
    (folder / ".galeproof" / "contracts.json").write_text(json.dumps({"pacts": pacts, "refused": list(refused)}))


def galeproof(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "harness")}
    return subprocess.run([sys.executable, "-m", "galeproof", *words], cwd=folder, text=True, capture_output=True,
                          timeout=120, check=False, env=environment)


def _head(folder: Path) -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, text=True, capture_output=True,
                          check=True).stdout.strip()


@needs_cli
def test_a_whole_green_run_is_published_to_the_fake_broker(project: Path, broker: FakeBroker) -> None:
    """With git's commit and branch, and what is there is looked at."""
    done = galeproof(project, "pact", "publish", "--broker", broker.url)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert [("web", "things", _head(project))] == list(broker.pacts)
    assert ["trunk"] == broker.branches


@pytest.mark.full
@needs_cli
def test_a_fake_broker_that_loses_an_interaction_is_found_out(project: Path, broker: FakeBroker) -> None:
    """The tool says success; one of two interactions is there."""
    broker.loses = True
    done = galeproof(project, "pact", "publish", "--broker", broker.url)
    assert (2, True) == (done.returncode, "1 interactions, and 2 were published" in done.stderr)


@pytest.mark.full
@pytest.mark.parametrize(("refused", "word"), [
    (["2 contract tests were left out"], "left out"), (["test_x failed"], "failed"), ([], "wrote no pact")])
def test_a_partial_or_red_run_is_not_published(project: Path, broker: FakeBroker, refused: list[str], word: str
                                               ) -> None:
    """After -k, filters or failures: an error, and the broker hears nothing."""
    _stamp(project, {}, *refused)
    done = galeproof(project, "pact", "publish", "--broker", broker.url)
    assert (2, True, {}) == (done.returncode, word in done.stderr, broker.pacts)


@pytest.mark.full
@pytest.mark.parametrize("change", ["edited", "no run", "uncommitted"])
def test_what_no_run_wrote_is_not_published(project: Path, broker: FakeBroker, change: str) -> None:
    """A file that was edited since, a folder without a run, and changes that are in no commit."""
    if change == "edited":
        (project / "pacts" / "web-things.json").write_text(json.dumps(pact(interaction("one"))))
    elif change == "no run":
        (project / ".galeproof" / "contracts.json").unlink()
    else:
        (project / "code.py").write_text("x = 1\n")
        subprocess.run(["git", "add", "code.py"], cwd=project, check=True)
    done = galeproof(project, "pact", "publish", "--broker", broker.url)
    assert (2, {}) == (done.returncode, broker.pacts)


@pytest.mark.full
@pytest.mark.parametrize("words", [["publish"], ["can-i-deploy", "web", "--to-environment", "x"]])
def test_an_unreachable_broker_is_an_error(project: Path, words: list[str]) -> None:
    """At once: Pact's own tool would ask again for a minute."""
    done = galeproof(project, "pact", *words, "--broker", "http://127.0.0.1:9")
    assert (2, True) == (done.returncode, "cannot be reached" in done.stderr)


@needs_cli
@pytest.mark.full
@pytest.mark.parametrize(("word", "words"), [
    ("/contracts/publish", ["publish"]), ("/matrix", ["can-i-deploy", "web", "--to-environment", "x"])])
def test_a_refusing_fake_broker_is_an_error(project: Path, broker: FakeBroker, word: str, words: list[str]
                                            ) -> None:
    """Never exit code 0, after a minute of the tool's own attempts."""
    broker.refuses = (word,)
    assert 0 != galeproof(project, "pact", *words, "--broker", broker.url).returncode


def _verify(url: str, broker: FakeBroker, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return galeproof(folder, "verify-provider", url, "--provider", "things", "--broker", broker.url, *words)


def test_results_reach_the_fake_broker(project: Path, broker: FakeBroker) -> None:
    """Both pacts of the broker, success and branch; a failing provider publishes failure, and exits 1."""
    broker.pacts["web", "things", "1"] = TWO
    with provider(lambda *_: (200, {}, b"")) as url:
        done = _verify(url, broker, project, "--publish")
    assert (0, [True]) == (done.returncode, [r["success"] for r in broker.results]), done.stderr
    assert [f"/pacticipants/things/branches/trunk/versions/{_head(project)}"] == broker.branches
    with provider(lambda *_: (500, {}, b"")) as url:
        done = _verify(url, broker, project, "--publish")
    assert (1, [True, False]) == (done.returncode, [r["success"] for r in broker.results])


@pytest.mark.full
@pytest.mark.parametrize("words", [["--only", "one"], ["--only", "nothing"], ["--consumer", "web"],
                                   ["--state", "x"]])
def test_a_filtered_verification_is_not_published(project: Path, broker: FakeBroker, words: list[str]) -> None:
    """Pact's own verifier posts success after a filter that left nothing."""
    broker.pacts["web", "things", "1"] = TWO
    with provider(lambda *_: (200, {}, b"")) as url:
        done = _verify(url, broker, project, "--publish", *words)
    assert (2, []) == (done.returncode, broker.results)


@pytest.mark.full
@pytest.mark.parametrize(("pacts", "refuses", "word"), [
    ({}, (), "has no pact for provider 'things'"),
    ({("web", "things", "1"): {}}, (), "metadata"),
    ({("web", "things", "1"): TWO}, ("verification-results",), "answered 500"),
    ({("web", "things", "1"): TWO}, ("/branches/",), "answered 500"),
    ({("web", "things", "1"): {**TWO, "provider": {"name": "others"}}}, (), "no pact for provider 'things'"),
])
def test_what_a_fake_broker_withholds_is_an_error(
    project: Path, broker: FakeBroker, pacts: dict[Any, Any], refuses: tuple[str, ...], word: str
) -> None:
    """An empty selection, an empty pact, a result or a branch that it does not take, another's pact."""
    broker.pacts, broker.refuses = pacts, refuses
    with provider(lambda *_: (200, {}, b"")) as url:
        done = _verify(url, broker, project, "--publish")
    assert (2, True) == (done.returncode, word in done.stderr), done.stdout + done.stderr


def test_what_is_no_broker_is_an_error() -> None:
    """A page, and JSON that is no HAL."""
    for body in (b"<html>", b"[]", b"{}"):
        with provider(lambda *_, body=body: (200, {}, body)) as url, Broker(url) as asked, pytest.raises(
                ContractError, match="no broker"):
            asked.pacts("things")


def test_a_part_is_never_published(broker: FakeBroker) -> None:
    """One result of two, none, and twice the same."""
    broker.pacts["web", "things", "1"] = TWO
    with Broker(broker.url) as asked:
        (found,) = asked.pacts("things")
        one, two = (InteractionResult(n, (), True, number=k) for k, n in enumerate(("one", "two")))
        for part in ([one], [], [one, one], [two, one]):
            with pytest.raises(ContractError, match="not published"):
                asked.publish_result(found, part, "1", None)
        assert asked.publish_result(found, [one, two], "1", None)
    assert 1 == len(broker.results)


@pytest.mark.full
@needs_cli
def test_can_i_deploy_asks_the_fake_broker(project: Path, broker: FakeBroker) -> None:
    """Yes with a green row, no with a red one, and no yes without any row."""
    broker.pacts["web", "things", "1"] = TWO
    words = ("pact", "can-i-deploy", "web", "--to-environment", "production", "--broker", broker.url)
    broker.results = [{"success": True, "providerApplicationVersion": "7"}]
    done = galeproof(project, *words)
    assert 0 == done.returncode, done.stdout + done.stderr
    broker.results = [{"success": False, "providerApplicationVersion": "7"}]
    assert 1 == galeproof(project, *words).returncode
    broker.rows = False
    assert 5 == galeproof(project, *words).returncode


def test_a_detached_commit_takes_its_branch_from_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a CI system checks it out."""
    subprocess.run(["git", "checkout", "-q", "--detach"], cwd=project, check=True)
    monkeypatch.chdir(project)
    monkeypatch.setenv("GITHUB_HEAD_REF", "topic")
    assert "topic" == Version.of_here().branch
