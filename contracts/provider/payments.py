"""Payments and refunds: what is asked, what is done, and how it is told."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from contracts.provider.problems import Refused
from contracts.provider.store import Store
from contracts.provider.tables import ledger, payments, refunds
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError
from sqlalchemy import Connection, RowMapping, func, insert, select

__all__ = ["PaymentOrder", "Payments", "RefundOrder", "parsed"]

_MOST = 2**53 - 1
_ORDER = ConfigDict(extra="forbid", hide_input_in_errors=True)
_ID = re.compile("[A-Za-z0-9._~-]{1,64}")
_SHOWN = ("id", "amount", "currency", "status", "reference", "created_at")
Amount = Annotated[StrictInt, Field(ge=1, le=_MOST)]
Currency = Annotated[StrictStr, Field(pattern="^[A-Z]{3}$")]
Row = Mapping[str, Any]
M = TypeVar("M", bound=BaseModel)


class PaymentOrder(BaseModel):
    """What creates a payment; `amount` in minor units."""

    model_config = _ORDER
    amount: Amount
    currency: Currency
    # no control characters: PostgreSQL takes no NUL, and logs no line breaks
    reference: Annotated[StrictStr, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class RefundOrder(BaseModel):
    """What refunds a part or all of a payment; `amount` in minor units."""

    model_config = _ORDER
    amount: Amount


def parsed(model: type[M], document: Any) -> M:
    """Return a valid order.

    Raises:
        Refused: it names each wrong member and its rule, never a value.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        # a member that the sender made up may hold anything: only names of ours are told
        found = [{"pointer": _pointer(model, e["loc"]), "detail": e["msg"]} for e in error.errors()]
    raise Refused(400, "body-invalid", "the body is not what the operation takes", errors=found)


def _pointer(model: type[BaseModel], where: tuple[int | str, ...]) -> str:
    known = "".join(f"/{part}" for part in where if part in model.model_fields)
    return known or "/"


class Payments:
    """The payments of all accounts.

    Args:
        store: the database.
        now: time in seconds since the Unix epoch.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store, self._now = store, now

    def get(self, account: str, payment_id: str) -> dict[str, Any]:
        """Return one payment of an account.

        Raises:
            Refused: there is none.
        """
        with self._store.reading() as connection:
            return shown(dict(self._found(connection, account, payment_id)))

    def page(self, account: str, cursor: str | None, limit: int) -> dict[str, Any]:
        """Return payments in the order of their making, from a cursor on."""
        after = 0 if cursor is None else _number(cursor)
        mine = (payments.c.account == account) & (payments.c.seq > after)
        with self._store.reading() as connection:
            rows = list(connection.execute(
                select(payments).where(mine).order_by(payments.c.seq).limit(limit + 1)).mappings())
        more = len(rows) > limit
        items = rows[:limit]
        return {"items": [shown(dict(row)) for row in items],
                "next_cursor": _cursor(items[-1]["seq"]) if more else None}

    def create(self, connection: Connection, account: str, key: str, order: PaymentOrder) -> dict[str, Any]:
        """Make a payment, in the transaction that is given."""
        row: dict[str, Any] = {"id": f"pay_{uuid.uuid4().hex}", "account": account, "status": "settled",
                               "created_at": self._instant(), **order.model_dump()}
        connection.execute(insert(payments).values(row))
        self._enter(connection, account, "payment", row["id"], key, order.amount)
        return shown(row)

    def refund(
        self, connection: Connection, account: str, key: str, payment_id: str, order: RefundOrder
    ) -> dict[str, Any]:
        """Refund, in the transaction that is given.

        Raises:
            Refused: there is no such payment, or less is left of it.
        """
        # locked: two refunds at once must not both see the same rest
        paid = self._found(connection, account, payment_id, locked=True)
        given = connection.scalar(
            select(func.coalesce(func.sum(refunds.c.amount), 0)).where(refunds.c.payment_id == payment_id))
        if int(given or 0) + order.amount > paid["amount"]:
            raise Refused(422, "refund-too-large", "more than is left of the payment")
        row: dict[str, Any] = {"id": f"ref_{uuid.uuid4().hex}", "payment_id": payment_id,
                               "amount": order.amount, "status": "settled", "created_at": self._instant()}
        connection.execute(insert(refunds).values(row))
        self._enter(connection, account, "refund", row["id"], key, order.amount)
        return {name: row[name] for name in ("id", "payment_id", "amount", "status")}

    def _found(
        self, connection: Connection, account: str, payment_id: str, *, locked: bool = False
    ) -> RowMapping:
        query = select(payments).where((payments.c.id == payment_id) & (payments.c.account == account))
        found = None
        if _ID.fullmatch(payment_id):
            found = connection.execute(query.with_for_update() if locked else query).mappings().first()
        if found is None:
            raise Refused(404, "payment-unknown", "there is no such payment")
        return found

    def _enter(
        self, connection: Connection, account: str, kind: str, subject: str, key: str, amount: int
    ) -> None:
        connection.execute(insert(ledger).values(
            account=account, kind=kind, subject=subject, key=key, amount=amount, at=self._now()))

    def _instant(self) -> str:
        return datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def shown(row: Row) -> dict[str, Any]:
    """Return a payment as the API tells it."""
    return {name: row[name] for name in _SHOWN}


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(f"after:{number}".encode()).decode().rstrip("=")


def _number(cursor: str) -> int:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        word, _, number = base64.urlsafe_b64decode(padded).decode("ascii").partition(":")
        if word == "after" and number.isdigit() and len(number) < 16:
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise Refused(400, "cursor-invalid", "the cursor is none of ours")
