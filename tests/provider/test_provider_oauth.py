"""The token endpoint: grants, rotation, reuse, revocation."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx
import pytest
from contracts.provider.accounts import (
    add_client,
    add_client_secret,
    first_refresh_token,
    revoke_client_secret,
)
from contracts.provider.tables import access_tokens
from sqlalchemy import select
from tests.provider.conftest import CLIENT, CLIENT_SECRET, basic

pytestmark = pytest.mark.asyncio


async def refresh(api: Any, token: str, **more: Any) -> httpx.Response:
    answer: httpx.Response = await api.token(grant_type="refresh_token", refresh_token=token, **more)
    return answer


def seen(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("error")


async def works(api: Any, token: str) -> bool:
    return bool((await api.send("GET", "/payments", auth=token)).status_code == 200)


async def test_client_credentials_give_a_token(api: Any) -> None:
    """In the header or in the body; no refresh token with it, and no cache may keep it."""
    for answer in (
        await api.token(grant_type="client_credentials"),
        await api.token(auth=None, grant_type="client_credentials", client_id=CLIENT, client_secret=CLIENT_SECRET),
    ):
        document = answer.json()
        assert (answer.status_code, document["token_type"], document["expires_in"]) == (200, "Bearer", 300)
        assert document["scope"] == "payments:read payments:write refunds:write"
        assert ("refresh_token" in document, answer.headers["Cache-Control"]) == (False, "no-store")
        assert await works(api, document["access_token"])


async def test_a_token_has_the_scope_that_was_asked_for(api: Any) -> None:
    """Less than all may be asked for, more may not."""
    narrow = (await api.token(grant_type="client_credentials", scope="payments:read")).json()
    answer = await api.pay(auth=narrow["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert seen(await api.token(grant_type="client_credentials", scope="admin")) == (400, "invalid_scope")


async def test_tokens_that_are_over_are_swept_by_the_hour(api: Any) -> None:
    """They do not stay for ever; a refresh token that still lives does."""
    for _ in range(5):
        await api.token(grant_type="client_credentials")
    alive = first_refresh_token(api.store, CLIENT)
    api.times.now_s += 3700
    fresh = (await api.token(grant_type="client_credentials")).json()["access_token"]
    with api.store.reading() as connection:
        assert 1 == len(connection.execute(select(access_tokens)).all())
    assert await works(api, fresh)
    assert (await refresh(api, alive)).status_code == 200


async def test_a_token_expires(api: Any) -> None:
    """After its life it is refused."""
    token = (await api.token(grant_type="client_credentials")).json()["access_token"]
    api.times.now_s += 299
    assert await works(api, token)
    api.times.now_s += 2
    assert not await works(api, token)


@pytest.mark.parametrize(
    ("auth", "form", "status", "error"),
    [
        ((CLIENT, "wrong-0123456789"), {"grant_type": "client_credentials"}, 401, "invalid_client"),
        (("nobody", CLIENT_SECRET), {"grant_type": "client_credentials"}, 401, "invalid_client"),
        (None, {"grant_type": "client_credentials"}, 401, "invalid_client"),
        ((CLIENT, CLIENT_SECRET), {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ((CLIENT, CLIENT_SECRET), {"grant_type": "refresh_token"}, 400, "invalid_grant"),
        ((CLIENT, CLIENT_SECRET), {"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
        ((CLIENT, CLIENT_SECRET), {"grant_type": "client_credentials", "client_secret": "x"}, 400, "invalid_request"),
    ],
)
async def test_a_wrong_request_is_refused(api: Any, auth: Any, form: dict[str, str], status: int, error: str) -> None:
    """Each with the code that RFC 6749 has for it, and without the secret."""
    answer = await api.token(auth=auth, **form)
    assert seen(answer) == (status, error)
    assert "canary" not in answer.text


async def test_a_refresh_rotates(api: Any) -> None:
    """Each use gives another refresh token, and the next one works."""
    token = first_refresh_token(api.store, CLIENT)
    tokens = [token]
    for _ in range(3):
        document = (await refresh(api, tokens[-1])).json()
        assert await works(api, document["access_token"])
        tokens.append(document["refresh_token"])
    assert len(set(tokens)) == 4


async def test_reuse_revokes_the_family(api: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A token whose successor has been used is sent again: every token of the family is dead."""
    caplog.set_level(logging.WARNING)
    first = first_refresh_token(api.store, CLIENT)
    second = (await refresh(api, first)).json()
    third = (await refresh(api, second["refresh_token"])).json()
    assert seen(await refresh(api, first)) == (400, "invalid_grant")
    assert seen(await refresh(api, third["refresh_token"])) == (400, "invalid_grant")
    assert [await works(api, t["access_token"]) for t in (second, third)] == [False, False]
    assert ("family revoked" in caplog.text, first in caplog.text) == (True, False)


async def test_another_family_lives_on(api: Any) -> None:
    """What one thief did ends one family."""
    first, other = (first_refresh_token(api.store, CLIENT) for _ in range(2))
    second = (await refresh(api, first)).json()["refresh_token"]
    await refresh(api, second)
    await refresh(api, first)
    assert (await refresh(api, other)).status_code == 200


async def test_a_lost_answer_may_be_asked_for_again(api: Any) -> None:
    """At once, with the successor unused: new tokens; the lost ones never work."""
    token = first_refresh_token(api.store, CLIENT)
    lost = (await refresh(api, token)).json()["refresh_token"]
    again = await refresh(api, token)
    assert again.status_code == 200
    assert (await refresh(api, again.json()["refresh_token"])).status_code == 200
    assert seen(await refresh(api, lost)) == (400, "invalid_grant")


async def test_a_late_second_use_is_theft(api: Any) -> None:
    """Beyond the leeway nobody is waiting for a lost answer."""
    token = first_refresh_token(api.store, CLIENT)
    second = (await refresh(api, token)).json()["refresh_token"]
    api.times.now_s += 11
    assert seen(await refresh(api, token)) == (400, "invalid_grant")
    assert seen(await refresh(api, second)) == (400, "invalid_grant")


async def test_without_leeway_every_second_use_is_theft(make_api: Any) -> None:
    """`refresh_leeway_s` 0 is the strict reading."""
    api = make_api(refresh_leeway_s=0)
    token = first_refresh_token(api.store, CLIENT)
    await refresh(api, token)
    assert seen(await refresh(api, token)) == (400, "invalid_grant")


async def test_twenty_uses_at_once_leave_one_live_token(api: Any) -> None:
    """However they meet, of all the refresh tokens that were given out one at most still works."""
    token = first_refresh_token(api.store, CLIENT)
    answers = await asyncio.gather(*(refresh(api, token) for _ in range(20)))
    given = [a.json()["refresh_token"] for a in answers if a.status_code == 200]
    later = [(await refresh(api, t)).status_code for t in given]
    assert (len(given) >= 1, later.count(200) <= 1) == (True, True)


async def test_a_refresh_token_expires_and_belongs_to_its_client(api: Any) -> None:
    """Neither an old one nor another client's is taken."""
    add_client(api.store, "other", "thief", "sk-canary-thief-0123456789")
    token = first_refresh_token(api.store, CLIENT)
    assert seen(await refresh(api, token, auth=("thief", "sk-canary-thief-0123456789"))) == (400, "invalid_grant")
    assert (await refresh(api, token)).status_code == 200
    short = first_refresh_token(api.store, CLIENT, life_s=-1e9)
    assert seen(await refresh(api, short)) == (400, "invalid_grant")


async def test_a_refresh_may_narrow_and_not_widen(api: Any) -> None:
    """The scope of the first consent is the most; a refusal uses nothing up."""
    token = first_refresh_token(api.store, CLIENT, ["payments:read"])
    assert seen(await refresh(api, token, scope="payments:write")) == (400, "invalid_scope")
    assert (await refresh(api, token, scope="payments:read")).status_code == 200


async def test_revocation_ends_a_token_or_a_family(api: Any) -> None:
    """An access token alone; a refresh token with all that came of it; an unknown one is no error."""

    async def revoke(token: str, auth: Any = (CLIENT, CLIENT_SECRET)) -> int:
        answer = await api.send("POST", "/oauth/revoke", key=None, auth=None, data={"token": token},
                                headers=basic(*auth))
        return int(answer.status_code)

    one, two = [(await api.token(grant_type="client_credentials")).json()["access_token"] for _ in range(2)]
    assert (await revoke(one), await works(api, one), await works(api, two)) == (200, False, True)
    family = (await refresh(api, first_refresh_token(api.store, CLIENT))).json()
    assert await revoke(family["refresh_token"]) == 200
    assert not await works(api, family["access_token"])
    assert seen(await refresh(api, family["refresh_token"])) == (400, "invalid_grant")
    assert (await revoke("unknown"), await revoke(two, (CLIENT, "wrong-0123456789"))) == (200, 401)
    assert await works(api, two)


async def test_two_client_secrets_overlap_while_one_is_rotated(api: Any) -> None:
    """Both work until the old one is revoked."""
    add_client_secret(api.store, CLIENT, "sk-canary-next-0123456789")

    async def status(secret: str) -> int:
        return int((await api.token(auth=(CLIENT, secret), grant_type="client_credentials")).status_code)

    assert [await status(s) for s in (CLIENT_SECRET, "sk-canary-next-0123456789")] == [200, 200]
    revoke_client_secret(api.store, CLIENT, CLIENT_SECRET)
    assert [await status(s) for s in (CLIENT_SECRET, "sk-canary-next-0123456789")] == [401, 200]
