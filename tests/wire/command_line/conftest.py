"""A project with subjects of all kinds, and the command line run in it as people run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import galeproof

ADAPTER = '''
import os
import random
import time
import requests
from galeproof import read, write


class Billing:
    """Retries a 503 and a lost connection, three attempts in all, one key an operation."""

    send_secret = True

    def __init__(self, base_url, secrets):
        self.base_url, self.session = base_url, requests.Session()
        if self.send_secret:
            self.session.headers["Authorization"] = "Bearer " + secrets["api_key"]

    @read(answer={"id": "{ref}"})
    def fetch(self, ref):
        return self.send("GET", ref)

    @write(answer={"id": "{effect}"}, status=201)
    def create(self, ref, amount):
        return self.send("POST", ref)

    def key(self, ref, attempt):
        return ref

    def send(self, method, ref):
        for attempt in range(3):
            time.sleep(attempt and random.uniform(0.05, 0.15) * attempt)
            try:
                answer = self.session.request(
                    method, f"{self.base_url}/invoices/{ref}", timeout=2,
                    headers={"Idempotency-Key": self.key(ref, attempt)})
            except requests.ConnectionError:
                continue
            if answer.status_code != 503:
                answer.raise_for_status()
                return answer.json()
        raise RuntimeError("no answer after 3 attempts")

    def close(self):
        self.session.close()


class NewKeys(Billing):
    def key(self, ref, attempt):
        return f"{ref}-{attempt}"


class NoSecret(Billing):
    send_secret = False


class Broken(Billing):
    def send(self, method, ref):
        raise RuntimeError("the invoice is not in the mood")


class Ended(Billing):
    def send(self, method, ref):
        os._exit(3)


class BadConstructor(Billing):
    def __init__(self, base_url, secrets):
        raise RuntimeError("no certificate")


class FailsSometimes(Billing):
    calls = 0

    def send(self, method, ref):
        self.calls += 1
        if self.calls % 4 == 0:
            raise RuntimeError("every fourth time")
        return super().send(method, ref)


class Caches(Billing):
    kept = None

    def send(self, method, ref):
        self.kept = self.kept or super().send(method, ref)
        return self.kept


class Crashes(Billing):
    calls = 0

    def send(self, method, ref):
        self.calls += 1
        if self.calls > 3:
            os._exit(7)
        return super().send(method, ref)


class Deaf(Billing):
    def send(self, method, ref):
        super().send(method, ref)
        return {}


class Nothing:
    pass


def mute(base_url, ref):
    return {"id": ref}
'''
OWN = """name: {name}
why: A part of the answer arrives.
operations:
  - {{kind: read, count: 1}}
  - {{kind: write, count: 1}}
steps:
  - {{attempts: 1, lane: [{{type: {kind}, bytes: 120}}]}}
  - {{attempts: 2-, answer: ok}}
expect: {{outcome: any, exercised: [{code}]}}
"""

LATE = '''
name: late
why: The fault is planned for an attempt that never comes.
operations:
  - {kind: write, count: 2}
steps:
  - {attempts: 1, answer: ok}
  - {attempts: 2, cut: rst after effect}
expect: {outcome: success, exercised: [SEC001]}
'''

@pytest.fixture(scope="session")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "billing.py").write_text(ADAPTER)
    (folder / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    (folder / "exits.py").write_text("import os\nos._exit(9)\n")
    (folder / "typo.py").write_text("def (\n")
    (folder / "late.yaml").write_text(LATE)
    for name, kind, code in (("cut", "reset_after", "SEC001"), ("stalled", "stall_after", "TMO003")):
        (folder / f"{name}.yaml").write_text(OWN.format(name=name, kind=kind, code=code))
    (folder / "galeproof.toml").write_text('[subjects.billing]\npython = "billing:Billing"\n')
    return folder


@pytest.fixture(scope="session")
def gale(project):
    """Run one command in the project's folder."""
    path = [str(Path(galeproof.__file__).parent.parent)]

    def run(*words, cwd=project):
        done = subprocess.run(
            [sys.executable, "-m", "galeproof", *map(str, words)], cwd=cwd, text=True,
            capture_output=True, check=False, timeout=120,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)})
        assert "Traceback" not in done.stderr + done.stdout
        return done

    return run


@pytest.fixture(scope="session")
def kept(gale, project):
    """A kept run of two scenarios with a finding in one of them."""
    done = gale("run", "reset-after-effect", "503-storm", "--subject", "billing:NewKeys",
                "--engine", "embedded", "--seed", 11, "--json", "--output", "kept")
    return done, project / json.loads(done.stdout)["run"]
