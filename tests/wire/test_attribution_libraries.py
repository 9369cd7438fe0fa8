"""Whose request is it? Libraries that rewrite URLs, at 20 operations at a time."""

import asyncio
from urllib.parse import urljoin

import aiohttp
import httpx
import pytest
import requests

from galeproof import read, write
from galeproof.model.attribution import attribute
from galeproof.runner import Station, run_scenario, subject_of
from galeproof.scenario import parse_scenario

SEED = 11
COUNT = 20
SCENARIO = f"""
name: busy-twice
why: Three attempts of each operation, all operations at once.
operations:
  - {{kind: read, count: {COUNT}, concurrent: {COUNT}}}
  - {{kind: write, count: {COUNT}, concurrent: {COUNT}}}
steps:
  - {{attempts: 1-2, answer: 503}}
  - {{attempts: 3-, answer: ok}}
"""
READ = {"id": "{ref}"}
WRITE = {"id": "{effect}"}


class UrljoinRequests:
    """requests and urljoin: a leading slash drops the base path, none replaces its last part."""

    def __init__(self, base_url):
        self.base = base_url + "/api/v1"
        self.http = requests.Session()
        self.http.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=2 * COUNT))

    @read(answer=READ)
    def fetch(self, ref):
        return self.ask("GET", f"/payments/{ref}")

    @write(answer=WRITE)
    def create(self, ref, amount):
        return self.ask("POST", f"payments/{ref}?amount={amount}")

    def ask(self, method, path):
        for _ in range(3):
            response = self.http.request(method, urljoin(self.base, path), timeout=10)
            if response.status_code != 503:
                break
        response.raise_for_status()
        return response.json()

    def close(self):
        self.http.close()


class MergingHttpx:
    """httpx's base_url, whose path is kept by merging; the reference is in a header."""

    def __init__(self, base_url):
        self.http = httpx.AsyncClient(base_url=base_url + "/api/v1/", timeout=10,
                                      limits=httpx.Limits(max_connections=COUNT))

    @read(answer=READ)
    async def fetch(self, ref):
        return await self.ask("GET", "/payments/latest", ref)

    @write(answer=WRITE)
    async def create(self, ref, amount):
        return await self.ask("POST", "../payments", ref, {"amount": amount})

    async def ask(self, method, path, ref, body=None):
        for _ in range(3):
            response = await self.http.request(method, path, json=body,
                                               headers={"X-Request-Id": ref.upper()})
            if response.status_code != 503:
                break
        response.raise_for_status()
        return response.json()

    async def close(self):
        await self.http.aclose()


class RebasedAiohttp:
    """aiohttp's base_url: an absolute path drops the base path; path and quoted query carry it."""

    def __init__(self, base_url):
        self.base, self.http = base_url + "/api/v1/", None

    @read(answer=READ)
    async def fetch(self, ref):
        return await self.ask("GET", f"/payments/{ref}")

    @write(answer=WRITE)
    async def create(self, ref, amount):
        return await self.ask("POST", "payments", params={"of": f"[{ref}]", "amount": amount})

    async def ask(self, method, path, **more):
        if self.http is None:
            self.http = aiohttp.ClientSession(self.base)
        for _ in range(3):
            async with self.http.request(method, path, **more) as response:
                if response.status != 503:
                    response.raise_for_status()
                    return await response.json()
        raise RuntimeError("503 three times")

    async def close(self):
        if self.http:
            await self.http.close()


class BodyOnly:
    """One fixed URL, the reference in the JSON body and nowhere else."""

    def __init__(self, base_url):
        self.base = base_url

    @write(answer=WRITE)
    def create(self, ref, amount):
        with requests.Session() as http:
            for _ in range(3):
                response = http.post(f"{self.base}/graphql", timeout=10,
                                     json={"input": {"reference": ref, "amount": amount}})
                if response.status_code != 503:
                    break
            response.raise_for_status()
            return response.json()


class Nameless:
    """A client that tells the wire nothing of the operation."""

    def __init__(self, base_url):
        self.base = base_url

    @read(answer=READ)
    def fetch(self):
        response = requests.get(f"{self.base}/payments/latest", timeout=10)
        response.raise_for_status()
        return response.json()


@pytest.fixture(scope="module")
def busy_twice():
    """Run a client through 503, 503, ok."""
    scenario = parse_scenario(SCENARIO, "busy-twice", ())
    with Station("embedded", seed=SEED) as station:
        yield lambda client: asyncio.run(
            run_scenario(station, subject_of(client), scenario, SEED, 20.0))


def _most_at_once(history):
    running = most = 0
    for event in sorted(history.of("op_start", "op_end"),
                        key=lambda e: (e.lo_ns, e.kind == "op_start")):
        running += 1 if event.kind == "op_start" else -1
        most = max(most, running)
    return most


def _assert_whole(history, count):
    found = attribute(history)
    assert ([], []) == (list(found.strays), list(found.ambiguous))
    assert count == len(found.operations)
    for operation in found.operations:
        assert ["503", "503", "ok"] == [a.word for a in operation.attempts]
        assert [503, 503, 200] == [a.status for a in operation.attempts]
        assert "ok" == operation.outcome
        assert operation.attempts[-1].value == operation.value["id"]
        assert not operation.ambiguous


@pytest.mark.parametrize(
    ("client", "targets"),
    [(UrljoinRequests, {"/payments/REF", "/api/payments/REF?amount="}),
     (MergingHttpx, {"/api/v1/payments/latest", "/api/payments"}),
     (RebasedAiohttp, {"/payments/REF", "/api/v1/payments?of="})],
    ids=["requests", "httpx", "aiohttp"])
def test_every_attempt_is_given_to_its_operation_at_20_at_a_time(busy_twice, client, targets):
    """However a library writes the URL, each operation has exactly its three attempts."""
    run = busy_twice(client)
    assert (None, None) == (run.invalid, run.fault)
    _assert_whole(run.history, 2 * COUNT)
    assert COUNT == _most_at_once(run.history)
    assert ("head", False) == (run.history.header["attribution"], run.history.header["sequential"])
    heads = list(run.history.of("head"))
    assert 6 * COUNT == len(heads)
    for head in heads:
        target = head.data["target"].replace(head.marker, "REF")
        assert any(target.startswith(wanted) for wanted in targets), target


def test_a_reference_in_the_body_only_is_run_one_operation_at_a_time(busy_twice):
    """Attributed all the same, without a guess."""
    run = busy_twice(BodyOnly)
    assert (None, None) == (run.invalid, run.fault)
    _assert_whole(run.history, COUNT)
    assert 1 == _most_at_once(run.history)
    assert ("body", True) == (run.history.header["attribution"], run.history.header["sequential"])
    assert {"current"} == {head.data["by"] for head in run.history.of("head")}


def test_a_reference_nowhere_is_invalid_and_the_reason_says_how_to_mend_it(busy_twice):
    """No storm is run; the reason names the operation and three ways."""
    run = busy_twice(Nameless)
    assert run.history is None
    for part in ("fetch: its reference reaches neither head nor body", "pass ref in the path",
                 "extra_headers", "options.headers", "transport hook"):
        assert part in run.invalid, run.invalid
