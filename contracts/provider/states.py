"""Provider states for Pact's verifier: `POST /_pact/states`, for tests only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from contracts.provider.accounts import add_key, read_ledger, revoke_key
from contracts.provider.callers import Rates
from contracts.provider.once import Once
from contracts.provider.problems import problem
from contracts.provider.store import Store
from contracts.provider.tables import keys, ledger, payments, refunds
from sqlalchemy import delete, event, insert
from sqlalchemy.exc import OperationalError
from starlette.responses import JSONResponse, Response

__all__ = ["States"]

ACCOUNT = "pact"
# what every pact of ours sends: a placeholder, no secret
PLACEHOLDER = "pact-placeholder"
Params = Mapping[str, Any]


class States:
    """Sets and tears down the states that pacts name.

    Args:
        store: the database; it gets an account for the verifier.
        rates: the accounts' rates.
        once: the idempotency keys.
    """

    def __init__(self, store: Store, rates: Rates, once: Once) -> None:
        self._store, self._rates, self._once, self._down = store, rates, once, False
        add_key(store, ACCOUNT, PLACEHOLDER)
        self._changes: Mapping[str, Callable[[Params], None]] = {
            "a payment exists": lambda params: self._payment(params, "pending"),
            "a refused payment exists": lambda params: self._payment(params, "refused"),
            "a settled payment exists": lambda params: self._payment(params, "settled"),
            "no payment exists": lambda params: self._clear(),
            "payments fill more than one page": self._pages,
            "the client is rate limited": lambda params: self._rates.drain(
                ACCOUNT, float(params.get("retry_after_s", 1))),
            "the key is in progress": lambda params: self._once.hold(ACCOUNT, str(params["key"])),
            "the key was used for something else": self._used,
            "the provider is overloaded": lambda params: self._overload(),
            "the token has expired": lambda params: revoke_key(self._store, PLACEHOLDER),
        }

    def change(self, body: bytes) -> Response:
        """Set or tear down one state, or count effects; an unknown state is refused, never ignored."""
        try:
            order = json.loads(body)
            action, name, params = order["action"], order.get("state"), order.get("params", {})
            change = self._changes.get(name)
        except (ValueError, TypeError, KeyError, AttributeError):
            return problem(400, "state-malformed", "expected an object with action, state and params")
        if action == "count":
            return JSONResponse({"effects": len(read_ledger(self._store))})
        if action not in ("setup", "teardown") or not isinstance(params, dict):
            return problem(400, "state-malformed", "action is setup, teardown or count, params an object")
        if change is None:
            return problem(404, "state-unknown", "there is no such provider state")
        # one interaction is verified at a time: what it left must not reach the next
        if action == "teardown":
            self._reset()
        else:
            change(params)
        return JSONResponse({"state": name, "action": action})

    def _payment(self, params: Params, status: str) -> None:
        name = str(params.get("id", "p1"))
        with self._store.writing() as connection:
            connection.execute(delete(payments).where(payments.c.id == name))
            connection.execute(insert(payments).values(_row(name, status)))

    def _pages(self, params: Params) -> None:
        with self._store.writing() as connection:
            connection.execute(delete(payments))
            rows = [_row(f"page-{n}", "settled") for n in range(int(params.get("count", 51)))]
            connection.execute(insert(payments), rows)

    def _used(self, params: Params) -> None:
        with self._store.writing() as connection:
            connection.execute(insert(keys).values(
                account=ACCOUNT, key=str(params["key"]), fingerprint="of another request", status=201,
                body="{}", made_at=self._once.now()))

    def _overload(self) -> None:
        if not self._down:
            self._down = True
            event.listen(self._store.engine, "begin", _refuse, insert=True)

    def _reset(self) -> None:
        if self._down:
            event.remove(self._store.engine, "begin", _refuse)
            self._down = False
        self._rates.refill(ACCOUNT)
        self._once.release(ACCOUNT)
        add_key(self._store, ACCOUNT, PLACEHOLDER)
        self._clear()

    def _clear(self) -> None:
        with self._store.writing() as connection:
            for table in (payments, refunds, keys, ledger):
                connection.execute(delete(table))


def _row(name: str, status: str) -> dict[str, Any]:
    return {"id": name, "account": ACCOUNT, "amount": 990, "currency": "EUR", "status": status,
            "reference": f"order-{name}", "created_at": "2026-03-04T05:06:07Z"}


def _refuse(connection: object) -> None:
    raise OperationalError("the database takes no more work", None, Exception())
