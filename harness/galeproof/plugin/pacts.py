"""The pact files of a test run: fragments of passed tests, merged by one process, or nothing at all.

A fragment rides on its test's report, so that xdist's controller has what its workers saw. A file is
written only where every contract test passed in calm air and none was left out; else the old one stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from galeproof.contract import Fragment

__all__ = ["Pacts", "STAMP", "keep"]

STAMP = "contracts.json"
_ATTRIBUTE = "galeproof_contract"
_LEFT_OUT = "galeproof_left_out"
_key = pytest.StashKey[list[dict[str, Any]]]()
# options by which pytest runs less than everything, some of them without a word of what it left out
_NARROWING = ("lf", "stepwise", "deselect", "ignore", "ignore_glob", "pyargs")


def keep(item: pytest.Item, fragments: Sequence[Fragment]) -> None:
    """Hang a test's fragments on it, for its reports."""
    item.stash[_key] = [
        {"consumer": one.interaction.consumer, "provider": one.interaction.provider,
         "interactions": list(one.document["interactions"])} for one in fragments]


class Pacts:
    """Hooks of one process of a test run; only the controller (or the one process) writes."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._worker = hasattr(config, "workerinput")
        self._found: list[dict[str, Any]] = []
        self._why: list[str] = []  # why nothing may be written
        self._left_out = 0
        self._seen = False
        self._lines: list[tuple[str, bool]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Put the fragments of a calm contract test on the report of its teardown."""
        report = yield
        if _calm(item):
            setattr(report, _ATTRIBUTE, item.stash.get(_key, []) if report.when == "teardown" else [])
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one report, wherever the test ran."""
        fragments = getattr(report, _ATTRIBUTE, None)
        if fragments is None:
            return
        self._seen = True
        self._found += fragments
        if not report.passed or hasattr(report, "wasxfail"):
            self._why.append(f"{report.nodeid} {report.outcome}")
        elif report.when == "teardown" and not fragments:
            self._why.append(f"{report.nodeid} held no contract")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take a failed collection: nobody knows what was in it."""
        if report.failed:
            self._why.append(f"{report.nodeid or 'collection'} could not be collected")

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count contract tests that -k, -m, --lf or --deselect left out."""
        self._left_out += sum(1 for item in items if _calm(item))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take what a worker left out."""
        told = getattr(node, "workeroutput", {})
        self._left_out = max(self._left_out, int(told.get(_LEFT_OUT, 0)))
        if error:
            self._why.append(f"a worker died: {error}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write, or say why not."""
        if self._worker:
            self._config.workeroutput[_LEFT_OUT] = self._left_out  # type: ignore[attr-defined]
            return
        if not self._seen or self._config.option.collectonly:
            return
        why = [*self._why, *self._narrowed()]
        if exitstatus not in (0, 1):
            why.append(f"the run ended with {int(exitstatus)}")
        written: dict[str, str] = {}
        if not why:
            written, why = self._write()
            if why:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if why:
            more = f" (and {len(why) - 1} more)" if len(why) > 1 else ""
            self._lines.append((f"galeproof: no pact written: {why[0]}{more}", True))
        self._stamp(written, why)

    def _narrowed(self) -> list[str]:
        option = self._config.option
        why = [f"--{name.replace('_', '-')} leaves tests out" for name in _NARROWING
               if getattr(option, name, None)]
        if self._left_out:
            why.append(f"{self._left_out} contract tests were left out")
        if any("::" in str(arg) for arg in self._config.args):
            why.append("only some tests were named")
        return why

    def _write(self) -> tuple[dict[str, str], list[str]]:
        """Return what was written, by path, or why not."""
        from galeproof.contract import ContractError, merge_documents

        folder = self._config.rootpath / self._config.getoption("--galeproof-pacts")
        whole = self._config.args_source is not pytest.Config.ArgsSource.ARGS
        try:
            files = merge_documents(self._found, folder, whole=whole)
        except ContractError as error:
            return {}, [str(error)]
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.draft")
            draft.write_text(text, "utf-8")
            draft.replace(path)
            count = len(json.loads(text)["interactions"])
            self._lines.append((f"galeproof: {path}: {count} interactions", False))
        return {str(p): hashlib.sha256(t.encode()).hexdigest() for p, t in files.items()}, []

    def _stamp(self, written: dict[str, str], why: list[str]) -> None:
        """Leave word for `galeproof pact publish`, which takes only the pacts of a whole, green run."""
        path = self._config.rootpath / Path(self._config.getoption("--galeproof-output")) / STAMP
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"schema": 1, "pacts": written, "refused": why}, indent=2) + "\n", "utf-8")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was written."""
        for line, red in self._lines:
            terminalreporter.write_line(line, red=red)


def _calm(item: pytest.Item) -> bool:
    """Whether an item holds a contract in calm air."""
    if item.get_closest_marker("contract") is None:
        return False
    params = getattr(item, "callspec", None)
    return params is None or params.params.get("gale") is None
