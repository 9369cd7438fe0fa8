"""Provider states for Pact's verifier: `POST /_pact/states`, for tests only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from contracts.provider.accounts import add_key
from contracts.provider.problems import problem
from contracts.provider.store import Store
from contracts.provider.tables import keys, ledger, payments, refunds
from sqlalchemy import delete, insert
from starlette.responses import JSONResponse, Response

__all__ = ["States"]

ACCOUNT = "pact"
# what every pact of ours sends: a placeholder, no secret
PLACEHOLDER = "pact-placeholder"


class States:
    """Sets and tears down the states that pacts name.

    Args:
        store: the database; it gets an account for the verifier.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        add_key(store, ACCOUNT, PLACEHOLDER)
        self._changes: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "a payment exists": self._payment_exists,
            "no payment exists": lambda params: self._clear(),
        }

    def change(self, body: bytes) -> Response:
        """Set or tear down one state; an unknown one is refused, never ignored."""
        try:
            order = json.loads(body)
            action, name, params = order["action"], order["state"], order.get("params", {})
            change = self._changes.get(name)
        except (ValueError, TypeError, KeyError, AttributeError):
            return problem(400, "state-malformed", "expected an object with action, state and params")
        if action not in ("setup", "teardown") or not isinstance(params, dict):
            return problem(400, "state-malformed", "action is setup or teardown, params an object")
        if change is None:
            return problem(404, "state-unknown", "there is no such provider state")
        # one interaction is verified at a time: what it left must not reach the next
        if action == "teardown":
            self._clear()
        else:
            change(params)
        return JSONResponse({"state": name, "action": action})

    def _payment_exists(self, params: Mapping[str, Any]) -> None:
        name = str(params.get("id", "p1"))
        with self._store.writing() as connection:
            connection.execute(delete(payments).where(payments.c.id == name))
            connection.execute(insert(payments).values(
                id=name, account=ACCOUNT, amount=990, currency="EUR", status="pending",
                reference=f"order-{name}", created_at="2026-03-04T05:06:07Z"))

    def _clear(self) -> None:
        with self._store.writing() as connection:
            for table in (payments, refunds, keys, ledger):
                connection.execute(delete(table))
