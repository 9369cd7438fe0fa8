"""The plugin in pytest runs of its own, each in a process of its own."""

import os
from pathlib import Path

import pytest

import galeproof

CLIENT = '''
import time
import uuid

import requests


class BillingClient:
    def __init__(self, base_url, api_key, timeout):
        self.url, self.timeout = f"{base_url}/invoices", timeout
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {api_key}"

    def create_invoice(self, reference, amount):
        key = str(uuid.uuid4())
        for attempt in range(3):
            try:
                answer = self.session.post(
                    self.url, json={"reference": reference, "amount": amount},
                    headers={"Idempotency-Key": key}, timeout=self.timeout)
                if answer.status_code != 503:
                    return answer.json()
            except requests.ConnectionError:
                pass
            time.sleep(0.02)
        raise RuntimeError("no invoice after 3 attempts")
'''
ADAPTER = '''
import random

import anyio
import httpx

from galeproof import read, write


class Billing:
    """Retries a 503 and a lost connection, three attempts in all, one key an operation."""

    keys = staticmethod(lambda ref, attempt: ref)

    def __init__(self, base_url, secrets):
        self.client = httpx.AsyncClient(
            base_url=base_url, timeout=1,
            headers={"Authorization": "Bearer " + secrets["api_key"]})

    @read(answer={"id": "{ref}"})
    async def fetch(self, ref):
        return await self.send("GET", ref)

    @write(answer={"id": "{effect}"}, status=201)
    async def create(self, ref, amount):
        return await self.send("POST", ref)

    async def send(self, method, ref):
        for attempt in range(3):
            await anyio.sleep(attempt and random.uniform(0.03, 0.09) * attempt)
            try:
                answer = await self.client.request(
                    method, f"/invoices/{ref}",
                    headers={"Idempotency-Key": self.keys(ref, attempt)})
            except httpx.TransportError:
                continue
            if answer.status_code != 503:
                return answer.raise_for_status().json()
        raise RuntimeError("no answer after 3 attempts")

    async def close(self):
        await self.client.aclose()


class NewKeys(Billing):
    keys = staticmethod(lambda ref, attempt: f"{ref}-{attempt}")


def mute(base_url, ref):
    return {"id": ref}
'''
SETTINGS = '''
[subjects.billing]
python = "adapters:{attribute}"
'''
SCENARIO = '''
name: {name}
why: A file of the project under test.
operations:
  - {{kind: write, count: 2, concurrent: 1}}
steps:
  - {{attempts: 1, cut: rst after effect}}
  - {{attempts: 2-, answer: ok}}
expect: {{outcome: success, exercised: [IDM001, IDM002, SEC001]}}
'''


class Inner:
    """A project under test: files, and pytest runs over them."""

    def __init__(self, pytester):
        self.pytester = pytester

    def client(self, text=CLIENT):
        self.pytester.makepyfile(shop=text)

    def adapter(self, attribute="Billing"):
        self.pytester.makepyfile(adapters=ADAPTER)
        (self.pytester.path / "galeproof.toml").write_text(SETTINGS.format(attribute=attribute))

    def scenario(self, name):
        folder = self.pytester.path / "scenarios"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(SCENARIO.format(name=name))

    def tests(self, text):
        self.pytester.makepyfile(test_inner=text)

    def run(self, *arguments):
        return self.pytester.runpytest_subprocess(
            "-p", "no:galeproof", "-p", "galeproof.plugin", "--galeproof-engine", "embedded",
            "--import-mode", "prepend", "-rfEs", *arguments)


@pytest.fixture
def inner(pytester, monkeypatch):
    source = str(Path(galeproof.__file__).parent.parent)
    given = [str(Path(p).resolve()) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([source, *given]))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Inner(pytester)


@pytest.fixture
def sound_client():
    return CLIENT
