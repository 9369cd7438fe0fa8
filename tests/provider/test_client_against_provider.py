"""The real client against the real provider: killed, restarted, cut, rotated, revoked."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from contracts.provider.accounts import (
    add_client_secret,
    add_key,
    first_refresh_token,
    read_ledger,
    revoke_client_secret,
    revoke_key,
)
from contracts.provider.store import Store
from contracts.provider.tables import access_tokens, refresh_tokens
from sqlalchemy import func, select, update
from tests.provider.conftest import CLIENT, CLIENT_SECRET, KEY
from tests.provider.running import Running
from tests.provider.seen import Seen, seeing

from galeproof.client import (
    AuthenticationFailed,
    BlockingPaymentsClient,
    ClientError,
    ClientSettings,
    CredentialUnavailable,
    Payment,
    PaymentsClient,
    Refund,
)

pytestmark = pytest.mark.asyncio
NEW_KEY, NEW_SECRET = "sk-canary-shop-next-0123456789", "sk-canary-client-next-0123456789"
# patient: what is measured is truth, not how soon the client gives up
PATIENT: dict[str, Any] = {
    "max_attempts": 15, "deadline_s": 40.0, "backoff_cap_s": 1.5, "read_timeout_s": 5.0,
    "retry_budget": {"capacity": 100_000.0}, "features": {"breaker": False, "throttle": False},
    "connect_timeout_s": 3.0, "pool_timeout_s": 10.0, "max_connections": 200,
    "bulkhead": {"limit": 200, "per_route": 200, "wait_s": 10.0}, "trust_env": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """How one operation ended."""

    key: str
    result: Payment | Refund | ClientError

    @property
    def ok(self) -> bool:
        return not isinstance(self.result, ClientError)


async def operate(client: PaymentsClient, key: str, paid: str | None, seen: Seen) -> Ended:
    """Pay, or refund where there is a payment."""
    try:
        if paid is None:
            return Ended(key, await client.create_payment(500, "EUR", key, idempotency_key=key))
        return Ended(key, await client.refund(paid, 1, idempotency_key=key))
    except ClientError as error:
        seen.take(error)
        return Ended(key, error)


@contextlib.asynccontextmanager
async def kept_alive(running: Running, deaths: list[int], *words: str) -> AsyncIterator[None]:
    """Run a provider that kills itself after so many effects, and start it again each time."""
    running.start(*words, "--die-at", str(deaths[0]))

    async def watch() -> None:
        for number in [*deaths[1:], None]:
            assert await asyncio.to_thread(running.wait), running.log.read_text()
            more = [] if number is None else ["--die-at", str(number)]
            await asyncio.to_thread(running.start, *words, *more)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        # a death that was not reached any more: what was in flight at one before is not counted
        watching.cancel()
        running.kill()


def settings(running: Running, **more: Any) -> ClientSettings:
    return ClientSettings(base_url=running.url, **{**PATIENT, **more})


async def storm(
    running: Running, store: Store, seen: Seen, count: int, deaths: list[int], **more: Any
) -> int:
    """Run `count` operations at once through deaths and cuts, and hold the ledger against them.

    Returns:
        How many succeeded in the storm itself.
    """
    async with (
        kept_alive(running, deaths, "--cut-percent", "10"),
        PaymentsClient(settings(running, api_key=KEY, **more), **seen.options) as client,
    ):
        first = [await operate(client, f"paid-{n}", None, seen) for n in range(5)]
        paid = [e.result.id for e in first if isinstance(e.result, Payment)]
        keys = {f"op-{n}": paid[n % 5] if n % 4 == 0 else None for n in range(count)}
        ended = list(await asyncio.gather(*(operate(client, k, p, seen) for k, p in keys.items())))
        effects = collections.Counter(line["key"] for line in read_ledger(store))
        for end in ended:
            judge(end, effects[end.key])
        print(told(ended, running, effects))
        await repeat(client, [e for e in ended if not e.ok], keys, seen)
        seen.take(client)
    effects = collections.Counter(line["key"] for line in read_ledger(store))
    assert effects == {key: 1 for key in [*keys, *(f"paid-{n}" for n in range(5))]}
    faults = collections.Counter(running.faults())
    assert faults["died"] >= min(2, len(deaths))
    assert faults["cut-before"] + faults["cut-within"] > 0
    return sum(end.ok for end in ended)


def judge(end: Ended, effects: int) -> None:
    """At most once; a success exactly once; an error that knows of no effect has none."""
    assert effects <= 1, end
    if not isinstance(end.result, ClientError):
        assert effects == 1, end
    elif not end.result.effect_unknown:
        assert effects == 0, end


async def repeat(client: PaymentsClient, failed: list[Ended], keys: Any, seen: Seen) -> None:
    """Ask again under the same keys, as a caller would that does not know."""
    for end in failed:
        for _ in range(120):  # a provider that starts, and a policy that lets itself be won back
            if (await operate(client, end.key, keys[end.key], seen)).ok:
                break
            await asyncio.sleep(0.5)
        else:
            raise AssertionError(f"{end.key} never succeeded")


def told(ended: list[Ended], running: Running, effects: collections.Counter[str]) -> str:
    """Return the run in one line."""
    failed = collections.Counter(
        f"{type(e.result).__name__}/{'unknown' if e.result.effect_unknown else 'none'}"
        for e in ended if isinstance(e.result, ClientError))
    return (f"{sum(e.ok for e in ended)} of {len(ended)} ok, {dict(failed)}, "
            f"{dict(collections.Counter(running.faults()))}, {running.starts} starts, "
            f"{sum(effects.values())} effects")


async def test_200_operations_through_kills_and_cuts(running: Running, store: Store) -> None:
    """Killed twice in mid-storm, a tenth of its answers cut: nothing is done twice, no lie is told."""
    with seeing() as seen:
        succeeded = await storm(running, store, seen, 200, [50, 40])
    assert succeeded > 100
    assert seen.showing(KEY) == []
    assert {"galeproof", "httpcore"} <= seen.loggers
    assert "http.client.request.duration" in seen.signals()


@pytest.mark.full
@pytest.mark.parametrize("seed", range(5))
async def test_storms_of_all_sizes(running: Running, store: Store, seed: int) -> None:
    """400 operations and up to six deaths at other moments; with the client's own policy, too.

    That policy gives up sooner (breaker, throttle, retry budget): its errors must be as true.
    """
    dice = random.Random(seed)
    deaths = [dice.randint(1, 60) for _ in range(dice.randint(2, 6))]
    more: dict[str, Any] = {"features": {}, "retry_budget": {}, "max_attempts": 3} if seed % 2 else {}
    with seeing() as seen:
        await storm(running, store, seen, 400, deaths, **more)
    assert seen.showing(KEY) == []


async def test_the_blocking_twin_through_a_kill_and_cuts(running: Running, store: Store) -> None:
    """A hundred threads with the twin, one death, a tenth of the answers cut: the same holds."""
    with seeing() as seen, ThreadPoolExecutor(100) as pool:
        async with kept_alive(running, [40], "--cut-percent", "10"):
            with BlockingPaymentsClient(settings(running, api_key=KEY), **seen.options) as client:

                def pay(key: str) -> Ended:
                    try:
                        return Ended(key, client.create_payment(5, "EUR", key, idempotency_key=key))
                    except ClientError as error:
                        seen.take(error)
                        return Ended(key, error)

                loop = asyncio.get_running_loop()
                ended = await asyncio.gather(*(loop.run_in_executor(pool, pay, f"b{n}") for n in range(100)))
                seen.take(client)
    effects = collections.Counter(line["key"] for line in read_ledger(store))
    for end in ended:
        judge(end, effects[end.key])
    print(told(ended, running, effects))
    faults = collections.Counter(running.faults())
    assert (faults["died"], faults["cut-before"] + faults["cut-within"] > 0) == (1, True)
    assert sum(end.ok for end in ended) > 50
    assert seen.showing(KEY) == []


def tokens(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(access_tokens)) or 0)


def expire(store: Store) -> None:
    """Make every token expire at the provider, whatever the client believes."""
    with store.writing() as connection:
        connection.execute(update(access_tokens).values(until=1.0))


def oauth(running: Running, **more: Any) -> dict[str, Any]:
    return {"oauth": {
        "token_url": f"{running.url}/oauth/token", "revoke_url": f"{running.url}/oauth/revoke",
        "client_id": CLIENT, "refresh_every_s": 0.0, **more}}


@pytest.mark.parametrize("grant", ["client_credentials", "refresh_token"])
async def test_fifty_calls_with_an_expired_token_refresh_once(
    running: Running, store: Store, tmp_path: Path, grant: str
) -> None:
    """The token expires at the provider; fifty calls meet 401 and cause one token request."""
    running.start()
    given: dict[str, Any] = {"client_secret": CLIENT_SECRET}
    path = tmp_path / "refresh"
    if grant == "refresh_token":
        path.write_text(first_refresh_token(store, CLIENT))
        given["refresh_token_file"] = str(path)
    first = path.read_text() if path.exists() else KEY
    with seeing() as seen:
        async with PaymentsClient(settings(running, **oauth(running, **given)), **seen.options) as client:
            await client.list_payments()
            assert tokens(store) == 1
            expire(store)
            pages = await asyncio.gather(*(client.list_payments() for _ in range(50)))
            seen.take(client)
    assert (len(pages), tokens(store)) == (50, 2)
    last = path.read_text() if path.exists() else KEY
    assert (grant == "refresh_token") == (first != last)
    assert seen.showing(CLIENT_SECRET, first, last) == []


async def test_a_rotated_secret_is_used_without_restart(
    running: Running, store: Store, tmp_path: Path
) -> None:
    """The old key is revoked after the new one is in the file: no call fails, the old is not sent again."""
    running.start()
    path = tmp_path / "key"
    path.write_text(KEY)
    add_key(store, "shop", NEW_KEY)
    events: list[Any] = []
    with seeing() as seen:
        options = {**seen.options, "audit": events.append}
        async with PaymentsClient(settings(running, api_key_file=str(path)), **options) as client:
            before = await asyncio.gather(*(client.create_payment(5, "EUR", f"a{n}") for n in range(10)))
            path.write_text(NEW_KEY)
            revoke_key(store, KEY)
            after = await asyncio.gather(*(client.create_payment(5, "EUR", f"b{n}") for n in range(10)))
    assert (len(before), len(after), len(read_ledger(store))) == (10, 10, 20)
    # a key that was sent after its revocation would have been refused
    assert [e.action for e in events if e.action != "use"] == ["changed"]
    assert {e.generation for e in events[-10:]} == {2}
    assert seen.showing(KEY, NEW_KEY) == []


async def test_a_rotated_client_secret_is_used_without_restart(
    running: Running, store: Store, tmp_path: Path
) -> None:
    """The same for the secret of an OAuth client, seen at the next token request."""
    running.start()
    path = tmp_path / "secret"
    path.write_text(CLIENT_SECRET)
    add_client_secret(store, CLIENT, NEW_SECRET)
    given = oauth(running, client_secret_file=str(path))
    with seeing() as seen:
        async with PaymentsClient(settings(running, **given), **seen.options) as client:
            await client.list_payments()
            path.write_text(NEW_SECRET)
            revoke_client_secret(store, CLIENT, CLIENT_SECRET)
            expire(store)
            await client.list_payments()
    assert tokens(store) == 2
    assert seen.showing(CLIENT_SECRET, NEW_SECRET) == []


async def test_a_revoked_key_is_not_retried(running: Running, store: Store) -> None:
    """One attempt, one error that says so, no effect."""
    running.start()
    revoke_key(store, KEY)
    with seeing() as seen:
        async with PaymentsClient(settings(running, api_key=KEY), **seen.options) as client:
            ended = await operate(client, "k", None, seen)
    assert isinstance(ended.result, AuthenticationFailed)
    assert (ended.result.attempts, ended.result.code, ended.result.effect_unknown) == (
        1, "credential-refused", False)
    assert (read_ledger(store), seen.showing(KEY)) == ([], [])


async def test_a_revoked_grant_ends_every_call(running: Running, store: Store) -> None:
    """Fifty calls with a refresh token whose family is dead: no attempt is repeated, later ones send nothing."""
    running.start()
    token = first_refresh_token(store, CLIENT)
    given = oauth(running, client_secret=CLIENT_SECRET, refresh_token=token)
    with seeing() as seen:
        async with PaymentsClient(settings(running, **given), **seen.options) as client:
            await client.list_payments()
            with store.writing() as connection:
                connection.execute(update(refresh_tokens).values(revoked_at=1.0))
            expire(store)
            results = await asyncio.gather(
                *(client.list_payments() for _ in range(50)), return_exceptions=True)
            later = await asyncio.gather(client.list_payments(), return_exceptions=True)
            for result in [*results, *later]:
                seen.take(result)
    assert {type(r) for r in results} <= {CredentialUnavailable, AuthenticationFailed}
    assert {r.attempts for r in results if isinstance(r, ClientError)} <= {0, 1}
    assert [(type(r), getattr(r, "attempts", None)) for r in later] == [(CredentialUnavailable, 0)]
    assert (tokens(store), seen.showing(CLIENT_SECRET, token)) == (1, [])


async def test_revoking_at_the_provider_ends_what_was_issued(running: Running, store: Store) -> None:
    """`revoke_credentials` reaches the authority: its rows say so, and nothing is sent after it."""
    running.start()
    given = oauth(running, client_secret=CLIENT_SECRET)
    async with PaymentsClient(settings(running, **given)) as client:
        await client.list_payments()
        await client.revoke_credentials()
        with pytest.raises(CredentialUnavailable):
            await client.list_payments()
    assert [row["revoked_at"] is not None for row in store.rows(select(access_tokens))] == [True]


async def test_every_operation_is_served(running: Running, store: Store) -> None:
    """Create, get, the old route with its notice, refund, a page, and all pages."""
    running.start()
    async with PaymentsClient(settings(running, api_key=KEY)) as client:
        made = [await client.create_payment(500 + n, "EUR", f"order-{n}") for n in range(60)]
        assert await client.get_payment(made[0].id) == made[0]
        assert await client.get_charge(made[1].id) == made[1]
        back = await client.refund(made[2].id, 2)
        page = await client.list_payments()
        walked = [payment async for payment in client.iterate_payments()]
        (notice,) = client.notices
    assert (back.amount, back.payment_id, back.status) == (2, made[2].id, "settled")
    assert (len(page.items), page.next_cursor is None, walked) == (50, False, made)
    assert (notice.route, notice.link) == ("GET /charges/{charge_id}", "https://payments.example/docs/charges")
