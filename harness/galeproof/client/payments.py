"""PaymentsClient: the thin vendor client of the payments API."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
)

from galeproof.client.base import ResilientClient
from galeproof.client.errors import InvalidArgument

__all__ = ["Payment", "PaymentPage", "PaymentsClient", "Refund"]

_STATUSES = ("pending", "settled", "refused")
_CURRENCY = re.compile("[A-Z]{3}")
_MOST_MINOR_UNITS = 2**53 - 1


def _known_status(value: object) -> object:
    """Keep reading when the provider adds a status."""
    return "unknown" if isinstance(value, str) and value not in _STATUSES else value


def _only_text(value: object) -> object:
    """Refuse numbers where the API promises an ISO 8601 text."""
    if not isinstance(value, (str, datetime)) or (isinstance(value, str) and value.isdigit()):
        raise ValueError("must be an ISO 8601 text")
    return value


Amount = Annotated[StrictInt, Field(ge=0, le=_MOST_MINOR_UNITS)]
Identifier = Annotated[StrictStr, Field(min_length=1)]
Status = Annotated[
    Literal["pending", "settled", "refused", "unknown"], BeforeValidator(_known_status)
]


class _Read(BaseModel):
    """Tolerant reader: unknown fields pass, known ones must be right."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Payment(_Read):
    """A payment; `amount` in minor units, a status that is new to us reads as "unknown"."""

    id: Identifier
    amount: Amount
    currency: Annotated[StrictStr, Field(pattern="^[A-Z]{3}$")]
    status: Status
    reference: StrictStr
    created_at: Annotated[datetime, BeforeValidator(_only_text)]


class PaymentPage(_Read):
    """One page of payments; `next_cursor` is None on the last."""

    items: tuple[Payment, ...] = Field(validation_alias=AliasChoices("items", "data", "payments"))
    next_cursor: StrictStr | None = None


class Refund(_Read):
    """A refund; `amount` in minor units."""

    id: Identifier
    amount: Amount
    payment_id: StrictStr | None = None
    status: StrictStr | None = None


class PaymentsClient(ResilientClient):
    """Client of the payments API; use it as `async with PaymentsClient(settings) as client`.

    Every method raises ClientError (see `galeproof.client.errors`) and takes `deadline_s`, the
    budget of the whole operation in seconds.
    """

    async def get_payment(self, payment_id: str, *, deadline_s: float | None = None) -> Payment:
        """Return one payment.

        Raises:
            ClientError: the operation failed; InvalidArgument when nothing was sent.
        """
        return await self._call(
            "GET",
            "/payments/{payment_id}",
            Payment,
            path={"payment_id": payment_id},
            deadline_s=deadline_s,
        )

    async def list_payments(
        self, cursor: str | None = None, *, deadline_s: float | None = None
    ) -> PaymentPage:
        """Return one page, the first one without a cursor.

        Raises:
            ClientError: the operation failed; InvalidArgument when nothing was sent.
        """
        query = None if cursor is None else {"cursor": cursor}
        return await self._call("GET", "/payments", PaymentPage, query=query, deadline_s=deadline_s)

    async def create_payment(
        self,
        amount: int,
        currency: str,
        reference: str,
        *,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        deadline_s: float | None = None,
    ) -> Payment:
        """Create a payment exactly once, however many attempts it takes.

        Args:
            amount: minor units, at least 1.
            currency: three capital letters (ISO 4217).
            reference: the caller's own.
            idempotency_key: a key to reuse; a fresh UUID4 by default.
            correlation_id: the caller's id for logs on both sides; a fresh UUID4 by default.
            deadline_s: budget of the whole operation.

        Returns:
            The payment.

        Raises:
            ClientError: the operation failed; InvalidArgument when nothing was sent.
        """
        _check_amount(amount)
        if not _CURRENCY.fullmatch(currency):
            raise InvalidArgument("currency: must be three capital letters")
        return await self._call(
            "POST",
            "/payments",
            Payment,
            json={"amount": amount, "currency": currency, "reference": reference},
            idempotency_key=idempotency_key,
            correlation_id=correlation_id,
            deadline_s=deadline_s,
        )

    async def refund(
        self,
        payment_id: str,
        amount: int,
        *,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
        deadline_s: float | None = None,
    ) -> Refund:
        """Refund a part or all of a payment exactly once; `amount` in minor units.

        Raises:
            ClientError: the operation failed; InvalidArgument when nothing was sent.
        """
        _check_amount(amount)
        return await self._call(
            "POST",
            "/payments/{payment_id}/refunds",
            Refund,
            path={"payment_id": payment_id},
            json={"amount": amount},
            idempotency_key=idempotency_key,
            correlation_id=correlation_id,
            deadline_s=deadline_s,
        )


def _check_amount(amount: int) -> None:
    if isinstance(amount, bool) or not 1 <= amount <= _MOST_MINOR_UNITS:
        raise InvalidArgument(f"amount: must be 1 to {_MOST_MINOR_UNITS} minor units")
