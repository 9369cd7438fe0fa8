"""The reference client as a subject of this project's own settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from galeproof.client import ClientSettings
from galeproof.client.policy import policy_of
from galeproof.model import parse_profile
from galeproof.runner.config import load_config

ROOT = Path(__file__).parents[2]
NAMES = ("reference", "reference-oauth", "reference-blocking", "reference-httpx2", "reference-blocking-httpx2")


def test_both_forms_on_both_libraries_are_subjects() -> None:
    """Async and blocking, httpx and httpx2: each is run by its name."""
    assert set(NAMES) <= set(load_config(ROOT).subjects)


@pytest.mark.parametrize("name", NAMES)
def test_each_promises_what_the_client_promises(name: str) -> None:
    """What is judged is the client's own policy, whole: no key is left out, or says something else."""
    promised = parse_profile(policy_of(ClientSettings(base_url="https://pay.example", api_key="-")))
    given = load_config(ROOT).subject(name).profile
    assert promised.model_fields_set == given.model_fields_set
    for key in given.model_fields_set:
        assert getattr(given, key) == getattr(promised, key), key
