"""Accounts and credentials from the command line, and what the provider's page says of its routes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from contracts.provider.accounts import read_ledger
from contracts.provider.app import create_app
from contracts.provider.store import Store
from starlette.routing import Route
from tests.provider.running import ROOT, Running

SECRET, NEXT = "sk-canary-cli-0123456789", "sk-canary-cli-next-0123456789"


def accounts(url: str, *words: str, secret: str = "") -> subprocess.CompletedProcess[str]:
    """Run one command."""
    return subprocess.run(
        [sys.executable, "-m", "contracts.provider.accounts", url, *words], input=f"{secret}\n",
        capture_output=True, text=True, cwd=ROOT, timeout=60)


def test_a_key_is_made_and_revoked_by_command(running: Running, store: Store, database: str) -> None:
    """Two keys overlap, the first is revoked while the provider runs, and the ledger is printed."""
    running.start()

    def status(secret: str) -> int:
        headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": secret[-6:]}
        body = {"amount": 5, "currency": "EUR", "reference": "cli"}
        return httpx.post(f"{running.url}/payments", json=body, headers=headers, trust_env=False).status_code

    assert accounts(database, "add-key", "cli", secret=SECRET).returncode == 0
    assert accounts(database, "add-key", "cli", secret=NEXT).returncode == 0
    assert (status(SECRET), status(NEXT)) == (201, 201)
    assert accounts(database, "revoke-key", secret=SECRET).returncode == 0
    assert (status(SECRET), status(NEXT)) == (401, 201)
    told = accounts(database, "ledger")
    assert [json.loads(line) for line in told.stdout.splitlines()] == read_ledger(store)
    assert len(read_ledger(store)) == 1  # both secrets sent one key of one account


def test_a_client_is_made_by_command(running: Running, store: Store, database: str) -> None:
    """Its second secret works beside the first until the first is revoked."""
    running.start()

    def status(secret: str) -> int:
        form = {"grant_type": "client_credentials", "client_id": "cli", "client_secret": secret}
        return httpx.post(f"{running.url}/oauth/token", data=form, trust_env=False).status_code

    accounts(database, "add-client", "shop", "cli", secret=SECRET)
    accounts(database, "add-client-secret", "cli", secret=NEXT)
    assert (status(SECRET), status(NEXT)) == (200, 200)
    accounts(database, "revoke-client-secret", "cli", secret=SECRET)
    assert (status(SECRET), status(NEXT)) == (401, 200)


@pytest.mark.parametrize(("words", "secret", "code"), [(["add-key", "cli"], "short", 1), (["add-key"], SECRET, 2), (["x"], "", 2)])
def test_a_wrong_command_is_refused(tmp_path: Path, words: list[str], secret: str, code: int) -> None:
    """A short secret and an unknown command do nothing, and show no secret."""
    done = accounts(f"sqlite:///{tmp_path / 'p.db'}", *words, secret=secret)
    assert (done.returncode, "canary" in done.stdout + done.stderr) == (code, False)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PAYMENTS_API_RATE_PER_S": "-1"}, "rate_per_s: "),
        ({"PAYMENTS_API_CHARGES_SUNSET_AT": "2026-06-01T00:00:00Z"}, "charges_sunset_at: must be twelve months"),
        ({"PAYMENTS_API_DATABASE_URL": f"no-such://u:{SECRET}@h/d"}, "database_url: the database cannot be used"),
        ({"PAYMENTS_API_DATABASE_URL": f"sqlite:////no/{SECRET}/x.db"}, "database_url: the database cannot be used"),
    ],
)
def test_a_wrong_setting_is_one_clear_error(variables: dict[str, str], said: str) -> None:
    """The provider does not start, names the setting, and shows no value."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "contracts" / "provider" / "app.py")], capture_output=True, text=True,
        timeout=60, env={**os.environ, **variables})
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert ("Traceback" in done.stderr, "canary" in done.stderr) == (False, False)


def test_the_page_names_every_route() -> None:
    """docs/operating/provider.md has each route that the application serves."""
    page = (ROOT / "docs" / "operating" / "provider.md").read_text("utf-8")
    routes: list[Any] = [r for r in create_app().routes if isinstance(r, Route)]
    said = [f"{method} {route.path}" for route in routes for method in (route.methods or ()) if method != "HEAD"]
    assert len(said) == 7
    assert [route for route in said if f"`{route}" not in page] == []
