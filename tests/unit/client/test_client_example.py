"""The example application opens and closes the client in its lifespan."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import httpx
from starlette.testclient import TestClient

from galeproof.client import ClientSettings, InvalidArgument, PaymentsClient, SharedPolicy

PATH = Path(__file__).parents[3] / "contracts" / "example_app.py"


def module() -> Any:
    spec = importlib.util.spec_from_file_location("example_app", PATH)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_client_lives_as_long_as_the_application(payment: Any) -> None:
    """One client serves all requests, passes id and deadline on, and is closed at the end."""
    made: list[PaymentsClient] = []
    seen: list[httpx.Request] = []

    async def provider(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return payment() if request.method == "GET" else httpx.Response(429, headers={"Retry-After": "9"})

    def make(policy: SharedPolicy) -> PaymentsClient:
        settings = ClientSettings(base_url="https://pay.example", api_key="k")
        made.append(PaymentsClient(settings, policy=policy, transport=httpx.MockTransport(provider)))
        return made[-1]

    with TestClient(module().create_app(make)) as http:
        found = http.get("/payments/p1", headers={"X-Request-Id": "corr-1", "X-Deadline-Ms": "500"})
        busy = http.post("/orders/7/payment", json={"amount": 5})
        wrong = http.post("/orders/7/payment", json={"amount": -5})
    assert (found.status_code, found.json()["payment"], len(made)) == (200, "p1", 1)
    assert seen[0].headers["X-Request-Id"] == "corr-1"
    assert 0 < int(seen[0].headers["X-Deadline-Ms"]) <= 500
    assert seen[1].headers["Idempotency-Key"] == "order-7"
    assert (busy.status_code, busy.headers["Retry-After"], busy.json()["title"]) == (503, "10", "RateLimited")
    assert wrong.status_code == 400

    try:
        asyncio.run(made[0].get_payment("p1"))
    except InvalidArgument as error:
        assert "closed" in str(error)
    else:
        raise AssertionError
