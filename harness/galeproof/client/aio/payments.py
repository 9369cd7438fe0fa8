"""PaymentsClient: the thin vendor client of the payments API."""

from __future__ import annotations

from collections.abc import AsyncIterator

from galeproof.client.aio.base import ResilientClient
from galeproof.client.aio.pages import walk_pages
from galeproof.client.errors import InvalidArgument
from galeproof.client.payment import CURRENCY, MOST_MINOR_UNITS, Payment, PaymentPage, Refund

__all__ = ["PaymentsClient"]

_READ = "payments:read"
_WRITE = "payments:write"
_REFUND = "refunds:write"


class PaymentsClient(ResilientClient):
    """Client of the payments API; use it as `async with PaymentsClient(settings) as client`.

    Every method raises ClientError (see `galeproof.client.errors`) and takes `deadline_s`, the
    budget of the whole operation in seconds, and `correlation_id`, the caller's id for the logs of
    both sides (a fresh UUID4 by default).
    """

    async def get_payment(
        self,
        payment_id: str,
        *,
        correlation_id: str | None = None,
        deadline_s: float | None = None,
    ) -> Payment:
        """Return one payment.

        Raises:
            ClientError: the operation failed; InvalidArgument when nothing was sent.
        """
        return await self._call(
            "GET",
            "/payments/{payment_id}",
            Payment,
            path={"payment_id": payment_id},
            correlation_id=correlation_id,
            deadline_s=deadline_s,
            scope=_READ,
        )

    async def get_charge(
        self,
        charge_id: str,
        *,
        correlation_id: str | None = None,
        deadline_s: float | None = None,
    ) -> Payment:
        """Return one payment by the old route, whose end the provider has announced.

        Use `get_payment`; what the provider says about the route stands in `notices`.

        Raises:
            ClientError: the operation failed; InvalidArgument when nothing was sent.
        """
        return await self._call(
            "GET",
            "/charges/{charge_id}",
            Payment,
            path={"charge_id": charge_id},
            correlation_id=correlation_id,
            deadline_s=deadline_s,
            scope=_READ,
        )

    async def list_payments(
        self,
        cursor: str | None = None,
        *,
        correlation_id: str | None = None,
        deadline_s: float | None = None,
    ) -> PaymentPage:
        """Return one page of payments, the first when `cursor` is None.

        Raises:
            ClientError: the operation failed; InvalidArgument when nothing was sent.
        """
        return await self._call(
            "GET",
            "/payments",
            PaymentPage,
            query={} if cursor is None else {"cursor": cursor},
            correlation_id=correlation_id,
            deadline_s=deadline_s,
            scope=_READ,
        )

    async def iterate_payments(
        self, *, correlation_id: str | None = None, deadline_s: float | None = None
    ) -> AsyncIterator[Payment]:
        """Yield all payments, page by page; `deadline_s` is the budget of each page.

        Raises:
            PayloadError: the pages go round in a circle, or there are more than `max_pages`.
            ClientError: a page could not be read.
        """

        async def fetch(cursor: str | None) -> PaymentPage:
            return await self.list_payments(
                cursor, correlation_id=correlation_id, deadline_s=deadline_s
            )

        async for payment in walk_pages(fetch, max_pages=self._settings.max_pages):
            yield payment

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
        if not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
            raise InvalidArgument("currency: must be three capital letters")
        return await self._call(
            "POST",
            "/payments",
            Payment,
            json={"amount": amount, "currency": currency, "reference": reference},
            idempotency_key=idempotency_key,
            correlation_id=correlation_id,
            deadline_s=deadline_s,
            scope=_WRITE,
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
            scope=_REFUND,
        )


def _check_amount(amount: int) -> None:
    whole = isinstance(amount, int) and not isinstance(amount, bool)
    if not whole or not 1 <= amount <= MOST_MINOR_UNITS:
        raise InvalidArgument(f"amount: must be 1 to {MOST_MINOR_UNITS} minor units")
