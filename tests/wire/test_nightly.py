"""Nights over real sockets: the same seed tries the same, a killed night goes on, findings are kept once."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import jsonschema
import pytest

from galeproof.report.schema import night_schema

SUBJECT = '''
import random
import time

import httpx
from galeproof import write


class Shop:
    """Makes a new key for every attempt."""

    def __init__(self, base_url, secrets):
        self.client = httpx.Client(base_url=base_url, timeout=2,
                                   headers={"Authorization": "Bearer " + secrets["api_key"]})

    @write(answer={"id": "{effect}"}, status=201)
    def create(self, ref, amount):
        for number in range(3):
            time.sleep(number and random.uniform(0.05, 0.15))
            try:
                answer = self.client.post(f"/payments/{ref}", json={"amount": amount},
                                          headers={"Idempotency-Key": KEY})
            except httpx.TransportError:
                continue
            if answer.status_code != 503:
                return answer.raise_for_status().json()
        raise RuntimeError("busy")

    def close(self):
        self.client.close()
'''
DEFECTIVE, SOUND = 'f"{ref}-{number}"', 'f"key-{ref}"'


@pytest.fixture
def night(tmp_path):
    def write(key=DEFECTIVE):
        (tmp_path / "shop.py").write_text(SUBJECT.replace("KEY", key), "utf-8")

    def run(*words, wait=True):
        command = [sys.executable, "-m", "galeproof", "nightly", "503-storm", "reset-after-effect", "--subject",
                   "shop:Shop", "--engine", "embedded", *words]
        process = subprocess.Popen(command, cwd=tmp_path, env=os.environ, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if not wait:
            return process
        out, err = process.communicate(timeout=200)
        assert "Traceback" not in err, err
        if "--json" not in words:
            return process.returncode, out
        jsonschema.Draft202012Validator(night_schema()).validate(json.loads(out))
        return process.returncode, json.loads(out)

    write()
    run.write = write
    return run


def keys(document):
    return [(f["code"], f["scenario"], f["seed"]) for f in document["findings"]]


class TestNights:
    def test_two_nights_of_one_seed_have_the_same_findings(self, night, tmp_path):
        """The second one calls them known; a mended client is mended, one that breaks again a regression."""
        first = night("--seed", "5", "--rounds", "2", "--json")
        second = night("--seed", "5", "--rounds", "2", "--json")
        assert (1, 1) == (first[0], second[0])
        assert keys(first[1]) == keys(second[1]) != []
        assert {"new"} == {t["kind"] for t in first[1]["trends"] if t["code"] == "IDM002"}
        assert {"known"} == {t["kind"] for t in second[1]["trends"] if t["code"] == "IDM002"}
        night.write(SOUND)
        code, mended = night("--rounds", "1", "--json")
        assert (0, {"mended"}) == (code, {t["kind"] for t in mended["trends"] if t["code"] == "IDM002"})
        night.write(DEFECTIVE)
        broken = night("--rounds", "1", "--json")[1]
        assert {"regression"} == {t["kind"] for t in broken["trends"] if t["code"] == "IDM002"}
        assert (tmp_path / broken["report"]).stat().st_size > 10_000

    def test_a_killed_night_goes_on_where_it_was(self, night, tmp_path):
        """Nothing is lost, nothing is there twice."""
        process = night("--seed", "6", "--rounds", "3", wait=False)
        database = tmp_path / ".galeproof/nights.db"
        for _ in range(400):
            time.sleep(0.05)
            if database.exists() and _count(database) >= 2:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        before = _count(database)
        code, document = night("--seed", "6", "--rounds", "3", "--json")
        assert (1, 1, 6) == (code, document["night"], _count(database))
        assert before + document["cases"] == 6
        assert len(keys(document)) == len(set(keys(document)))


def _count(database):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as link:
        try:
            return link.execute("select count(*) from galeproof_cases").fetchone()[0]
        except sqlite3.OperationalError:
            return 0
