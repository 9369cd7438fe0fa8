"""The wheel that users get, in a fresh environment and an empty folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[2]
ADAPTER = '''
import httpx
from galeproof import read

class Billing:
    def __init__(self, base_url, secrets):
        self.http = httpx.Client(base_url=base_url, timeout=1.0,
                                 headers={"Authorization": "Bearer " + secrets["api_key"]})

    @read(answer={"id": "{ref}"})
    def fetch(self, ref):
        return self.http.get(f"/payments/{ref}").json()
'''


def ran(*command, cwd):
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True,
                          check=False, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"})
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the base install of the built wheel."""
    place = tmp_path_factory.mktemp("wheel")
    code, _, errors = ran(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps",
                          "--no-build-isolation", "-w", place, ROOT, cwd=place)
    assert 0 == code, errors
    (wheel,) = place.glob("galeproof-*.whl")
    assert 0 == ran(sys.executable, "-m", "venv", place / "venv", cwd=place)[0]
    code, _, errors = ran(place / "venv/bin/pip", "install", "-q", wheel, cwd=place)
    assert 0 == code, errors
    return place / "venv/bin"


def test_the_wheel_judges_a_client_with_the_scenarios_that_it_carries(installed, tmp_path):
    """From an empty folder: an adapter, one command, true verdicts, no extra needed."""
    (tmp_path / "adapters.py").write_text(ADAPTER)
    code, out, errors = ran(installed / "galeproof", "run", "503-storm", "calm", "--subject",
                            "adapters:Billing", "--engine", "embedded", "--json", cwd=tmp_path)
    assert 0 == code, errors
    told = {v["code"]: v["verdict"] for v in json.loads(out)["verdicts"]}
    assert ("PASS", "PASS") == (told["RTY001"], told["SEC001"])


def test_the_wheel_brings_the_plugin(installed, tmp_path):
    """pytest finds the fixture by itself, and a storm test of five lines passes."""
    (tmp_path / "test_storm.py").write_text('''
import httpx

def test_storm(gale):
    gale.steps(503, "ok")
    with gale.operation("fetch", kind="read", answer={"id": "{ref}"}) as op:
        assert 503 == httpx.get(f"{gale.base_url}/{op.ref}").status_code
    assert 1 == len(list(gale.history.of("answer_end")))
''')
    code, out, errors = ran(installed / "python", "-m", "pytest", "-q", "--galeproof-engine",
                            "embedded", cwd=tmp_path)
    assert 0 == code, out + errors
