"""The reference client as its users type it."""

from typing import assert_type

from pydantic import SecretStr

from galeproof.client import ClientError, ClientSettings, Payment, PaymentsClient


async def pay(base_url: str) -> int:
    """Values are typed, errors are one tree."""
    settings = ClientSettings(base_url=base_url, api_key=SecretStr("sk_test_x"), deadline_s=2.0)
    async with PaymentsClient(settings) as payments:
        try:
            payment = await payments.create_payment(1, "EUR", "r", idempotency_key="k")
        except ClientError as error:
            assert_type(error.effect_unknown, bool)
            return 0
        assert_type(payment, Payment)
        assert_type((await payments.list_payments()).items, tuple[Payment, ...])
        await payments.create_payment("1", "EUR", "r")  # pyright: ignore[reportArgumentType]
        return payment.amount
