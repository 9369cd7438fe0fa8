"""Adapters of the reference client: what galeproof is told about it."""

from __future__ import annotations

from typing import Any

from galeproof import read, write
from galeproof.client import ClientSettings, PaymentsClient

PAYMENT = {"id": "{effect}", "amount": "{amount}", "currency": "EUR", "status": "settled",
           "reference": "{ref}", "created_at": "2026-11-25T00:00:00Z"}


class Payments:
    """The reference client with its default settings."""

    def __init__(self, base_url: str, secrets: Any) -> None:
        self.client = PaymentsClient(ClientSettings(base_url=base_url, api_key=secrets["api_key"]))

    @read(answer={**PAYMENT, "id": "{ref}", "amount": 1250})
    async def fetch(self, ref: str) -> Any:
        return await self.client.get_payment(ref)

    @write(answer=PAYMENT, status=201)
    async def create(self, ref: str, amount: int) -> Any:
        return await self.client.create_payment(amount, "EUR", ref, correlation_id=ref)

    async def close(self) -> None:
        await self.client.aclose()
