"""The reference client and its twin on httpx2, the maintained continuation of httpx."""

from __future__ import annotations

import httpx2
from contracts.adapters import BlockingPayments, Payments

__all__ = ["BlockingPaymentsOnHttpx2", "PaymentsOnHttpx2"]


class PaymentsOnHttpx2(Payments):
    """The reference client on httpx2."""

    http = httpx2


class BlockingPaymentsOnHttpx2(BlockingPayments):
    """The blocking twin on httpx2."""

    http = httpx2
