"""Property tests: the user's own ``@given`` searches for the storm that breaks the client."""

import re
import textwrap

import pytest
import yaml

TWO_FAULTS = '''
import requests


class BillingClient:
    """Makes a new key after a lost answer, but only where it was told to slow down before."""

    def __init__(self, base_url, api_key, timeout):
        self.url, self.timeout = f"{base_url}/invoices", timeout
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {api_key}"

    def create_invoice(self, reference, amount):
        key, slowed = reference, False
        for attempt in range(8):
            try:
                answer = self.session.post(
                    self.url, json={"reference": reference, "amount": amount},
                    headers={"Idempotency-Key": key}, timeout=self.timeout)
            except requests.RequestException:
                key = f"{reference}-{attempt}" if slowed else key
                continue
            slowed = slowed or answer.status_code == 429
            if answer.ok:
                return answer.json()
        raise RuntimeError("no invoice")
'''
SEARCH = '''
from hypothesis import given, seed
from galeproof.strategies import searching, storms
from shop import BillingClient


@seed(7)
@searching
@given(storm=storms(max_steps=5))
def test_one_key_whatever_happens(gale, storm):
    with gale.storm(storm) as air:
        billing = BillingClient(air.base_url, api_key=air.secrets["api_key"], timeout=1.0)
        with air.operation("create", answer={"id": "{effect}"}, may_fail=True) as op:
            billing.create_invoice(reference=op.ref, amount=op.amount)
        billing.session.close()
        air.holds("IDM002")
'''


@pytest.fixture
def found(inner):
    """The output of a search that finds the defect."""
    inner.pytester.makepyfile(shop=TWO_FAULTS, test_search=SEARCH)
    return inner.run("-p", "hypothesis")


class TestSearch:
    def test_the_pair_of_steps_is_found_and_printed_as_a_scenario(self, found):
        """Hypothesis cuts it down to a 429 and a lost answer."""
        text = found.stdout.str()
        assert 1 == found.ret
        printed = re.search(r"as a scenario file:\n((?:  .*\n)+)", text)
        plan = yaml.safe_load(textwrap.dedent(printed[1]))
        assert 2 == len(plan["steps"])
        assert 429 == plan["steps"][0]["answer"]
        assert "cut" in plan["steps"][1]
        assert ["IDM002"] == plan["expect"]["exercised"]

    def test_a_sound_client_survives_the_search(self, inner):
        """Same test, no defect."""
        inner.pytester.makepyfile(shop=TWO_FAULTS.replace(' if slowed else key', ' if False else key'),
                                  test_search=SEARCH)
        inner.run("-p", "hypothesis").assert_outcomes(passed=1)

    def test_a_storm_is_short_to_read(self):
        """As Hypothesis prints it."""
        from galeproof.strategies import Storm

        assert "Storm(429 + Retry-After 1, rst after effect)" == repr(
            Storm(({"answer": 429, "retry_after": 1}, {"cut": "rst after effect"})))
