"""``galeproof verify-provider``: states, effects, networks, dependencies, and bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.provider.postgres import binaries, private_postgres
from tests.wire.contract_rig import interaction, pact, provider

from galeproof.contract.effects import check_effects
from galeproof.contract.reading import parse_pact
from galeproof.contract.state_server import StateServer, load_states, state
from galeproof.contract.verify import choose, verify_pact
from galeproof.runner.dependency import Dependency

pytest.importorskip("pact")
pytest.importorskip("uvicorn")

ROOT = Path(__file__).parents[2]
PACT = ROOT / "contracts" / "pacts" / "galeproof-client-payments-api.json"
JSON = {"Content-Type": "application/json"}
PAY = interaction(
    "a payment", request={
        "method": "POST", "path": "/pay", "headers": {"Idempotency-Key": ["k"], **{k: [v] for k, v in JSON.items()}},
        "body": {"content": {"n": 5}, "contentType": "application/json", "encoded": False}},
    response={"status": 201})


def galeproof(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "galeproof", *words], cwd=folder, text=True, capture_output=True,
                          timeout=200, check=False, env={**os.environ, "PYTHONPATH": f"{ROOT / 'harness'}:{ROOT}"})


@contextmanager
def reference(database: str = "sqlite://") -> Iterator[str]:
    """The reference provider in a process of its own."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "contracts" / "provider" / "app.py"), "--states", "--database", database],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with reference() as found:
        yield found


def of_reference(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return galeproof("verify-provider", url, "--provider", "payments-api", "--pacts", str(PACT), "--state-url",
                     f"{url}/_pact/states", *words)


def test_the_reference_provider_holds(url: str) -> None:
    """All 25 interactions and all checks, with nothing but JSON on stdout."""
    done = of_reference(url, "--json")
    told = json.loads(done.stdout)
    assert (0, 25) == (done.returncode, len(told["interactions"])), done.stderr
    assert {"PASS"} == {one["outcome"] for one in told["interactions"]}
    assert [True] * 11 == [check["passed"] for check in told["checks"]]


def test_it_holds_over_a_slow_network(url: str) -> None:
    """Latency and small pieces below the time limit."""
    done = of_reference(url, "--network", "slow", "--only", "the first page of payments")
    assert "1 of 1 interactions verified" in done.stdout
    assert 0 == done.returncode


@pytest.mark.full
def test_it_holds_on_postgresql() -> None:
    """The same, on PostgreSQL, in under ten seconds."""
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL")
    with private_postgres(found) as server, reference(server.database()) as url:
        began = time.monotonic()
        done = of_reference(url)
        assert time.monotonic() - began < 10
    assert 0 == done.returncode, done.stdout


@pytest.mark.parametrize(("words", "word"), [
    (["--provider", "payment-api", "--pacts", str(PACT)], "no pact for provider 'payment-api'"),
    (["--provider", "payments-api", "--pacts", "EMPTY"], "nothing would be verified"),
    *(pytest.param(["--provider", "payments-api", *words], word, marks=pytest.mark.full) for words, word in (
        (["--pacts", str(PACT), "--only", "nothing"], "no interaction 'nothing'"),
        (["--pacts", str(PACT), "--state", "no such"], "no interaction 'no such'"),
        (["--pacts", "README.md"], "no pact can be read"),
        (["--broker", "http://127.0.0.1:9"], "cannot be reached"),
        ([], "--pacts or --broker"),
        (["--pacts", str(PACT), "--publish"], "--publish"))),
])
def test_bad_input_is_never_green(url: str, words: list[str], word: str, tmp_path: Path) -> None:
    """An error that names it, and exit code 2."""
    given = [str(tmp_path) if w == "EMPTY" else w for w in words]
    done = galeproof("verify-provider", url, *given, "--state-url", f"{url}/_pact/states")
    assert 2 == done.returncode
    assert word in done.stderr


# -- states -----------------------------------------------------------------------------------

HANDLERS = '''
import asyncio
from galeproof.contract.state_server import state

SEEN = []

@state("sync")
def plain(id):
    SEEN.append(id)
    return {"id": id + 40}

@state("async")
async def waiting():
    await asyncio.sleep(0)
    SEEN.append("async")

@state("generator")
def both():
    SEEN.append("up")
    yield {"id": 7}
    SEEN.append("down")

@state("async generator")
async def both_async():
    SEEN.append("aup")
    yield
    SEEN.append("adown")

@state("raises")
def broken():
    raise LookupError("the fixture is gone")
'''


@pytest.fixture
def handlers(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "handlers.py"
    path.write_text(HANDLERS)
    return load_states(path)


def verified(states: list[dict[str, Any]], handlers: Mapping[str, Any], **request: Any) -> tuple[Any, list[str]]:
    """Verify one interaction in states; return its result and the targets that were asked."""
    asked: list[str] = []

    def answer(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        asked.append(target)
        return 200, JSON, b"{}"

    text = json.dumps(pact(interaction(providerStates=states, request=request)))
    with provider(answer) as url, StateServer(handlers) as server:
        found = parse_pact(text, Path("p.json"))
        (result,) = verify_pact(found, choose(found), url, server.url, errors=lambda: server.errors)
    return result, asked


def test_handlers_of_every_kind_run(handlers: dict[str, Any]) -> None:
    """Sync with parameters, async, and generators of both kinds, torn down in reverse."""
    names = [{"name": "sync", "params": {"id": 2}}, {"name": "async"}, {"name": "generator"},
             {"name": "async generator"}]
    result, _ = verified(names, handlers)
    assert (True, ()) == (result.passed, result.reasons)
    assert [2, "async", "up", "aup", "adown", "down"] == handlers["sync"].__globals__["SEEN"]


def test_a_value_of_a_state_reaches_the_request(handlers: dict[str, Any]) -> None:
    """What the handler returns goes into the path, and the provider is seen to be asked for that."""
    made = {"path": {"type": "ProviderState", "expression": "/things/${id}", "dataType": "STRING"}}
    result, asked = verified([{"name": "sync", "params": {"id": 2}}], handlers, generators=made)
    assert (True, ["/things/42"]) == (result.passed, asked), result.reasons


def test_a_handler_that_raises_fails_at_once_with_its_own_traceback(handlers: dict[str, Any]) -> None:
    """In under two seconds of its own; pact-python's way takes two minutes."""
    began = time.monotonic()
    result, asked = verified([{"name": "raises"}], handlers)
    assert time.monotonic() - began < 2 * 5  # the machine may be five times slower
    assert (False, []) == (result.passed, asked)
    assert 'raise LookupError("the fixture is gone")' in result.reasons[1]


def test_a_state_without_a_handler_fails(handlers: dict[str, Any]) -> None:
    """It is not ignored; spelling counts, and the known ones are named."""
    result, asked = verified([{"name": "Sync"}], handlers)
    assert (False, []) == (result.passed, asked)
    assert "no handler for state 'Sync'" in result.reasons[0]


def test_nothing_of_a_state_leaks_into_the_next(tmp_path: Path) -> None:
    """Each interaction is torn down before the next is set up."""
    log: list[str] = []

    @state("on")
    def on() -> Iterator[None]:
        log.append("up")
        yield
        log.append("down")

    text = json.dumps(pact(*(interaction(n, providerStates=[{"name": "on"}]) for n in ("a", "b"))))
    with provider(lambda *_: (200, JSON, b"{}")) as url, StateServer({"on": on}) as server:
        found = parse_pact(text, Path("p.json"))
        assert [True, True] == [r.passed for r in verify_pact(found, choose(found), url, server.url)]
    assert ["up", "down", "up", "down"] == log


# -- effects ----------------------------------------------------------------------------------


class Payments:
    """A provider with one keyed operation, and its defects."""

    def __init__(self, **defects: bool) -> None:
        self.defects, self.effects, self.kept = defects, 0, dict[str, tuple[bytes, bytes]]()
        self.lock = threading.Lock()

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        if target == "/states":
            return 200, JSON, json.dumps({"effects": self.effects}).encode()
        with self.lock:
            key = headers.get("Idempotency-Key", "")
            known = self.kept.get(key)
            if known is not None and not self.defects.get("twice"):
                if known[0] != body and not self.defects.get("reused"):
                    return 422, JSON, b"{}"
                return 201, JSON, known[1]
            try:
                json.loads(body)
            except ValueError:
                if not self.defects.get("half"):
                    return 400, JSON, b"{}"
            self.effects += 1
            made = json.dumps({"id": self.effects}).encode()
            self.kept[key] = body, made
            if self.defects.get("hidden"):
                self.effects += 1
            return 201, JSON, made


def outcomes(**defects: bool) -> dict[str, bool | None]:
    """The checks of effects, by a word of their names."""
    found = parse_pact(json.dumps(pact(PAY)), Path("p.json"))
    with provider(Payments(**defects).answer) as url:
        checks = check_effects(found, url, f"{url}/states")
    words = ("after", "once", "reused", "cut")
    return {word: c.passed for word, c in zip(words, checks, strict=True) if word in c.name}


@pytest.mark.parametrize(("defect", "failing"), [
    ("", []), ("twice", ["after", "once", "reused"]), ("reused", ["reused"]), ("half", ["cut"]),
    ("hidden", ["after", "once"])])
def test_a_defect_of_effects_is_found(defect: str, failing: list[str]) -> None:
    """A sound provider passes; applied twice, a reused key taken, half a body taken, a second effect that
    no answer shows: each is found by the checks that look for it."""
    found = outcomes(**({defect: True} if defect else {}))
    assert {word: word not in failing for word in ("after", "once", "reused", "cut")} == found


def test_effects_that_nobody_counts_are_said_to_be(tmp_path: Path) -> None:
    """Without a count the cut body is not judged: UNKNOWN, not green."""
    found = parse_pact(json.dumps(pact(PAY)), Path("p.json"))
    with provider(Payments().answer) as url:
        checks = {c.name.rpartition(": ")[2]: c for c in check_effects(found, url, None)}
    assert checks["a request cut in mid-body leaves no effect"].passed is None
    assert "answers alone" in checks["the same key twice, one after the other, is one effect"].why


PROBLEM = {"title": "busy", "status": 429}


@pytest.mark.parametrize(("headers", "body", "word"), [
    ({"Content-Type": "application/problem+json"}, PROBLEM, "Retry-After is None"),
    ({"Content-Type": "application/problem+json", "Retry-After": "soon"}, PROBLEM, "Retry-After is 'soon'"),
    ({"Content-Type": "application/json", "Retry-After": "1"}, PROBLEM, "a problem document is application/json"),
    ({"Content-Type": "application/problem+json", "Retry-After": "1"}, {**PROBLEM, "got": "pact-placeholder"},
     "echoes the request's credential")])
def test_a_defect_of_an_error_answer_is_found(headers: dict[str, str], body: Any, word: str, tmp_path: Path
                                              ) -> None:
    """Green for the contract, which does not ask for it; the checks do."""
    path = tmp_path / "pact.json"
    asked = {"headers": {"Authorization": ["Bearer pact-placeholder"]}}
    path.write_text(json.dumps(pact(interaction(request=asked, response={"status": 429}))))
    with provider(lambda *_: (429, headers, json.dumps(body).encode())) as url:
        done = galeproof("verify-provider", url, "--provider", "things", "--pacts", str(path))
    assert "1 of 1 interactions verified" in done.stdout
    assert (1, True) == (done.returncode, word in done.stdout), done.stdout


# -- a fault between the provider and its dependency ------------------------------------------


@contextmanager
def with_inventory(port: int, waits: bool) -> Iterator[str]:
    """A provider that asks an inventory for each answer."""

    def answer(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        try:
            stock = httpx.get(f"http://127.0.0.1:{port}/", timeout=0.5, trust_env=False).json()
        except httpx.TimeoutException:
            return 504, JSON, b"{}"
        except httpx.TransportError:
            return 503, {**JSON, **({"Retry-After": "2"} if waits else {})}, b"{}"
        return 200, JSON, json.dumps(stock).encode()

    with provider(answer) as url:
        yield url


@pytest.mark.parametrize("waits", [True, False])
def test_a_fault_behind_the_provider_is_a_state(waits: bool) -> None:
    """200 in health, 503 with Retry-After where the inventory is unreachable, 504 where it hangs; a provider
    that leaves out Retry-After fails that interaction alone."""
    wait = {"headers": {"Retry-After": ["2"]}, "matchingRules": {"header": {"Retry-After": {
        "combine": "AND", "matchers": [{"match": "regex", "regex": r"\d+"}]}}}}
    text = json.dumps(pact(
        interaction("well"),
        interaction("refused", response={"status": 503, **wait}, providerStates=[{"name": "unreachable"}]),
        interaction("hangs", response={"status": 504}, providerStates=[{"name": "hangs"}]),
        interaction("well again")))
    with provider(lambda *_: (200, JSON, b'{"stock": 3}')) as behind, Dependency(
            behind.removeprefix("http://"), engine="embedded") as inventory:

        def hangs() -> Iterator[None]:
            with inventory.under({"type": "latency", "attributes": {"latency": 1500}}):
                yield

        def unreachable() -> Iterator[None]:
            with inventory.unreachable():
                yield

        with with_inventory(inventory.port, waits) as url, StateServer(
                {"hangs": hangs, "unreachable": unreachable}) as server:
            found = parse_pact(text, Path("p.json"))
            results = verify_pact(found, choose(found), url, server.url)
    assert [True, waits, True, True] == [r.passed for r in results], [r.reasons for r in results]


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """To another origin least of all: it would get all headers."""
    seen: list[str] = []

    def elsewhere(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        seen.append(target)
        return 200, JSON, b"{}"

    path = tmp_path / "pact.json"
    path.write_text(json.dumps(pact(interaction())))
    with provider(elsewhere) as other, provider(lambda *_: (307, {"Location": f"{other}/x"}, b"")) as url:
        done = galeproof("verify-provider", url, "--provider", "things", "--pacts", str(path))
    assert (1, []) == (done.returncode, seen)


