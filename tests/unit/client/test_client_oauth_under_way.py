"""What happens to callers while a token is on its way: a revocation, a close, a rotated secret."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
from tests.unit.client.oauth_rig import Authority, get, run

from galeproof.client import (
    CredentialUnavailable,
    Payment,
    PaymentsClient,
)


def test_a_revocation_ends_who_still_waits_for_a_token(authority: Authority) -> None:
    """A token that comes after it is given back, and nothing is sent with it."""

    async def call(client: PaymentsClient) -> Any:
        waiting = asyncio.create_task(get(client))
        while not authority.forms:
            await asyncio.sleep(0)
        await client.revoke_credentials()
        return await waiting

    result = run(authority, call)
    assert (result.code, authority.used) == ("credential_revoked", [])
    assert authority.revoked == ["sk-canary-token-1"]


def test_closing_ends_who_waits_for_a_token_with_an_error_of_ours(authority: Authority) -> None:
    """A caller that was not cancelled sees no CancelledError."""

    async def call(client: PaymentsClient) -> Any:
        waiting = asyncio.create_task(get(client))
        while not authority.forms:
            await asyncio.sleep(0)
        await client.aclose()
        return await asyncio.gather(waiting, return_exceptions=True)

    (result,) = run(authority, call)
    assert (type(result), result.code) == (CredentialUnavailable, "client_closed")


def test_a_secret_rotated_in_an_outage_is_used_at_the_next_attempt(
    authority: Authority, tmp_path: Path
) -> None:
    """Once there is a new client secret, the old one is not sent again."""
    path = tmp_path / "secret"
    path.write_text("sk-canary-one")
    authority.refusals = [httpx.Response(503)]

    async def call(client: PaymentsClient) -> Any:
        waiting = asyncio.create_task(get(client))
        while not authority.forms:
            await asyncio.sleep(0)
        path.write_text("sk-canary-the-second")
        return await waiting

    oauth = {"client_secret": None, "client_secret_file": str(path), "client_auth": "body"}
    assert type(run(authority, call, oauth)) is Payment
    assert [f["client_secret"] for f in authority.forms] == ["sk-canary-one", "sk-canary-the-second"]
