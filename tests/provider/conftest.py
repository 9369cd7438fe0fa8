"""Databases, the application in this process, and providers in processes of their own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("uvicorn")

from contracts.provider.accounts import add_client, add_key
from contracts.provider.app import create_app
from contracts.provider.settings import ProviderSettings
from contracts.provider.store import Store
from tests.provider.postgres import Postgres, binaries, private_postgres
from tests.provider.running import Running

KEY, OTHER_KEY = "sk-canary-shop-0123456789", "sk-canary-other-0123456789"
CLIENT, CLIENT_SECRET = "shop-client", "sk-canary-client-secret/01+23"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of our own."""
    pytest.importorskip("psycopg")
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL: neither initdb on PATH nor below /usr/lib/postgresql")
    with private_postgres(found) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database, by URL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'provider.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """The database with two accounts and a client."""
    made = Store(database)
    add_key(made, "shop", KEY)
    add_key(made, "other", OTHER_KEY)
    add_client(made, "shop", CLIENT, CLIENT_SECRET)
    yield made
    made.close()


class Times:
    """Clocks that stand until they are moved."""

    def __init__(self) -> None:
        self.now_s = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now_s


class Api:
    """The application in this process, called as a provider's caller would."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.times, self.store = Times(), store
        self.app = create_app(
            ProviderSettings(**settings), store=store, now=self.times, monotonic=self.times)

    async def send(self, method: str, path: str, *, key: str | None = "k", auth: str | None = KEY,
                   **more: Any) -> httpx.Response:
        """Send one request."""
        headers = {**({"Idempotency-Key": key} if key and method == "POST" else {}),
                   **({"Authorization": f"Bearer {auth}"} if auth else {}), **more.pop("headers", {})}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://provider") as client:
            return await client.request(method, path, headers=headers, **more)

    async def pay(self, reference: str = "r", amount: int = 500, **more: Any) -> httpx.Response:
        """Create a payment."""
        body = {"amount": amount, "currency": "EUR", "reference": reference}
        return await self.send("POST", "/payments", json=body, **more)

    async def token(self, *, auth: Any = (CLIENT, CLIENT_SECRET), **form: str) -> httpx.Response:
        """Ask the token endpoint."""
        return await self.send("POST", "/oauth/token", key=None, auth=None, data=form,
                               headers=basic(*auth) if auth else {})


def basic(name: str, secret: str) -> dict[str, str]:
    """Return the header by which a client proves itself (RFC 6749, 2.3.1: both are encoded first)."""
    pair = f"{quote_plus(name)}:{quote_plus(secret)}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


@pytest.fixture
def make_api(store: Store) -> Callable[..., Api]:
    """Return a maker of the application, with settings."""
    return lambda **settings: Api(store, **settings)


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    """The application with its defaults."""
    return make_api()


@pytest.fixture
def running(database: str, store: Store, tmp_path: Path) -> Iterator[Running]:
    """A provider in a process of its own, not yet started."""
    made = Running(database, tmp_path)
    yield made
    made.kill()
