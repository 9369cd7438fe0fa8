"""An application that uses the reference client: opened and closed with it, one policy for all.

Run it: `GALEPROOF_CLIENT_PAYMENTS_BASE_URL=... GALEPROOF_CLIENT_PAYMENTS_API_KEY_FILE=...
uvicorn contracts.example_app:app`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypedDict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from galeproof.client import (
    ClientError,
    ClientSettings,
    InvalidArgument,
    NotFound,
    NotSent,
    PaymentsClient,
    RateLimited,
    SharedPolicy,
    deadline_of,
)

__all__ = ["app", "create_app"]

LOCAL_S = 3.0
MakeClient = Callable[[SharedPolicy], PaymentsClient]


class State(TypedDict):
    """What lives as long as the application."""

    payments: PaymentsClient


def from_environment(policy: SharedPolicy) -> PaymentsClient:
    """Return a client with the settings of its own section of the environment."""
    return PaymentsClient(ClientSettings.for_dependency("payments"), policy=policy)


def create_app(make_client: MakeClient = from_environment) -> Starlette:
    """Make the application.

    Args:
        make_client: Makes the client when the application starts.
    """

    @contextlib.asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[State]:
        # one policy: further clients are opened beside this one, with the same budget
        policy = SharedPolicy()
        async with make_client(policy) as payments:
            yield {"payments": payments}

    routes = [
        Route("/orders/{order}/payment", pay, methods=["POST"]),
        Route("/payments/{payment}", show, methods=["GET"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={ClientError: told})


async def pay(request: Request) -> Response:
    """Pay an order once, however often we are called: the order is the key."""
    order = request.path_params["order"]
    amount = (await request.json())["amount"]
    payment = await request.state.payments.create_payment(
        amount, "EUR", order, idempotency_key=f"order-{order}", **passed_on(request)
    )
    return JSONResponse({"payment": payment.id, "status": payment.status}, 201)


async def show(request: Request) -> Response:
    """Show a payment."""
    payment = await request.state.payments.get_payment(
        request.path_params["payment"], **passed_on(request)
    )
    return JSONResponse({"payment": payment.id, "status": payment.status})


def passed_on(request: Request) -> dict[str, Any]:
    """Return the caller's id, and of our budget what the caller's leaves."""
    headers = request.headers
    found: dict[str, Any] = {"deadline_s": deadline_of(headers.get("X-Deadline-Ms"), local_s=LOCAL_S)}
    if "X-Request-Id" in headers:
        found["correlation_id"] = headers["X-Request-Id"]
    return found


async def told(request: Request, error: Exception) -> Response:
    """Tell our caller what it can act on, in a problem document (RFC 9457)."""
    assert isinstance(error, ClientError)
    busy = isinstance(error, (RateLimited, NotSent))
    status = 503 if busy else 404 if isinstance(error, NotFound) else 502
    if isinstance(error, InvalidArgument):
        status = 400
    document = {
        "type": "about:blank",
        "title": type(error).__name__,
        "status": status,
        "code": error.code,
        "effect_unknown": error.effect_unknown,
        "correlation_id": error.correlation_id,
    }
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(round(error.retry_after_s + 0.5))
    return JSONResponse(document, status, headers, media_type="application/problem+json")


app = create_app()
