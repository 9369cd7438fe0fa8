"""The respx fixture that ships with the plugin."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import httpx
import pytest

from galeproof.client import NotFound, Payment


def test_code_under_test_pays_without_a_server(gale_payments: Any) -> None:
    """A lost answer and a busy provider, then one payment under one key."""
    gale_payments.then(httpx.ReadTimeout("lost"), 503)

    async def main() -> Payment:
        async with gale_payments.client() as client:
            made: Payment = await client.create_payment(500, "EUR", "order-7")
            assert [p.id async for p in client.iterate_payments()] == [made.id]
            assert (await client.refund(made.id, 5)).payment_id == made.id
            assert (await client.get_charge(made.id)).reference == "order-7"
            return made

    payment = asyncio.run(main())
    keys = [r.headers.get("Idempotency-Key") for r in gale_payments.requests[:3]]
    assert (payment.reference, len(gale_payments.payments), len(set(keys))) == ("order-7", 1, 1)


def test_blocking_code_can_use_it_too(gale_payments: Any) -> None:
    """The twin is answered by the same provider."""
    gale_payments.add("p9", amount=7)
    with gale_payments.blocking_client() as client:
        assert client.get_payment("p9").amount == 7
        with pytest.raises(NotFound):
            client.get_payment("p10")


def test_the_plugin_imports_nothing_of_it_until_it_is_used() -> None:
    """Neither respx nor the client is imported by the plugin itself."""
    code = "import sys, galeproof.plugin; print([m for m in ('respx', 'httpx', 'galeproof.client') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
