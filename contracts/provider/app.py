"""The reference provider of the payments API, an application of its own.

Run it: `python contracts/provider/app.py [--port N] [--states]`; it prints its URL as the first
line. `--states` adds the endpoint by which a verifier sets provider states: for tests only.
"""

from __future__ import annotations

import argparse
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["Payment", "create_app"]


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment: `amount` in minor units, `status` pending, settled or refused."""

    id: str
    amount: int
    currency: str
    status: str
    reference: str
    created_at: str


Store = dict[str, Payment]


def create_app(store: Store | None = None, *, states: bool = False) -> Starlette:
    """Make the application.

    Args:
        store: The payments by id; an empty one by default.
        states: Whether `POST /_pact/states` is there.
    """
    held: Store = {} if store is None else store

    async def get_payment(request: Request) -> Response:
        payment = held.get(request.path_params["id"])
        if payment is None:
            return _problem(404, "there is no such payment")
        return JSONResponse(asdict(payment))

    async def set_state(request: Request) -> Response:
        return _set_state(held, await request.body())

    routes = [Route("/payments/{id}", get_payment, methods=["GET"])]
    if states:
        routes.append(Route("/_pact/states", set_state, methods=["POST"]))
    return Starlette(routes=routes)


def _problem(status: int, detail: str) -> Response:
    """Return a problem document (RFC 9457)."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return JSONResponse(document, status, media_type="application/problem+json")


def _payment_exists(store: Store, params: Mapping[str, Any]) -> None:
    name = str(params.get("id", "p1"))
    store[name] = Payment(name, 990, "EUR", "pending", f"order-{name}", "2026-03-04T05:06:07Z")


def _no_payment_exists(store: Store, params: Mapping[str, Any]) -> None:
    store.clear()


_STATES: Mapping[str, Callable[[Store, Mapping[str, Any]], None]] = {
    "a payment exists": _payment_exists,
    "no payment exists": _no_payment_exists,
}


def _set_state(store: Store, body: bytes) -> Response:
    """Set or tear down one provider state; an unknown one is refused, never ignored."""
    try:
        order = json.loads(body)
        action, name, params = order["action"], order["state"], order.get("params", {})
        change = _STATES.get(name)
    except (ValueError, TypeError, KeyError, AttributeError):
        return _problem(400, "expected an object with action, state and params")
    if action not in ("setup", "teardown") or not isinstance(params, dict):
        return _problem(400, "action is setup or teardown, params an object")
    if change is None:
        return _problem(404, f"there is no provider state {name!r}")
    # one interaction is verified at a time: what it left must not reach the next
    if action == "teardown":
        store.clear()
    else:
        change(store, params)
    return JSONResponse({"state": name, "action": action})


def main() -> None:
    """Serve on loopback until killed."""
    parser = argparse.ArgumentParser(description="The reference provider of the payments API.")
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--states", action="store_true", help="with POST /_pact/states")
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        # the socket listens already: who reads this line can connect
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(create_app(states=options.states), log_level="warning")
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
