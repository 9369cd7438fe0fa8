"""Pact files that Pact's own tools pass in green, or misread, are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from galeproof.contract import ContractError, read_pact

COMMITTED = (
    Path(__file__).parents[3] / "contracts" / "pacts" / "galeproof-client-payments-api.json"
)
Change = Callable[[dict[str, Any]], Any]


def _drop_interactions(pact: dict[str, Any]) -> None:
    pact["interaction"] = pact.pop("interactions")


CHANGES: dict[str, Change] = {
    "no interactions": lambda pact: pact.update(interactions=[]),
    "interactions missing": lambda pact: pact.pop("interactions"),
    "interactions mistyped": _drop_interactions,
    "interactions no list": lambda pact: pact.update(interactions={}),
    "messages beside": lambda pact: pact.update(messages=[]),
    "unknown specification": lambda pact: pact["metadata"].update(
        pactSpecification={"version": "5.0"}
    ),
    "no specification": lambda pact: pact.pop("metadata"),
    "no provider": lambda pact: pact.pop("provider"),
    "empty consumer": lambda pact: pact.update(consumer={"name": ""}),
    "twice the same": lambda pact: pact["interactions"].append(pact["interactions"][0]),
    "another kind": lambda pact: pact["interactions"][0].update(type="Telepathy"),
    "unknown key": lambda pact: pact["interactions"][0].update(respons={}),
    "no method": lambda pact: pact["interactions"][0]["request"].pop("method"),
    "status too long": lambda pact: pact["interactions"][0]["response"].update(status=65736),
    "states no list": lambda pact: pact["interactions"][0].update(providerStates="x"),
    "nameless state": lambda pact: pact["interactions"][0].update(providerStates=[{}]),
}


def test_committed_pact_is_understood() -> None:
    """The committed pact is read with its names and every interaction."""
    pact = read_pact(COMMITTED)
    assert (pact.consumer, pact.provider) == ("galeproof-client", "payments-api")
    assert len(pact.interactions) == 25
    assert [pact.interactions[1]] == json.loads(pact.single(1))["interactions"]


@pytest.mark.parametrize("name", CHANGES)
def test_damaged_pact_is_refused(name: str, tmp_path: Path) -> None:
    """A pact of which something would not be verified is refused, and the file is named."""
    pact = json.loads(COMMITTED.read_text("utf-8"))
    CHANGES[name](pact)
    path = tmp_path / "pact.json"
    path.write_text(json.dumps(pact), "utf-8")
    with pytest.raises(ContractError, match=r"pact\.json"):
        read_pact(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"consumer": 1, "consumer": 2}', "\xff"])
def test_what_is_no_pact_is_refused(text: str, tmp_path: Path) -> None:
    """An empty file, an empty object, other JSON and a duplicate key are refused."""
    path = tmp_path / "pact.json"
    path.write_text(text, "latin-1")
    with pytest.raises(ContractError, match=r"pact\.json"):
        read_pact(path)


def test_folder_is_no_pact(tmp_path: Path) -> None:
    """A folder is refused: Pact would pass an empty one."""
    with pytest.raises(ContractError, match="no pact can be read"):
        read_pact(tmp_path)
