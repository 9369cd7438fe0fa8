"""Merging what many tests saw matched into one pact, in any order, or not at all."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from galeproof.contract import ContractError, merge_documents


def _part(name: str, state: str = "x", params: dict[str, Any] | None = None, **request: Any) -> dict[str, Any]:
    item = {"type": "Synchronous/HTTP", "description": name,
            "request": {"method": "GET", "path": "/", **request}, "response": {"status": 200},
            "providerStates": [{"name": state, **({"params": params} if params else {})}]}
    return {"consumer": "web", "provider": "things", "interactions": [item]}


def test_any_order_gives_the_same_bytes(tmp_path: Path) -> None:
    """All 24 orders of four parts, one of them twice."""
    parts = [_part("b"), _part("a", "y"), _part("a"), _part("b")]
    texts = {merge_documents(order, tmp_path, whole=True)[tmp_path / "web-things.json"]
             for order in itertools.permutations(parts)}
    (text,) = texts
    assert [("a", "x"), ("a", "y"), ("b", "x")] == [
        (i["description"], i["providerStates"][0]["name"]) for i in json.loads(text)["interactions"]]


@pytest.mark.parametrize("other", [_part("a", path="/other"), _part("a", params={"n": 1})])
def test_two_that_differ_are_a_conflict(other: dict[str, Any], tmp_path: Path) -> None:
    """Another request, and other parameters of the same state: Pact's own merge would keep one in silence."""
    with pytest.raises(ContractError, match="different things"):
        merge_documents([_part("a"), other], tmp_path, whole=True)


def test_each_pair_has_a_file(tmp_path: Path) -> None:
    """One consumer of two providers."""
    files = merge_documents([_part("a"), {**_part("a"), "provider": "others"}], tmp_path, whole=True)
    assert ["web-others.json", "web-things.json"] == sorted(path.name for path in files)


@pytest.mark.parametrize("part", [_part("a", headers={"Cookie": ["sid=1"]}), _part("a", "canary-7f3a")])
def test_a_secret_is_not_merged(part: dict[str, Any], tmp_path: Path) -> None:
    """A credential that is no placeholder, and a canary."""
    with pytest.raises(ContractError, match="secret"):
        merge_documents([part], tmp_path, whole=True)


def test_a_part_of_a_run_loses_nothing(tmp_path: Path) -> None:
    """It may add to a file; what is in it and did not run stops it; a whole run may drop it."""
    path = tmp_path / "web-things.json"
    path.write_text(merge_documents([_part("a")], tmp_path, whole=True)[path])
    assert path in merge_documents([_part("a"), _part("b")], tmp_path, whole=False)
    with pytest.raises(ContractError, match="'a', which did not run"):
        merge_documents([_part("b")], tmp_path, whole=False)
    assert path in merge_documents([_part("b")], tmp_path, whole=True)
