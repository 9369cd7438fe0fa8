"""httpx2 is a drop-in: the same client, the same results."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import httpx2
import pytest

from galeproof.client import ClientError, ClientSettings, Payment, PaymentsClient

FAILURES = [
    "ConnectError", "ConnectTimeout", "PoolTimeout", "ReadTimeout", "WriteTimeout", "ReadError",
    "WriteError", "RemoteProtocolError", "ProxyError", "DecodingError", "TooManyRedirects",
    "UnsupportedProtocol", "LocalProtocolError",
]  # fmt: skip


async def create(client: PaymentsClient) -> Any:
    return await client.create_payment(500, "EUR", "abc")


def run(bench: Any, http: Any, *steps: Any) -> Any:
    bench.http = http
    bench.requests.clear()
    bench.clock.sleeps.clear()
    return bench.run(create, *steps)


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def http(request: pytest.FixtureRequest) -> Any:
    """Return each library in turn."""
    return request.param


def test_a_payment_is_made_through_a_storm(bench: Any, payment: Any, http: Any) -> None:
    """Busy, lost and then well: three requests under one key."""
    good = http.Response(201, json=payment().json())
    result = run(bench, http, http.Response(503), http.ReadTimeout("x"), good)
    assert (type(result), len(bench.requests)) == (Payment, 3)
    assert len({r.headers["Idempotency-Key"] for r in bench.requests}) == 1


@pytest.mark.parametrize("failure", FAILURES)
def test_failures_are_mapped_alike(bench: Any, failure: str) -> None:
    """Every exception of either library ends as the same error after as many attempts."""
    ends = []
    for http in (httpx, httpx2):
        error = run(bench, http, getattr(http, failure)("x"))
        assert isinstance(error, ClientError)
        ends.append((type(error), error.code, error.attempts, error.effect_unknown))
    assert ends[0] == ends[1]


def test_redirects_and_sizes_are_judged_alike(bench: Any, http: Any) -> None:
    """Another origin is refused, an answer beyond the limit is given up."""
    bench.settings = {"max_response_bytes": 10}
    far = run(bench, http, http.Response(307, headers={"Location": "https://evil/x"}))
    large = run(bench, http, http.Response(200, content=b" " * 11))
    assert (far.code, large.code) == ("redirect_refused", "response_too_large")


def test_a_real_socket_is_served(http: Any, payment: Any) -> None:
    """Keep-alive over a loopback socket, two calls on one connection."""
    body = payment().content
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            writer.write(head.encode() + body)
        writer.close()

    async def main() -> list[Payment]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = ClientSettings(base_url=url, api_key="k")
        async with server, PaymentsClient(settings, http=http) as client:
            return [await client.get_payment("p1") for _ in range(2)]

    assert [p.id for p in asyncio.run(main())] == ["p1", "p1"]
    assert connections == 1
