"""Pacts that another tool has written: pact-js, versions 2, 3 and 4 (tests/wire/pact_js)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.wire.contract_rig import provider

from galeproof.contract import verify_provider

pytest.importorskip("pact")

HERE = Path(__file__).parent / "pact_js"
WRITTEN = HERE / "written"
JSON = {"Content-Type": "application/json"}
ANSWERS: dict[str, Any] = {
    "two": {"id": 7, "name": "zz", "list": [{"n": 3}, {"n": 4}]},
    "three": {"i": 9, "d": 2.25, "n": 8, "b": False, "z": None, "s": "ax", "t": "2026-12-24", "l": [5, 6], "r": "z",
              "u": "00000000-0000-4000-8000-000000000000", "e": "same"},
    "four": {"id": "z", "many": [{"n": 4}, {"n": 5}]}, "bytes": None,
}
NAMES = {"web2": ["two"], "web3": ["three"], "web4": ["four", "four, binary"]}


def _verify(path: Path, answers: Mapping[str, Any]) -> tuple[dict[str, bool], list[tuple[str, str]]]:
    seen: list[tuple[str, str]] = []

    def answer(method: str, target: str, got: Mapping[str, str], sent: bytes) -> Any:
        if target == "/states":
            return 204, {}, b""
        seen.append((method, target))
        found = answers[target.strip("/").partition("?")[0]]
        return 200, JSON, json.dumps(found).encode() if found is not None else b""

    with provider(answer) as url:
        results = verify_provider(url, path, f"{url}/states", provider="things")
    return {r.description: r.passed for r in results}, seen


@pytest.mark.parametrize("consumer", NAMES)
def test_each_interaction_is_verified(consumer: str) -> None:
    """As many as the tool wrote, each sent once, by the rules that it wrote."""
    passed, seen = _verify(WRITTEN / f"{consumer}-things.json", ANSWERS)
    assert dict.fromkeys(NAMES[consumer], True) == passed
    assert len(NAMES[consumer]) == len(seen)


@pytest.mark.parametrize(("consumer", "name", "member", "value"), [
    ("web2", "two", "list", []), ("web2", "two", "name", "9"), ("web3", "three", "d", 1), ("web3", "three", "u", "no"),
    ("web3", "three", "r", "Z"), ("web4", "four", "many", [{"n": 1.5}])])
def test_a_rule_that_does_not_hold_fails(consumer: str, name: str, member: str, value: Any) -> None:
    """Types, patterns, lists: each can fail."""
    passed, _ = _verify(WRITTEN / f"{consumer}-things.json", {**ANSWERS, name: {**ANSWERS[name], member: value}})
    assert not passed[name]


@pytest.mark.full
def test_the_kept_files_are_what_the_tool_writes(tmp_path: Path) -> None:
    """Installed and run anew; needs npm."""
    if not shutil.which("npm"):
        pytest.skip("no npm on PATH")
    for name in ("package.json", "write.mjs"):
        shutil.copy(HERE / name, tmp_path)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=tmp_path, check=True, timeout=300)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["node", "write.mjs", str(out)], cwd=tmp_path, check=True, timeout=120)
    for path in sorted(WRITTEN.iterdir()):
        assert json.loads(path.read_text("utf-8")) == json.loads((out / path.name).read_text("utf-8"))
