"""Profiles of well-known libraries, measured, against what their sources say."""

import functools
import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.full
ADAPTERS = '''
import httpx, requests, tenacity
from requests.adapters import HTTPAdapter
from urllib3.util import Retry
from galeproof import read, write


class Urllib3:
    attempts = 6

    def __init__(self, base_url, secrets):
        self.base_url, self.session = base_url, requests.Session()
        self.session.headers["Authorization"] = "Bearer " + secrets["api_key"]
        self.session.mount("http://", HTTPAdapter(max_retries=Retry(
            self.attempts - 1, backoff_factor=0.25, backoff_max=1.0, status_forcelist=[429, 502, 503, 504])))

    @read
    def fetch(self, ref):
        answer = self.session.get(f"{self.base_url}/payments/{ref}", timeout=1)
        answer.raise_for_status()
        return answer.json()


class NextRelease(Urllib3):
    attempts = 4


class Tenacity:
    def __init__(self, base_url, secrets):
        self.client = httpx.Client(base_url=base_url, timeout=1.5,
                                   headers={"Authorization": "Bearer " + secrets["api_key"]})

    @read
    @tenacity.retry(stop=tenacity.stop_after_attempt(5), reraise=True,
                    wait=tenacity.wait_random_exponential(multiplier=0.25, max=1.0),
                    retry=tenacity.retry_if_exception_type((httpx.TransportError, httpx.HTTPStatusError)))
    def fetch(self, ref):
        return self.client.get(f"/payments/{ref}").raise_for_status().json()


class OpenAI:
    def __init__(self, base_url, secrets):
        import openai
        self.client = openai.OpenAI(base_url=base_url, api_key=secrets["api_key"], timeout=2)

    @write(answer={"id": "{effect}", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "{ref}"}}]})
    def complete(self, ref):
        return {"id": self.client.chat.completions.create(model="m", extra_headers={"X-Request-Id": ref}, messages=[
            {"role": "user", "content": ref}]).id}


class Boto:
    mode = "standard"

    def __init__(self, base_url, secrets):
        import boto3
        from botocore.config import Config
        self.client = boto3.client(
            "s3", endpoint_url=base_url, region_name="eu-west-1", aws_access_key_id="galeproof",
            aws_secret_access_key=secrets["api_key"], config=Config(
                connect_timeout=1, read_timeout=1, s3={"addressing_style": "path"}, max_pool_connections=64,
                retries={"mode": self.mode, "total_max_attempts": 4}))

    @read(answer={"id": "{ref}"})
    def fetch(self, ref):
        return self.client.get_object(Bucket="b", Key=ref)["Body"].read().decode()


class Legacy(Boto):
    mode = "legacy"


class Stripe:
    def __init__(self, base_url, secrets):
        import stripe
        self.client = stripe.StripeClient(secrets["api_key"], base_addresses={"api": base_url},
                                          max_network_retries=5, http_client=stripe.RequestsClient(timeout=1))

    @read(answer={"id": "{ref}", "object": "charge"})
    def fetch(self, ref):
        charges = self.client.v1.charges if hasattr(self.client, "v1") else self.client.charges
        return charges.retrieve("ch_1", options={"headers": {"X-Request-Id": ref}})


class Stamina:
    def __init__(self, base_url, secrets):
        self.client = httpx.Client(base_url=base_url, timeout=1,
                                   headers={"Authorization": "Bearer " + secrets["api_key"]})

    @read
    def fetch(self, ref):
        import stamina
        for attempt in stamina.retry_context((httpx.TransportError, httpx.HTTPStatusError), attempts=6,
                                             wait_initial=0.5, wait_max=2.0, wait_jitter=0.0):
            with attempt:
                return self.get(ref)

    def get(self, ref):
        return self.client.get(f"/payments/{ref}").raise_for_status().json()


class Backoff(Stamina):
    @read
    def fetch(self, ref):
        import backoff
        return backoff.on_exception(backoff.expo, (httpx.TransportError, httpx.HTTPStatusError), max_tries=6,
                                    factor=0.5, max_value=2.0)(self.get)(ref)
'''
SAID = {  # attempts, statuses, kind of jitter, by the libraries' sources
    "Urllib3": ("read", 6, {429, 502, 503, 504}, "none"),
    "Tenacity": ("read", 5, set(range(400, 600)), "full"),
    "OpenAI": ("write", 3, {408, 409, 429, *range(500, 600)}, None),
    "Boto": ("read", 4, {429, 500, 502, 503, 504}, "full"),
    "Legacy": ("read", 4, {429, 500, 502, 503, 504, 509}, "full"),
    "Stripe": ("read", 6, {409, *range(500, 600)}, "equal"),
    "Stamina": ("read", 6, set(range(400, 600)), "none"),
    "Backoff": ("read", 6, set(range(400, 600)), "full"),
}
DELAYS = {  # base and cap in s, and whether Retry-After is waited for, by the libraries' sources
    "Stripe": (0.5, 5.0, False),
    "Stamina": (0.5, 2.0, False),
    "Backoff": (0.5, 2.0, False),
}
PACKAGES = {"Backoff": "backoff==2.2.1"}  # none of the project's own
OLD, NEW = "stripe==8.0.0", "stripe==16.1.0"


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A folder that holds one release of a package, and nothing else."""

    @functools.cache
    def install(package):
        folder = tmp_path_factory.mktemp(package.replace("==", "-"))
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder,
                               package], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            pytest.skip(f"pip cannot install {package}: {done.stderr.strip().splitlines()[-1]}")
        return str(folder)

    return install


@pytest.fixture
def profile(tmp_path):
    (tmp_path / "libs.py").write_text(ADAPTERS, "utf-8")

    def run(*words, first=()):
        path = [*first, *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run([sys.executable, "-m", "galeproof", "profile", "--quick", "--engine", "embedded", *words],
                              cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
                              capture_output=True, text=True, timeout=300, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.mark.parametrize("library", SAID)
def test_a_library_is_measured_as_its_source_says(profile, installed, library):
    """Attempts, statuses and the limit of Retry-After exactly, the kind of jitter, base and cap within 5 %."""
    kind, attempts, statuses, jitter = SAID[library]
    first = [installed(PACKAGES[library])] if library in PACKAGES else []
    values = json.loads(profile("--subject", f"libs:{library}", "--json", first=first).stdout)["values"]
    assert attempts == values[f"{kind}.max_attempts"]["value"]
    assert statuses == {s for s in values[f"{kind}.retry_on"]["value"] if isinstance(s, int)}
    if jitter:
        assert jitter == values[f"{kind}.backoff"]["value"]["jitter"]
    if library in DELAYS:
        base_s, cap_s, waits = DELAYS[library]
        backoff = values[f"{kind}.backoff"]["value"]
        assert (pytest.approx(base_s, rel=0.05), pytest.approx(cap_s, rel=0.05)) == (
            backoff["base_s"], backoff["cap_s"])
        assert [waits] * 2 == [values[f"retry_after_max_s.{status}"]["value"] > 0 for status in (429, 503)]


def test_a_release_that_behaves_otherwise_breaks_its_lock(profile, tmp_path):
    """The same one does not."""
    profile("--subject", "libs:Urllib3", "--lock", "lock.json")
    assert 0 == profile("--subject", "libs:Urllib3", "--check", "lock.json").returncode
    done = profile("--subject", "libs:NextRelease", "--check", "lock.json")
    assert 1 == done.returncode
    assert "CHANGED  read.max_attempts: was 6, is 4" in done.stdout


def _changed(done):
    return {line.split()[1].rstrip(":") for line in done.stdout.splitlines() if line.startswith("CHANGED")}


def test_two_releases_of_one_library_are_told_apart(profile, installed):
    """stripe waited for 2 s at most and heeded Retry-After; now it waits for 5 s, and heeds nothing.
    The older one keeps its lock."""
    old, new = [installed(OLD)], [installed(NEW)]
    profile("--subject", "libs:Stripe", "--lock", "old.json", first=old)
    assert set() == _changed(profile("--subject", "libs:Stripe", "--check", "old.json", first=old))
    done = profile("--subject", "libs:Stripe", "--check", "old.json", first=new)
    assert 1 == done.returncode
    assert {"read.backoff", "retry_after_max_s.503"} <= _changed(done)
