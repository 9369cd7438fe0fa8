"""The contract of the reference client, held in the fault-free baseline.

Run it to write the pact: `python contracts/consumer/payments.py`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])

from contracts.consumer.interactions import (
    API_KEY,
    CONSUMER,
    FOUND,
    KEY,
    MISSING,
    PROVIDER,
    interactions,
)

from galeproof.client import ClientError, ClientSettings, Payment, PaymentPage, PaymentsClient, Refund
from galeproof.contract import ContractError, Interaction, run_baseline, write_pact

__all__ = ["CONSUMER", "FOUND", "MISSING", "PACTS", "PROVIDER", "exercise", "interactions", "settings"]

PACTS = Path(__file__).parents[1] / "pacts"
CURSOR = "YWZ0ZXI6MA"
Call = Callable[[PaymentsClient], Awaitable[Any]]

_CALLS: tuple[tuple[str, Call], ...] = (
    (MISSING, lambda client: client.get_payment("p404")),
    ("a refund of", lambda client: client.refund("p1", 250, idempotency_key=KEY)),
    ("a payment is created", lambda client: client.create_payment(
        1250, "EUR", "invoice-4711", idempotency_key=KEY)),
    ("a payment is refunded", lambda client: client.refund("p1", 250, idempotency_key=KEY)),
    ("a charge by the old route", lambda client: client.get_charge("p1")),
    ("the last page of payments", lambda client: client.list_payments(CURSOR)),
    ("the first page of payments", lambda client: client.list_payments()),
    ("payments, while", lambda client: client.list_payments()),
    ("a ", lambda client: client.get_payment("p1")),
)
_ERRORS = {401: "AuthenticationFailed", 404: "NotFound", 409: "Rejected", 422: "Rejected",
           429: "RateLimited", 503: "Unavailable"}


def settings(url: str, attempts: int = 1) -> ClientSettings:
    """Return settings; in calm air one attempt, so that each interaction is seen once."""
    return ClientSettings(base_url=url, api_key=API_KEY, trust_env=False, max_attempts=attempts)


async def exercise(interaction: Interaction, url: str, stormy: bool = False) -> None:
    """Run the reference client for one interaction, and check what it makes of the answer.

    Args:
        interaction: One of `interactions()`.
        url: Base URL of its mock server.
        stormy: Whether the client needs all of its attempts to get there.

    Raises:
        ContractError: The client returned something else, or the interaction is not known here.
    """
    call = next((c for start, c in _CALLS if interaction.description.startswith(start)), None)
    if call is None:
        raise ContractError(f"nobody exercises {interaction.description!r}")
    async with PaymentsClient(settings(url, 3 if stormy else 1)) as client:
        try:
            seen = await call(client)
        except ClientError as error:
            seen = type(error).__name__, error.status, error.retry_after_s
    expected = _expected(interaction)
    if seen != expected:
        raise ContractError(f"{interaction.description}: {seen!r}, expected {expected!r}")


def _expected(interaction: Interaction) -> object:
    status, what = interaction.response.status, interaction.description
    if status >= 400:
        waits = "Retry-After" in interaction.response.headers
        return _ERRORS[status], status, 1.0 if waits else None
    if "refunded" in what:
        return Refund(id="r1", payment_id="p1", amount=250, status="settled")
    word = "refused" if "refused" in what else "settled"
    payment = Payment(id="p1", amount=1250, currency="EUR", status=word, reference="invoice-4711",
                      created_at=datetime(2026, 1, 1, tzinfo=UTC))
    if "page" in what:
        return PaymentPage(items=(payment,), next_cursor=CURSOR if "first" in what else None)
    return payment


if __name__ == "__main__":
    logging.getLogger("galeproof").setLevel(logging.ERROR)  # refusals are what is wanted here
    print(write_pact(asyncio.run(run_baseline(interactions(), exercise)), PACTS))
