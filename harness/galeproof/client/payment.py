"""The values of the payments API: a tolerant reader with strict types."""

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

__all__ = ["CURRENCY", "MOST_MINOR_UNITS", "Payment", "PaymentPage", "Refund"]

_STATUSES = ("pending", "settled", "refused")
CURRENCY = re.compile("[A-Z]{3}")
MOST_MINOR_UNITS = 2**53 - 1


def _known_status(value: object) -> object:
    """Keep reading when the provider adds a status."""
    return "unknown" if isinstance(value, str) and value not in _STATUSES else value


def _only_text(value: object) -> object:
    """Refuse numbers where the API promises an ISO 8601 text."""
    if not isinstance(value, (str, datetime)) or (isinstance(value, str) and value.isdigit()):
        raise ValueError("must be an ISO 8601 text")
    return value


Amount = Annotated[StrictInt, Field(ge=0, le=MOST_MINOR_UNITS)]
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
