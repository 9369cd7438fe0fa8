"""Answers for scenarios, taken from a pact file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from galeproof.contract import ContractError, answer_of

PACT = Path(__file__).parents[3] / "contracts" / "pacts" / "galeproof-client-payments-api.json"


def test_an_answer_is_the_contracts_with_this_runs_values() -> None:
    """Status and example body, one member a placeholder."""
    found = answer_of(PACT, "a payment is created", id="{effect}")
    assert {"answer", "status"} == set(found)
    assert (201, "{effect}", 1250) == (found["status"], found["answer"]["id"], found["answer"]["amount"])


def test_further_headers_come_along() -> None:
    """What the contract says of headers, Content-Type apart."""
    found = answer_of(PACT, "a charge by the old route")
    assert {"Deprecation", "Sunset"} == set(found["headers"])


@pytest.mark.parametrize(("name", "more", "word"), [
    ("a payment", {}, "0 interactions"), ("a payment is created", {"state": "no"}, "0 interactions"),
    ("a payment is created", {"ref": "{ref}"}, "no member 'ref'")])
def test_what_the_pact_does_not_have_is_refused(name: str, more: dict[str, Any], word: str) -> None:
    """Another description, another state, a member that is not there."""
    with pytest.raises(ContractError, match=word):
        answer_of(PACT, name, **more)
