"""What the reference client expects of the payments API, and the baseline that proves it.

Run it to write the pact: `python contracts/consumer/payments.py`. Fault-free by design: every
matcher has an explicit value, every credential is a placeholder.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from galeproof.client import ClientSettings, NotFound, Payment, PaymentsClient
from galeproof.contract import (
    ContractError,
    Interaction,
    Request,
    Response,
    State,
    load_pact,
    run_baseline,
    write_pact,
)

__all__ = ["FOUND", "MISSING", "PACTS", "exercise", "interactions"]

CONSUMER = "galeproof-client"
PROVIDER = "payments-api"
API_KEY = "pact-placeholder"
FOUND = "a payment by its id"
MISSING = "a payment that is not there"
PACTS = Path(__file__).parents[1] / "pacts"

_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"


def interactions() -> tuple[Interaction, ...]:
    """Return the contract of `GET /payments/{id}`.

    Raises:
        ContractError: pact-python is not installed.
    """
    match = load_pact().match
    payment = {
        "id": match.str("p1"),
        "amount": match.int(1250),
        "currency": match.regex("EUR", regex="[A-Z]{3}"),
        "status": match.regex("settled", regex="pending|settled|refused"),
        "reference": match.str("invoice-4711"),
        "created_at": match.regex("2026-01-01T00:00:00Z", regex=_INSTANT),
    }
    problem = {
        "type": match.str("about:blank"),
        "title": match.str("Not Found"),
        "status": match.int(404),
    }
    return (
        Interaction(
            CONSUMER,
            PROVIDER,
            FOUND,
            _get("p1"),
            Response(200, {}, payment),
            (State("a payment exists", {"id": "p1"}),),
        ),
        Interaction(
            CONSUMER,
            PROVIDER,
            MISSING,
            _get("p404"),
            Response(404, {}, problem, "application/problem+json"),
            (State("no payment exists"),),
        ),
    )


def _get(payment_id: str) -> Request:
    """Return the request; any id matches, so that a storm can send its own references."""
    match = load_pact().match
    return Request(
        "GET",
        match.regex(f"/payments/{payment_id}", regex=r"/payments/[A-Za-z0-9._~-]+"),
        {
            # Pact splits a list and holds each part against the rule
            "Accept": match.regex("application/json", regex=r"application/(problem\+)?json"),
            "Authorization": match.regex(f"Bearer {API_KEY}", regex=r"Bearer \S+"),
            "X-Request-Id": match.regex("936da01f-9abd-4d9d-80c7-02af85c822a8", regex=r"\S+"),
        },
    )


async def exercise(interaction: Interaction, url: str) -> None:
    """Run the reference client for one interaction, and check what it makes of the answer.

    Args:
        interaction: One of `interactions()`.
        url: Base URL of its mock server.

    Raises:
        ContractError: The client returned something else, or the interaction is not known here.
    """
    settings = ClientSettings(base_url=url, api_key=API_KEY, trust_env=False)
    expected: object
    async with PaymentsClient(settings) as client:
        if interaction.description == FOUND:
            expected = Payment(
                id="p1",
                amount=1250,
                currency="EUR",
                status="settled",
                reference="invoice-4711",
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
            seen: object = await client.get_payment("p1")
        elif interaction.description == MISSING:
            expected = NotFound
            try:
                seen = await client.get_payment("p404")
            except NotFound as error:
                seen = type(error)
        else:
            raise ContractError(f"nobody exercises {interaction.description!r}")
    if seen != expected:
        raise ContractError(f"{interaction.description}: {seen!r}, expected {expected!r}")


if __name__ == "__main__":
    print(write_pact(asyncio.run(run_baseline(interactions(), exercise)), PACTS))
