"""A failing schedule is cut down to what shows the failure, over real sockets."""

import json
import os
import subprocess
import sys

import pytest
import yaml

SUBJECT = '''
import httpx
from galeproof import write


class Two:
    """Makes a new key after a lost answer, but only where it was told to slow down before."""

    def __init__(self, base_url, secrets):
        self.client = httpx.Client(base_url=base_url, timeout=2,
                                   headers={"Authorization": "Bearer " + secrets["api_key"]})

    @write(answer={"id": "{effect}"}, status=201)
    def create(self, ref, amount):
        key, slowed = f"key-{ref}", False
        for number in range(14):
            try:
                answer = self.client.post(f"/payments/{ref}", json={"amount": amount},
                                          headers={"Idempotency-Key": key})
            except httpx.TransportError:
                key = f"key-{ref}-{number}" if slowed else key
                continue
            slowed = slowed or answer.status_code == 429
            if answer.is_success:
                return answer.json()
        raise RuntimeError("busy")

    def close(self):
        self.client.close()
'''
STORM = '''
name: twelve
why: Two of these faults, in this order, are what it takes.
operations: [{kind: write, count: 8, concurrent: 4}]
steps:
  - {attempts: 1-2, answer: 503}
  - {attempts: 3, answer: 500}
  - {attempts: 4, answer: 429}
  - {attempts: 5, answer: 503}
  - {attempts: 6, answer: 504}
  - {attempts: 7, answer: 503, lane: [{type: latency, latency_ms: 20}]}
  - {attempts: 8, cut: rst after request}
  - {attempts: 9-11, answer: 503}
  - {attempts: 12, answer: ok, lane: [{type: latency, latency_ms: 20}]}
expect: {exercised: [IDM002]}
'''


@pytest.fixture(scope="module")
def gale(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shrinking")
    (folder / "two.py").write_text(SUBJECT, "utf-8")
    (folder / "twelve.yaml").write_text(STORM, "utf-8")

    def run(*words):
        done = subprocess.run([sys.executable, "-m", "galeproof", *words], cwd=folder, env=os.environ,
                              capture_output=True, text=True, timeout=200, check=False)
        assert "Traceback" not in done.stderr
        return done

    run.folder = folder
    run("run", "twelve.yaml", "--subject", "two:Two", "--engine", "embedded")
    return run


def test_a_defect_of_two_faults_is_cut_to_two_steps_and_one_operation(gale):
    """Confirmed three times of three; kept beside the run, and it fails when run."""
    done = gale("shrink", ".galeproof/latest", "IDM002", "--json")
    (found,) = json.loads(done.stdout)["minimal"]
    assert (0, 2, 1, 1, 3, True) == (done.returncode, found["steps"], found["operations"],
                                     found["concurrent"], found["confirmed"], found["whole"])
    steps = yaml.safe_load(found["text"])["steps"]
    assert [(1, 429), (2, "rst after request")] == [
        (s["attempts"], s.get("cut") or s.get("answer")) for s in steps]
    document = json.loads((gale.folder / ".galeproof/latest/verdicts.json").read_text("utf-8"))
    row = next(v for v in document["verdicts"] if v["code"] == "IDM002")
    again = gale(*row["minimal"]["again"].split()[1:], "--engine", "embedded")
    assert 1 == again.returncode


@pytest.mark.full
def test_a_shrinking_that_ran_out_of_time_goes_on(gale):
    """What was tried is not tried again."""
    gale("run", "twelve.yaml", "--subject", "two:Two", "--engine", "embedded")
    first = json.loads(gale("shrink", ".galeproof/latest", "IDM002", "--json", "--budget", "1").stdout)
    second = json.loads(gale("shrink", ".galeproof/latest", "IDM002", "--json").stdout)
    assert not first["minimal"][0]["whole"]
    assert (True, 2) == (second["minimal"][0]["whole"], second["minimal"][0]["steps"])


def test_what_does_not_fail_is_not_shrunk(gale):
    """One clear line."""
    done = gale("shrink", ".galeproof/latest", "SEC001")
    assert (2, True) == (done.returncode, "SEC001 has no FAIL here" in done.stderr)
