"""From an empty folder with a client of one's own to a verdict table and a report."""

import json
import os
import subprocess
import sys

import pytest

SHAPES = {
    "a class with a requests Session that joins with urljoin": ("shop:BillingClient", '''
from urllib.parse import urljoin

import requests


class BillingClient:
    def __init__(self, base_url, api_key, timeout=10):
        self.base_url, self.timeout = base_url, timeout
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {api_key}"

    def get_invoice(self, invoice_id):
        answer = self.session.get(urljoin(self.base_url, f"/invoices/{invoice_id}"), timeout=self.timeout)
        answer.raise_for_status()
        return answer.json()

    def create_invoice(self, reference, amount, currency="EUR"):
        answer = self.session.post(urljoin(self.base_url, "/invoices"), timeout=self.timeout,
                                   json={"reference": reference, "amount": amount, "currency": currency})
        answer.raise_for_status()
        return answer.json()

    def close(self):
        self.session.close()
'''),
    "a module with a constant base URL": ("shop", '''
import requests

BASE_URL = "https://billing.example.com/v1"
API_KEY = ""


def fetch_invoice(invoice_id):
    answer = requests.get(f"{BASE_URL}/invoices/{invoice_id}", timeout=1,
                          headers={"Authorization": f"Bearer {API_KEY}"})
    answer.raise_for_status()
    return answer.json()
'''),
    "an injected httpx client": ("shop:Billing", '''
import httpx


class Billing:
    def __init__(self, client: httpx.AsyncClient):
        self._client = client

    async def find(self, payment_id: str):
        answer = await self._client.get(f"/payments/{payment_id}")
        return answer.raise_for_status().json()

    async def pay(self, reference: str, amount: int):
        answer = await self._client.post("/payments", json={"reference": reference, "amount": amount})
        return answer.raise_for_status().json()
'''),
}


@pytest.fixture
def type_in(tmp_path):
    def run(*words):
        return subprocess.run([sys.executable, "-m", "galeproof", *words], cwd=tmp_path, env=os.environ,
                              capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.mark.parametrize("shape", SHAPES)
def test_two_commands_give_verdicts_and_a_report(type_in, tmp_path, shape):
    """``init``, then ``run``: nothing is written by hand."""
    client, text = SHAPES[shape]
    (tmp_path / "shop.py").write_text(text, "utf-8")
    made = type_in("init", "--client", client, "--name", "billing")
    assert 0 == made.returncode, made.stderr
    ran = type_in("run", "503-storm", "--subject", "billing", "--engine", "embedded", "--json")
    document = json.loads(ran.stdout)
    assert (None, None) == (document["invalid"], document["fault"])
    decided = {v["code"] for v in document["verdicts"] if v["verdict"] == "PASS"}
    assert {"RTY001", "SEC001"} <= decided
    assert (tmp_path / document["run"] / "report.html").stat().st_size > 10_000


def test_settings_of_a_project_are_kept(type_in, tmp_path):
    """The table is added to pyproject.toml; the rest stays as it was."""
    (tmp_path / "shop.py").write_text(SHAPES["an injected httpx client"][1], "utf-8")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n', "utf-8")
    type_in("init", "--client", "shop:Billing")
    text = (tmp_path / "pyproject.toml").read_text("utf-8")
    assert text.startswith('[project]\nname = "shop"\n')
    assert '[tool.galeproof.subjects.billing]\npython = "adapters:BillingAdapter"' in text


@pytest.mark.parametrize(("words", "said"), [
    ((), "galeproof init --client shop.billing:BillingClient"),
    (("--client", "nowhere:Client"), "cannot import nowhere"),
    (("--client", "shop:Missing"), "has no class 'Missing'; it has Billing"),
    (("--client", "shop"), "classes: Billing (--client shop:NAME)"),
])
def test_what_cannot_be_looked_at_is_told(type_in, tmp_path, words, said):
    """With what to type instead."""
    (tmp_path / "shop.py").write_text(SHAPES["an injected httpx client"][1], "utf-8")
    done = type_in("init", *words)
    assert (2, True) == (done.returncode, said in done.stderr), done.stderr


def test_nothing_is_written_over(type_in, tmp_path):
    """An adapter file that exists stays."""
    (tmp_path / "shop.py").write_text(SHAPES["an injected httpx client"][1], "utf-8")
    (tmp_path / "adapters.py").write_text("mine = True\n", "utf-8")
    done = type_in("init", "--client", "shop:Billing")
    assert (2, "mine = True\n") == (done.returncode, (tmp_path / "adapters.py").read_text("utf-8"))
