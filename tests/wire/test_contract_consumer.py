"""The reference client against Pact mock servers, fault-free, over real sockets."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import sys
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from galeproof.contract import ContractError, Interaction, run_baseline, serve, write_pact

pytest.importorskip("pact")

CONTRACTS = Path(__file__).parents[2] / "contracts"


def _load(path: Path) -> ModuleType:
    """Import a file that lies outside any package."""
    spec = importlib.util.spec_from_file_location(f"galeproof_test_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


PAYMENTS = _load(CONTRACTS / "consumer" / "payments.py")
INTERACTIONS: dict[str, Interaction] = {i.description: i for i in PAYMENTS.interactions()}


@pytest.mark.parametrize("description", INTERACTIONS)
def test_reference_client_keeps_its_contract(description: str) -> None:
    """The real client sends what the contract says, and understands the answer."""
    item = INTERACTIONS[description]
    with serve(item) as mock:
        asyncio.run(PAYMENTS.exercise(item, mock.url))
        assert (mock.matched(), mock.mismatches()) == (True, [])
    assert (mock.matched(), mock.mismatches()) == (True, [])


def test_any_payment_id_matches() -> None:
    """A request for another id matches too, so that a storm can send its own references."""
    item = INTERACTIONS[PAYMENTS.FOUND]
    headers = {
        "Accept": "application/json", "Authorization": "Bearer other", "X-Request-Id": "r1",
    }
    with serve(item) as mock:
        answer = httpx.get(f"{mock.url}/payments/g0123456789abcde", headers=headers)
        assert (answer.status_code, mock.matched()) == (200, True)


def test_request_that_never_came_is_a_mismatch() -> None:
    """A mock server that nobody asked has not matched, and says so."""
    with serve(INTERACTIONS[PAYMENTS.FOUND]) as mock:
        pass
    assert not mock.matched()
    assert [text[:15] for text in mock.mismatches()] == ["Missing request"]


def test_request_without_credentials_is_a_mismatch() -> None:
    """A request that lacks a promised header is answered 500 and is in the mismatches."""
    with serve(INTERACTIONS[PAYMENTS.FOUND]) as mock:
        answer = httpx.get(f"{mock.url}/payments/p1", headers={"Accept": "application/json"})
    assert (answer.status_code, mock.matched()) == (500, False)
    assert "Authorization" in "".join(mock.mismatches())


def test_stopping_frees_the_port() -> None:
    """After `stop` nothing listens on the port any more, matched or not."""
    item = INTERACTIONS[PAYMENTS.MISSING]
    for asked in (True, False):
        mock = serve(item)
        if asked:
            asyncio.run(PAYMENTS.exercise(item, mock.url))
        mock.stop()
        mock.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", mock.port), timeout=5)


def test_regenerated_pact_is_the_committed_one(tmp_path: Path) -> None:
    """The baseline writes the committed file again, byte for byte, in any order."""
    items = list(INTERACTIONS.values())
    committed = (PAYMENTS.PACTS / "galeproof-client-payments-api.json").read_bytes()
    for order in (items, items[::-1]):
        path = write_pact(asyncio.run(run_baseline(order, PAYMENTS.exercise)), tmp_path)
        assert committed == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_nothing_unmatched_is_written() -> None:
    """An interaction that the client did not exercise gives no fragment."""

    async def idle(item: Interaction, url: str) -> None:
        """Ask nothing."""

    with pytest.raises(ContractError, match="did not match"):
        asyncio.run(run_baseline(list(INTERACTIONS.values()), idle))


def test_mismatch_in_the_baseline_gives_the_reason() -> None:
    """Where the client fails because the mock refused it, the error shows the mismatch."""

    async def wrong(item: Interaction, url: str) -> None:
        httpx.get(f"{url}/payment/p1").raise_for_status()

    with pytest.raises(ContractError, match="/payment/p1") as caught:
        asyncio.run(run_baseline(list(INTERACTIONS.values()), wrong))
    assert isinstance(caught.value.__cause__, httpx.HTTPStatusError)
