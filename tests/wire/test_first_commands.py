"""explain, doctor and demo: what somebody types first."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import galeproof
from galeproof.invariants import INVARIANTS
from galeproof.runner import Station
from galeproof.toxiproxy.control import ControlPlane
from galeproof.toxiproxy.names import lane_prefix


@pytest.fixture
def gale(tmp_path):
    """Run one command in an empty folder."""
    path = [str(Path(galeproof.__file__).parent.parent)]

    def run(*words, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "galeproof", *map(str, words)], cwd=tmp_path, text=True,
            capture_output=True, check=False, timeout=120,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **environment})
        assert "Traceback" not in done.stderr + done.stdout
        return done

    return run


def test_explain_prints_the_page_of_an_invariant(gale):
    """The checker's docstring, its severity, and the storms that exercise it."""
    done = gale("explain", "idm001")
    assert (0, "") == (done.returncode, done.stderr)
    for part in ("IDM001 no-unkeyed-ambiguous-retry.", "Use instead:", "Severity: critical",
                 "reset-after-effect"):
        assert part in done.stdout
    assert set(INVARIANTS) >= {json.loads(gale("explain", "RTY001", "--json").stdout)["code"]}


def test_explain_knows_no_other_codes(gale):
    """An unknown code is one line with the known ones, exit 2."""
    done = gale("explain", "RTY999")
    assert (2, "") == (done.returncode, done.stdout)
    assert "'RTY999': no such invariant; known: " in done.stderr


def test_doctor_names_what_it_found(gale):
    """An empty folder: nothing missing, the proxy variable and the missing subject are noted."""
    done = gale("doctor", "--json", HTTP_PROXY="http://127.0.0.1:9")
    found = {line["what"]: line["state"] for line in json.loads(done.stdout)["found"]}
    assert (0, "note", "note") == (done.returncode, found["HTTP_PROXY is set"],
                                   found["no settings: no subject"])


def test_doctor_knows_every_extra(gale):
    """Each one of the package, installed or with how to get it."""
    told = tomllib.loads((Path(galeproof.__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    extras = set(told["project"]["optional-dependencies"]) - {"all", "test"}
    found = " ".join(line["what"] for line in json.loads(gale("doctor", "--json").stdout)["found"])
    assert set() == {extra for extra in extras if f"extra {extra}" not in found}


def test_doctor_says_which_line_of_the_settings_is_wrong(gale, tmp_path):
    """Settings that cannot be read, and a subject that cannot be imported, are missing: exit 2."""
    settings = tmp_path / "galeproof.toml"
    for text, told in (("fail_on = 'never'", "fail_on: 'never'"),
                       ("[subjects.mine]\npython = 'nowhere:Mine'", "cannot import nowhere")):
        settings.write_text(text)
        done = gale("doctor")
        assert 2 == done.returncode
        assert told in next(line for line in done.stdout.splitlines() if line.startswith("missing"))


def test_doctor_finds_and_removes_only_stale_proxies_of_ours(gale):
    """On a shared server: a dead run's proxies go, a living run's and other people's stay."""
    alive, gone = lane_prefix(), lane_prefix().replace(f"-{os.getpid()}-", "-99999999-")
    with Station("embedded") as station:
        plane = ControlPlane(station.world.engine_url)
        for name in (f"{alive}-1-clean", f"{gone}-1-clean", "somebody-else"):
            plane.create(name, "127.0.0.1:9")
        told = gale("doctor", "--engine", station.world.engine_url)
        assert f"{gone}-1-clean: left behind" in told.stdout
        assert 3 == len(plane.names())
        gale("doctor", "--engine", station.world.engine_url, "--remove-stale")
        assert sorted([f"{alive}-1-clean", "somebody-else"]) == plane.names()


def test_the_demo_shows_three_settings_of_one_client(gale):
    """urllib3: no backoff fails RTY006, backoff without jitter JIT001, with jitter neither."""
    done = gale("demo", "--json", "--engine", "embedded")
    assert 0 == done.returncode
    told = [{v["code"]: v["verdict"] for v in client["verdicts"]}
            for client in json.loads(done.stdout)["clients"]]
    assert ("FAIL", "FAIL", {"PASS"}) == (told[0]["RTY006"], told[1]["JIT001"], set(told[2].values()))
    assert ("PASS", {"RTY006", "JIT001"}) == (told[1]["RTY006"], set(told[2]))
