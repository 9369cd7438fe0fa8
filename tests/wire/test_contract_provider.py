"""The reference provider, and broken ones, held against the committed pact over real sockets."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from galeproof.contract import ContractError, verify_provider

pytest.importorskip("pact")
pytest.importorskip("uvicorn")

CONTRACTS = Path(__file__).parents[2] / "contracts"
PACT = CONTRACTS / "pacts" / "galeproof-client-payments-api.json"
FOUND, MISSING = "a payment by its id", "a payment that is not there"
PAYMENT = {
    "id": "p1", "amount": 990, "currency": "EUR", "status": "pending", "reference": "r",
    "created_at": "2026-03-04T05:06:07Z",
}
Answer = tuple[int, str, Any]


@pytest.fixture(scope="module")
def provider_url() -> Iterator[str]:
    """The reference provider in a process of its own."""
    with subprocess.Popen(
        [sys.executable, str(CONTRACTS / "provider" / "app.py"), "--states"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@contextmanager
def _broken(get: Callable[[], Answer], post: Callable[[], Answer]) -> Iterator[str]:
    """A provider that answers every GET and every state call as told."""

    class Handler(BaseHTTPRequestHandler):
        def _say(self, answer: Answer) -> None:
            status, media, document = answer
            body = json.dumps(document).encode()
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._say(get())

        def do_POST(self) -> None:
            self._say(post())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _json(document: Mapping[str, Any]) -> Answer:
    return 200, "application/json", document


def _item(pact: dict[str, Any], name: str = FOUND) -> dict[str, Any]:
    found: dict[str, Any] = next(i for i in pact["interactions"] if i["description"] == name)
    return found


def _edited(folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    pact = json.loads(PACT.read_text("utf-8"))
    change(pact)
    path = folder / "pact.json"
    path.write_text(json.dumps(pact), "utf-8")
    return path


def _verify(url: str, pact: Path = PACT, **more: Any) -> list[tuple[str, bool]]:
    found = verify_provider(url, pact, f"{url}/_pact/states", provider="payments-api", **more)
    return [(result.description, result.passed) for result in found]


def test_reference_provider_keeps_the_contract(
    provider_url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each interaction gives one result and passes; nothing is printed, no proxy is obeyed."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    names = [item["description"] for item in json.loads(PACT.read_text("utf-8"))["interactions"]]
    assert len(names) == 25
    assert _verify(provider_url) == [(name, True) for name in names]
    assert capfd.readouterr() == ("", "")


def test_one_interaction_can_be_chosen(provider_url: str) -> None:
    """A choice by description verifies that interaction alone."""
    assert _verify(provider_url, only=MISSING) == [(MISSING, True)]


def test_amount_as_string_fails() -> None:
    """A provider that answers the amount as a string fails, and the reason names it."""
    wrong = {**PAYMENT, "amount": "990"}
    with _broken(lambda: _json(wrong), lambda: _json({})) as url:
        (result,) = verify_provider(url, PACT, url, provider="payments-api", only=FOUND)
    assert not result.passed
    assert "990" in " ".join(result.reasons)


def test_right_payment_passes_where_the_wrong_one_failed() -> None:
    """The same small provider passes with the amount as a number: the test above can pass."""
    with _broken(lambda: _json(PAYMENT), lambda: _json({})) as url:
        assert _verify(url, only=FOUND) == [(FOUND, True)]


def test_provider_that_is_not_there_fails() -> None:
    """Nobody listening is a failure of every interaction, never a green run."""
    with _broken(lambda: _json(PAYMENT), lambda: _json({})) as url:
        pass
    found = verify_provider(url, PACT, "http://127.0.0.1:9/s", provider="payments-api")
    assert {(result.passed, result.reasons[0].rpartition(" ")[2]) for result in found} == {(False, "refused")}


@pytest.mark.parametrize(
    "change", [{"query": {"full": []}}, {"query": {"full": [None]}}, {"path": "/x/../payments/p1"}]
)
def test_request_that_the_provider_never_saw_is_not_green(
    change: Mapping[str, Any], tmp_path: Path
) -> None:
    """What the verifier leaves out or normalises did not reach the provider: that is no pass."""
    with _broken(lambda: _json(PAYMENT), lambda: _json({})) as url:
        pact = _edited(tmp_path, lambda pact: _item(pact)["request"].update(change))
        (result,) = verify_provider(url, pact, url, provider="payments-api", only=FOUND)
    assert not result.passed
    assert "the provider saw" in " ".join(result.reasons)


def test_query_that_arrived_is_green(tmp_path: Path) -> None:
    """A query that the provider saw as the pact has it, in any order, is no finding."""

    def ask(pact: dict[str, Any]) -> None:
        _item(pact)["request"]["query"] = {"b": ["", "x y"], "a": ["1"]}

    with _broken(lambda: _json(PAYMENT), lambda: _json({})) as url:
        assert _verify(url, _edited(tmp_path, ask), only=FOUND) == [(FOUND, True)]


def test_empty_pact_is_refused(provider_url: str, tmp_path: Path) -> None:
    """A pact without interactions is refused."""
    with pytest.raises(ContractError, match="no interactions"):
        _verify(provider_url, _edited(tmp_path, lambda pact: pact.update(interactions=[])))


def test_wrong_provider_name_is_refused(provider_url: str) -> None:
    """A pact for another provider is refused."""
    with pytest.raises(ContractError, match="'payments-api', not 'payment-api'"):
        verify_provider(provider_url, PACT, provider_url, provider="payment-api")


def test_choice_that_matches_nothing_is_refused(provider_url: str) -> None:
    """A choice that names no interaction is refused, and the known ones are named."""
    with pytest.raises(ContractError, match=FOUND):
        _verify(provider_url, only="a payment by it's id")


def test_states_without_an_endpoint_are_refused(provider_url: str) -> None:
    """A pact with states is refused where nothing can set them."""
    with pytest.raises(ContractError, match="state_url"):
        verify_provider(provider_url, PACT, provider="payments-api")


def test_unknown_state_fails(provider_url: str, tmp_path: Path) -> None:
    """A state that the provider does not know fails its interaction, though the answer is right."""

    def rename(pact: dict[str, Any]) -> None:
        pact["interactions"] = [_item(pact), _item(pact, MISSING)]
        pact["interactions"][1]["providerStates"] = [{"name": "the moon is full"}]

    found = verify_provider(
        provider_url,
        _edited(tmp_path, rename),
        f"{provider_url}/_pact/states",
        provider="payments-api",
    )
    assert [result.passed for result in found] == [True, False]
    assert "'the moon is full' was answered 404" in " ".join(found[1].reasons)


@pytest.mark.parametrize(
    "answer", [(302, "application/json", {}), (200, "text/html", "ok"), (500, "text/json", {})]
)
def test_state_that_was_not_taken_fails(answer: Answer) -> None:
    """A redirect, a page and a server error do not count as a state that was set."""
    with _broken(lambda: _json(PAYMENT), lambda: answer) as url:
        assert _verify(url, only=FOUND) == [(FOUND, False)]


def test_state_endpoint_is_only_there_when_asked_for() -> None:
    """Without `--states` the provider has no endpoint that changes its data."""
    with subprocess.Popen(
        [sys.executable, str(CONTRACTS / "provider" / "app.py")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = httpx.post(f"{url}/_pact/states", json={"action": "setup", "state": "x"})
        process.kill()
    assert answer.status_code == 404
