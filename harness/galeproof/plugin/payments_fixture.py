"""A payments API that answers as it is told, for tests of code that uses `PaymentsClient`.

It needs the extra `respx` and no server. The fixture `gale_payments` gives one a test.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import httpx

try:
    import respx
except ImportError as error:
    raise ImportError("gale_payments needs the extra: pip install galeproof[respx]") from error

from galeproof.client import BlockingPaymentsClient, ClientSettings, PaymentsClient

__all__ = ["FakePayments", "fake_payments"]

_CREATED_AT = "2026-01-01T00:00:00Z"


class FakePayments:
    """A provider in memory: payments, keys, and the answers that a test asks for.

    Args:
        router: respx's router, in which every route can be changed at will.
        base_url: where it answers.
    """

    def __init__(self, router: respx.MockRouter, base_url: str) -> None:
        self.router = router
        self.base_url = base_url
        self.payments: dict[str, dict[str, Any]] = {}
        self._by_key: dict[str, httpx.Response] = {}
        self._next: list[httpx.Response | Exception] = []
        router.get(path="/payments").mock(side_effect=self._list)
        router.post(path="/payments").mock(side_effect=self._create)
        for root in ("payments", "charges"):
            router.get(path__regex=rf"^/{root}/(?P<name>[^/]+)$").mock(side_effect=self._get)
        router.post(path__regex=r"^/payments/(?P<name>[^/]+)/refunds$").mock(side_effect=self._refund)

    @property
    def requests(self) -> list[httpx.Request]:
        """Every request so far, oldest first."""
        return [call.request for call in self.router.calls]

    def settings(self, **more: Any) -> ClientSettings:
        """Return settings of a client that talks to this provider; waits are short."""
        values: dict[str, Any] = {
            "base_url": self.base_url, "api_key": "test", "backoff_base_s": 0.001, "backoff_cap_s": 0.001,
        }  # fmt: skip
        return ClientSettings(**{**values, **more})

    def client(self, **more: Any) -> PaymentsClient:
        """Return a client of this provider."""
        return PaymentsClient(self.settings(**more))

    def blocking_client(self, **more: Any) -> BlockingPaymentsClient:
        """Return a blocking client of this provider."""
        return BlockingPaymentsClient(self.settings(**more))

    def add(self, payment_id: str, **fields: Any) -> dict[str, Any]:
        """Put a payment there; fields that are not given have plain values."""
        payment = {
            "id": payment_id, "amount": 1000, "currency": "EUR", "status": "settled",
            "reference": payment_id, "created_at": _CREATED_AT, **fields,
        }  # fmt: skip
        self.payments[payment_id] = payment
        return payment

    def then(self, *answers: int | httpx.Response | Exception) -> None:
        """Give these answers to the next requests, then be healthy again.

        Args:
            answers: a status, a response, or an exception of httpx.
        """
        self._next += [_problem(a) if isinstance(a, int) else a for a in answers]

    def _planned(self) -> httpx.Response | None:
        if not self._next:
            return None
        answer = self._next.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _get(self, request: httpx.Request, name: str) -> httpx.Response:
        found = self.payments.get(name)
        return self._planned() or (_problem(404) if found is None else httpx.Response(200, json=found))

    def _list(self, request: httpx.Request) -> httpx.Response:
        page = {"items": list(self.payments.values()), "next_cursor": None}
        return self._planned() or httpx.Response(200, json=page)

    def _create(self, request: httpx.Request) -> httpx.Response:
        planned = self._planned()
        if planned is not None:
            return planned
        key = request.headers.get("Idempotency-Key", "")
        if key not in self._by_key:
            fields = json.loads(request.content)
            payment = self.add(f"p{len(self.payments) + 1}", **fields)
            self._by_key[key] = httpx.Response(201, json=payment)
        return self._by_key[key]

    def _refund(self, request: httpx.Request, name: str) -> httpx.Response:
        amount = json.loads(request.content)["amount"]
        refund = {"id": f"r-{name}", "amount": amount, "payment_id": name, "status": "settled"}
        return self._planned() or httpx.Response(201, json=refund)


@contextlib.contextmanager
def fake_payments(base_url: str = "https://payments.test") -> Iterator[FakePayments]:
    """Answer in the provider's place while the body runs; every other address is refused."""
    with respx.mock(base_url=base_url, assert_all_called=False) as router:
        yield FakePayments(router, base_url)


def _problem(status: int) -> httpx.Response:
    document = {"type": "about:blank", "title": httpx.codes.get_reason_phrase(status), "status": status}
    return httpx.Response(
        status, content=json.dumps(document), headers={"Content-Type": "application/problem+json"}
    )
