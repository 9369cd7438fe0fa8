"""The reference client as its users type it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

from pydantic import SecretStr

from galeproof.client import (
    AuditEvent,
    BlockingOutbox,
    BlockingPaymentsClient,
    BreakerSettings,
    ClientError,
    ClientSettings,
    Entry,
    FallbackChain,
    Marked,
    Notice,
    OAuthSettings,
    Outbox,
    Payment,
    PaymentsClient,
    SharedPolicy,
    Source,
    deadline_of,
)


async def pay(base_url: str) -> int:
    """Values are typed, errors are one tree."""
    settings = ClientSettings(base_url=base_url, api_key=SecretStr("sk_test_x"), deadline_s=2.0)
    async with PaymentsClient(settings) as payments:
        try:
            payment = await payments.create_payment(1, "EUR", "r", idempotency_key="k")
        except ClientError as error:
            assert_type(error.effect_unknown, bool)
            assert_type(error.retry_after_s, float | None)
            return 0
        assert_type(payment, Payment)
        assert_type((await payments.list_payments()).items, tuple[Payment, ...])
        async for one in payments.iterate_payments():
            assert_type(one, Payment)
        assert_type(payments.notices, tuple[Notice, ...])
        assert_type(payments.policy(), dict[str, Any])
        assert_type(payments.policy_summary(), str)
        await payments.create_payment("1", "EUR", "r")  # pyright: ignore[reportArgumentType]
        return payment.amount


def pay_blocking(base_url: str) -> str:
    """The twin is typed alike, without waiting."""

    def note(event: AuditEvent) -> None:
        assert_type(event.credential, str)

    settings = ClientSettings(
        base_url=base_url,
        oauth=OAuthSettings(
            token_url="https://auth.example/token", client_id="us", client_secret=SecretStr("s")
        ),
        breaker=BreakerSettings(open_s=2.0),
    )
    with BlockingPaymentsClient(settings, policy=SharedPolicy(), audit=note) as payments:
        for one in payments.iterate_payments():
            assert_type(one, Payment)
        return payments.get_payment("p1", deadline_s=deadline_of("500", local_s=2.0)).id


async def fall_back(payments: PaymentsClient, cached: Payment) -> Payment:
    """A chain gives the value and says where it comes from."""

    async def primary(left_s: float) -> Payment:
        return await payments.get_payment("p1", deadline_s=left_s)

    async def cache(left_s: float) -> Payment:
        return cached

    chain = FallbackChain([Source("primary", primary), Source("cache", cache)], deadline_s=2.0)
    marked = await chain.read()
    assert_type(marked, Marked[Payment])
    assert_type(marked.fallback, bool)
    return marked.value


async def later(path: Path, payments: PaymentsClient) -> list[Entry]:
    """An outbox takes handlers of payload and key."""

    async def make(payload: Mapping[str, Any], key: str) -> None:
        await payments.create_payment(payload["amount"], "EUR", "r", idempotency_key=key)

    async with Outbox(path, {"pay": make}) as box:
        assert_type(await box.put("pay", {"amount": 5}), int)
        await box.put("pay", 5)  # pyright: ignore[reportArgumentType]
        return await box.dead_letter()


def later_blocking(path: Path) -> list[Entry]:
    """The twin of the outbox takes plain functions."""

    def make(payload: Mapping[str, Any], key: str) -> None:
        print(payload, key)

    with BlockingOutbox(path, {"pay": make}) as box:
        return box.waiting()
