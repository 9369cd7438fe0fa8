"""OAuth 2.0: one refresh however many wait, rotation, revocation, scopes, and no loops."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.client.oauth_rig import Authority, Shifted, fifty, get, run

from galeproof.client import (
    AuditEvent,
    AuthenticationFailed,
    ClientError,
    CredentialUnavailable,
    Payment,
    PaymentsClient,
    Unavailable,
)


def test_fifty_calls_without_a_token_get_one(authority: Authority) -> None:
    """Concurrent first calls cause one token request."""
    results = run(authority, fifty)
    assert ({type(r) for r in results}, len(authority.forms)) == ({Payment}, 1)


@pytest.mark.parametrize("rotates", [False, True])
def test_fifty_calls_with_an_expired_token_refresh_once(authority: Authority, rotates: bool) -> None:
    """A token that the provider no longer knows is replaced once, for all; no operation is lost."""
    authority.rotates = rotates

    async def call(client: PaymentsClient) -> list[Any]:
        await get(client)
        authority.valid = set()
        return await fifty(client)

    results = run(authority, call, {"refresh_token": "sk-canary-refresh-0"})
    assert ({type(r) for r in results}, len(authority.forms)) == ({Payment}, 2)
    sent = [form["refresh_token"] for form in authority.forms]
    assert len(set(sent)) == (2 if rotates else 1)


def test_a_token_is_replaced_before_it_expires(authority: Authority) -> None:
    """What ends within the margin is not sent any more."""
    clock = Shifted()

    async def call(client: PaymentsClient) -> Any:
        await get(client)
        clock.ahead_s = 269.0
        await get(client)
        clock.ahead_s = 271.0
        return await get(client)

    assert type(run(authority, call, clock=clock)) is Payment
    assert len(authority.forms) == 2
    assert [authority.used.count(token) for token in dict.fromkeys(authority.used)] == [2, 1]


def test_a_cancelled_caller_does_not_take_the_refresh_down(authority: Authority) -> None:
    """The refresh goes on for the others when the caller that began it gives up."""

    async def call(client: PaymentsClient) -> Any:
        first = asyncio.create_task(get(client))
        while not authority.forms:
            await asyncio.sleep(0)
        second = asyncio.create_task(get(client))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert type(run(authority, call)) is Payment
    assert len(authority.forms) == 1


def test_a_fresh_token_that_is_refused_ends_it(authority: Authority) -> None:
    """Refused with a new token too: two attempts, one refresh, an authentication error."""

    async def call(client: PaymentsClient) -> Any:
        await client._credential.token("payments:read", "-")
        authority.token = refuse  # type: ignore[method-assign]
        authority.valid = set()
        return await get(client)

    async def refuse(request: httpx.Request) -> httpx.Response:
        authority.forms.append({})
        return httpx.Response(200, json={"access_token": "sk-canary-x", "token_type": "bearer"})

    result = run(authority, call)
    assert (type(result), result.attempts, len(authority.forms)) == (AuthenticationFailed, 2, 2)


def test_refreshes_that_are_refused_do_not_loop(authority: Authority) -> None:
    """A brand-new token that is refused is not replaced again by every caller."""
    authority.valid = set()

    async def call(client: PaymentsClient) -> list[Any]:
        results = []
        for _ in range(5):
            await client._credential.token("payments:read", "-")
            authority.valid = set()
            results.append(await get(client))
        return results

    results = run(authority, call, {"refresh_every_s": 60.0})
    assert ({type(r) for r in results}, len(authority.forms)) == ({AuthenticationFailed}, 1)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), "invalid_grant"),
        (httpx.Response(401, json={"error": "invalid_client"}), "invalid_client"),
        (httpx.Response(403), "http_403"),
    ],
)
def test_a_revoked_grant_is_not_asked_for_again(authority: Authority, answer: Any, code: str) -> None:
    """A definitive refusal is remembered: fifty callers and later ones cause one request."""
    authority.refusals = [answer] * 100

    async def call(client: PaymentsClient) -> list[Any]:
        return [*await fifty(client), await get(client)]

    results = run(authority, call)
    assert {(type(r), r.code, r.attempts) for r in results} == {(CredentialUnavailable, code, 0)}
    assert (len(authority.forms), authority.used) == (1, [])


def test_a_busy_authority_is_asked_again(authority: Authority) -> None:
    """503 is retried up to the cap; then the error says that it may pass."""
    authority.refusals = [httpx.Response(503)]
    assert type(run(authority, get)) is Payment
    authority.forms.clear()
    authority.refusals = [httpx.Response(503)] * 9
    result = run(authority, get)
    assert (type(result), result.status, len(authority.forms)) == (Unavailable, 503, 3)


@pytest.mark.parametrize(
    "answer",
    [
        {"access_token": ""},
        {"access_token": "a b"},
        {"token_type": "mac"},
        {"expires_in": -1},
        {"access_token": None},
    ],
)
def test_a_malformed_token_is_refused(authority: Authority, answer: dict[str, Any]) -> None:
    """What the authority sends is checked before it is sent on."""
    authority.answer = answer
    result = run(authority, get)
    assert (type(result), result.code) == (CredentialUnavailable, "token_malformed")
    assert authority.used == []


def test_each_operation_asks_for_its_own_scope(authority: Authority) -> None:
    """A read does not carry the right to write."""

    async def call(client: PaymentsClient) -> None:
        await get(client)
        authority_valid = authority.valid
        await client.create_payment(1, "EUR", "r")
        authority.valid |= authority_valid

    run(authority, call)
    assert [form["scope"] for form in authority.forms] == ["payments:read", "payments:write"]


def test_a_scope_beyond_the_settings_is_not_asked_for(authority: Authority) -> None:
    """An operation that needs more than the client may have fails before anything is sent."""

    async def call(client: PaymentsClient) -> Any:
        try:
            return await client.refund("p1", 1)
        except ClientError as error:
            return error

    result = run(authority, call)
    assert (result.code, authority.forms, authority.used) == ("scope_not_granted", [], [])


def test_a_scope_that_differs_is_written_down(authority: Authority) -> None:
    """More, or less, than was asked for stands in the audit log."""
    events: list[AuditEvent] = []
    authority.answer = {"scope": "payments:read admin"}
    run(authority, get, audit=events.append)
    assert [e.action for e in events] == ["obtained", "scope_differs", "use"]


def test_the_rotated_refresh_token_outlives_the_process(authority: Authority, tmp_path: Path) -> None:
    """The new refresh token is on disk, for its owner only, before it is used; the old one is gone."""
    path = tmp_path / "refresh"
    path.write_text("sk-canary-refresh-0")
    authority.rotates = True
    oauth = {"refresh_token_file": str(path)}
    for _ in range(2):
        assert type(run(authority, get, oauth)) is Payment
    assert [f["refresh_token"] for f in authority.forms] == ["sk-canary-refresh-0", "sk-canary-refresh-1"]
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("sk-canary-refresh-2", 0o600)


def test_a_disk_that_refuses_the_new_token_loses_no_operation(authority: Authority, tmp_path: Path) -> None:
    """The rotated token is used from memory, and the audit log says that it is not stored."""
    folder = tmp_path / "gone"
    folder.mkdir()
    path = folder / "refresh"
    path.write_text("sk-canary-refresh-0")
    authority.rotates = True
    events: list[AuditEvent] = []

    async def call(client: PaymentsClient) -> list[Any]:
        path.unlink()
        folder.rmdir()
        first = await get(client)
        authority.valid = set()
        return [first, await get(client)]

    results = run(authority, call, {"refresh_token_file": str(path)}, audit=events.append)
    assert [type(r) for r in results] == [Payment, Payment]
    assert [e.action for e in events].count("store_failed") == 2


def test_a_new_refresh_token_in_the_file_ends_a_refusal(authority: Authority, tmp_path: Path) -> None:
    """After a refused grant an operator's new token is picked up without restart."""
    path = tmp_path / "refresh"
    path.write_text("sk-canary-stolen")

    async def call(client: PaymentsClient) -> list[Any]:
        refused = [await get(client), await get(client)]
        path.write_text("sk-canary-refresh-0")
        return [*refused, await get(client)]

    results = run(authority, call, {"refresh_token_file": str(path)})
    assert [type(r) for r in results] == [CredentialUnavailable, CredentialUnavailable, Payment]
    assert len(authority.forms) == 2


def test_a_rotated_client_secret_is_picked_up(authority: Authority, tmp_path: Path) -> None:
    """The client secret comes from a file, too, and is read again."""
    path = tmp_path / "secret"
    path.write_text("sk-canary-one")

    async def call(client: PaymentsClient) -> Any:
        await get(client)
        authority.valid = set()
        path.write_text("sk-canary-two")
        return await get(client)

    oauth = {"client_secret": None, "client_secret_file": str(path), "client_auth": "body"}
    assert type(run(authority, call, oauth)) is Payment
    assert [f["client_secret"] for f in authority.forms] == ["sk-canary-one", "sk-canary-two"]


def test_revoking_tells_the_authority(authority: Authority) -> None:
    """Refresh and access token are revoked there; nothing is sent after it."""

    async def call(client: PaymentsClient) -> Any:
        await get(client)
        await client.revoke_credentials()
        return await get(client)

    result = run(authority, call, {"refresh_token": "sk-canary-refresh-0"})
    assert (result.code, len(authority.used)) == ("credential_revoked", 1)
    assert authority.revoked == ["sk-canary-refresh-0", "sk-canary-token-1"]


def test_no_token_and_no_secret_is_ever_shown(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Basic credentials, tokens and refresh tokens stay out of logs, events, errors and reprs."""
    caplog.set_level(1)
    events: list[AuditEvent] = []
    authority.rotates = True

    async def call(client: PaymentsClient) -> str:
        await get(client)
        for text in (authority.headers[0]["Authorization"], *authority.valid, *authority.refresh_tokens):
            logging.getLogger("httpx").info("echo %s", text)
        authority.valid = set()
        authority.refusals = [
            httpx.Response(400, json={"error": "sk-canary-refresh-1", "error_description": "sk-canary-client"})
        ]
        error = await get(client)
        shown = [repr(client), repr(vars(client)), repr(vars(client._credential)), str(error), repr(error.facts)]
        return " ".join(shown)

    shown = run(authority, call, {"refresh_token": "sk-canary-refresh-0"}, audit=events.append)
    basic = authority.headers[0]["Authorization"].removeprefix("Basic ")
    everything = shown + repr(events) + caplog.text
    assert [s for s in ("sk-canary", basic) if s in everything] == []


def test_a_refused_scope_blocks_no_other(authority: Authority) -> None:
    """`invalid_scope` is about that scope: it is not asked for again, the others are."""
    authority.refusals = [httpx.Response(400, json={"error": "invalid_scope"})]

    async def call(client: PaymentsClient) -> list[Any]:
        found = []
        for _ in range(2):
            try:
                await client.refund("p1", 5)
            except ClientError as error:
                found.append(error.code)
        return [*found, await get(client)]

    *codes, paid = run(authority, call, {"scopes": ("payments:read", "refunds:write")})
    assert codes == ["invalid_scope", "invalid_scope"]
    assert type(paid) is Payment
    assert [form["scope"] for form in authority.forms] == ["refunds:write", "payments:read"]
