"""Adapters of the reference client: what galeproof is told about it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import httpx

from galeproof import read, write
from galeproof.client import (
    BlockingPaymentsClient,
    BreakerSettings,
    BudgetSettings,
    ClientSettings,
    OAuthSettings,
    PaymentsClient,
)

PAYMENT = {"id": "{effect}", "amount": "{amount}", "currency": "EUR", "status": "settled",
           "reference": "{ref}", "created_at": "2026-11-25T00:00:00Z"}
FOUND = {**PAYMENT, "id": "{ref}", "amount": 1250}


class Payments:
    """The reference client with its default settings."""

    http: ModuleType = httpx

    def __init__(self, base_url: str, other_url: str, secrets: Any, ca_file: str | None) -> None:
        settings = ClientSettings(base_url=base_url, ca_file=ca_file,
                                  api_key_file=str(secrets.file("api_key")))
        self.client = PaymentsClient(settings, http=self.http)
        self.other_url, self.secrets, self.ca_file = other_url, secrets, ca_file
        self.other: PaymentsClient | None = None

    @read(answer=FOUND)
    async def fetch(self, ref: str) -> Any:
        return await self.client.get_payment(ref)

    @write(answer=PAYMENT, status=201)
    async def create(self, ref: str, amount: int) -> Any:
        return await self.client.create_payment(amount, "EUR", ref, correlation_id=ref)

    @write(answer=PAYMENT, status=201)
    async def create_keyed(self, ref: str, amount: int, key: str) -> Any:
        return await self.client.create_payment(
            amount, "EUR", ref, idempotency_key=key, correlation_id=ref)

    @read(answer=FOUND, origin="other")
    async def fetch_other(self, ref: str) -> Any:
        if self.other is None:
            settings = ClientSettings(base_url=self.other_url, api_key=self.secrets["api_key"],
                                      ca_file=self.ca_file)
            self.other = PaymentsClient(settings, http=self.http)
        return await self.other.get_payment(ref)

    async def close(self) -> None:
        await self.client.aclose()
        if self.other is not None:
            await self.other.aclose()


class PatientPayments(Payments):
    """The reference client with more attempts than its default, so that its backoff reaches the cap, and
    with a budget and a breaker that let seventy such operations through."""

    def __init__(self, base_url: str, other_url: str, secrets: Any, ca_file: str | None) -> None:
        super().__init__(base_url, other_url, secrets, ca_file)
        settings = ClientSettings(base_url=base_url, api_key=secrets["api_key"], ca_file=ca_file,
                                  max_attempts=5, backoff_base_s=0.2, backoff_cap_s=0.4,
                                  breaker=BreakerSettings(calls=1000),
                                  retry_budget=BudgetSettings(capacity=5000))
        self.client = PaymentsClient(settings, http=self.http)


class OAuthPayments(Payments):
    """The reference client with a refresh token that rotates."""

    def __init__(self, base_url: str, secrets: Any, token_url: str, ca_file: str | None) -> None:
        settings = ClientSettings(base_url=base_url, ca_file=ca_file, oauth=OAuthSettings(
            token_url=token_url, client_id="shop", client_secret=secrets["api_key"],
            refresh_token=secrets["refresh_token"]))
        self.client = PaymentsClient(settings, http=self.http)
        self.other: PaymentsClient | None = None


class BlockingPayments:
    """The blocking twin with its default settings."""

    http: ModuleType = httpx

    def __init__(self, base_url: str, secrets: Any, ca_file: str | None) -> None:
        settings = ClientSettings(base_url=base_url, ca_file=ca_file,
                                  api_key_file=str(secrets.file("api_key")))
        self.client = BlockingPaymentsClient(settings, http=self.http)

    @read(answer=FOUND)
    def fetch(self, ref: str) -> Any:
        return self.client.get_payment(ref)

    @write(answer=PAYMENT, status=201)
    def create(self, ref: str, amount: int) -> Any:
        return self.client.create_payment(amount, "EUR", ref, correlation_id=ref)

    @write(answer=PAYMENT, status=201)
    def create_keyed(self, ref: str, amount: int, key: str) -> Any:
        return self.client.create_payment(amount, "EUR", ref, idempotency_key=key, correlation_id=ref)

    def close(self) -> None:
        self.client.close()
