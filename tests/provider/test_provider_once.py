"""Once for a key: one effect, one answer, whoever asks again and whenever."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest
from contracts.provider.accounts import add_key, read_ledger
from contracts.provider.store import Store
from contracts.provider.tables import keys, payments
from sqlalchemy import event, func, select

pytestmark = pytest.mark.asyncio


def counted(store: Store) -> tuple[int, int, int]:
    """Return how many payments, ledger lines and keys there are."""
    with store.reading() as connection:
        made = [connection.scalar(select(func.count()).select_from(t)) for t in (payments, keys)]
    return int(made[0] or 0), len(read_ledger(store)), int(made[1] or 0)


async def test_a_repeated_request_gets_the_kept_answer(api: Any) -> None:
    """The second answer is the first, byte for byte, and says so."""
    first, second = await api.pay(), await api.pay()
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert [r.headers.get("Idempotent-Replayed") for r in (first, second)] == [None, "true"]
    assert counted(api.store) == (1, 1, 1)


async def test_the_order_of_members_is_no_other_request(api: Any) -> None:
    """The same JSON written in another order is the same request."""
    await api.send("POST", "/payments", content='{"amount":5,"currency":"EUR","reference":"r"}',
                   headers={"Content-Type": "application/json"})
    again = await api.send("POST", "/payments", content='{ "reference":"r", "currency":"EUR","amount":5 }',
                           headers={"Content-Type": "application/json"})
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")


async def test_a_key_used_for_another_payload_is_refused(api: Any) -> None:
    """422, and nothing is done."""
    await api.pay(amount=500)
    other = await api.pay(amount=501)
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")
    assert counted(api.store) == (1, 1, 1)


async def test_a_key_used_on_another_route_is_refused(api: Any) -> None:
    """The route belongs to the request, too."""
    paid = (await api.pay()).json()["id"]
    other = await api.send("POST", f"/payments/{paid}/refunds", json={"amount": 1})
    assert (other.status_code, other.json()["code"]) == (422, "key-reused")


async def test_keys_of_two_accounts_are_two_keys(api: Any) -> None:
    """The same key under other credentials is another request."""
    from tests.provider.conftest import OTHER_KEY

    first, second = await api.pay(), await api.pay(auth=OTHER_KEY)
    assert first.json()["id"] != second.json()["id"]
    assert counted(api.store) == (2, 2, 2)


async def test_a_rotated_secret_finds_what_the_old_one_did(api: Any) -> None:
    """Keys belong to the account: a lost answer is found with the new secret."""
    add_key(api.store, "shop", "sk-canary-shop-new-0123456789")
    first, second = await api.pay(), await api.pay(auth="sk-canary-shop-new-0123456789")
    assert first.content == second.content
    assert counted(api.store) == (1, 1, 1)


async def test_a_key_at_work_is_answered_409(api: Any) -> None:
    """While the first is before its commit, the second is told to wait, and changes nothing."""
    at_commit, go_on = threading.Event(), threading.Event()

    def hold(connection: Any) -> None:
        if not at_commit.is_set():
            at_commit.set()
            go_on.wait(20)

    event.listen(api.store.engine, "commit", hold)
    first = asyncio.create_task(api.pay())
    await asyncio.to_thread(at_commit.wait, 20)
    second = await api.pay()
    go_on.set()
    assert (second.status_code, second.json()["code"], second.headers["Retry-After"]) == (
        409, "key-in-progress", "1")
    assert (await first).status_code == 201
    assert ((await api.pay()).headers["Idempotent-Replayed"], counted(api.store)) == ("true", (1, 1, 1))


async def test_two_processes_on_postgresql_do_not_both_work(make_api: Any, store: Store) -> None:
    """A second process that shares only the database says 409 while the first is at work."""
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer at a time, for which the second waits")
    at_commit, go_on = threading.Event(), threading.Event()
    one, other = make_api(), make_api()

    def hold(connection: Any) -> None:
        if not at_commit.is_set():
            at_commit.set()
            go_on.wait(20)

    event.listen(store.engine, "commit", hold)
    first = asyncio.create_task(one.pay())
    await asyncio.to_thread(at_commit.wait, 20)
    second = await other.pay()
    go_on.set()
    assert (second.status_code, (await first).status_code, counted(store)) == (409, 201, (1, 1, 1))


async def test_thirty_at_once_have_one_effect(api: Any) -> None:
    """Of thirty requests with one key, one works; the others wait their turn or get its answer."""
    answers = await asyncio.gather(*(api.pay() for _ in range(30)))
    assert {a.status_code for a in answers} <= {201, 409}
    assert len({a.content for a in answers if a.status_code == 201}) == 1
    assert counted(api.store) == (1, 1, 1)


async def test_a_failed_commit_leaves_neither_key_nor_effect(api: Any) -> None:
    """Effect and key are one transaction: when it fails there is nothing, and the next try works."""

    def fail(connection: Any) -> None:
        from sqlalchemy.exc import OperationalError
        raise OperationalError("COMMIT", {}, Exception("disk full"))

    event.listen(api.store.engine, "commit", fail)
    broken = await api.pay()
    event.remove(api.store.engine, "commit", fail)
    assert (broken.status_code, broken.json()["code"], counted(api.store)) == (
        503, "database-unavailable", (0, 0, 0))
    assert ((await api.pay()).status_code, counted(api.store)) == (201, (1, 1, 1))


async def test_a_refused_request_keeps_no_key(api: Any) -> None:
    """What had no effect may be corrected under the same key."""
    refused = await api.send("POST", "/payments/none/refunds", json={"amount": 1})
    assert (refused.status_code, (await api.pay()).status_code) == (404, 201)


async def test_a_key_is_forgotten_after_its_time(make_api: Any) -> None:
    """Keys are kept for a day; then the same key is a new request."""
    api = make_api(keys_kept_s=100)
    first = await api.pay()
    api.times.now_s += 99
    assert (await api.pay()).content == first.content
    api.times.now_s += 2
    assert (await api.pay()).json()["id"] != first.json()["id"]


async def test_old_keys_are_swept_by_the_hour(make_api: Any) -> None:
    """Keys that nobody asks for again do not stay for ever."""
    api = make_api(keys_kept_s=100)
    for n in range(5):
        await api.pay(key=f"old-{n}")
    api.times.now_s += 3700
    await api.pay(key="new")
    assert counted(api.store) == (6, 6, 1)


@pytest.mark.parametrize(("key", "code"), [(None, "key-missing"), ("a b", "key-malformed"), ("x" * 256, "key-malformed")])
async def test_an_effect_needs_a_key(api: Any, key: str | None, code: str) -> None:
    """A write without a usable key is refused."""
    answer: httpx.Response = await api.pay(key=key)
    assert (answer.status_code, answer.json()["code"], counted(api.store)) == (400, code, (0, 0, 0))


async def test_refunds_never_exceed_the_payment(api: Any) -> None:
    """Twenty refunds of 100 at once, of a payment of 500: five are made."""
    paid = (await api.pay(amount=500)).json()["id"]
    answers = await asyncio.gather(*(
        api.send("POST", f"/payments/{paid}/refunds", key=f"r{n}", json={"amount": 100}) for n in range(20)))
    assert sorted(a.status_code for a in answers) == [201] * 5 + [422] * 15
    assert {a.json().get("code") for a in answers} == {None, "refund-too-large"}
    assert [line["kind"] for line in read_ledger(api.store)] == ["payment"] + ["refund"] * 5
