"""Nights over real sockets: the same seed tries the same, a killed night goes on, findings are kept once."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import jsonschema
import pytest
import sqlalchemy as sa
from tests.provider.postgres import binaries, private_postgres

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




@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server of our own."""
    pytest.importorskip("psycopg")
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL: neither initdb on PATH nor below /usr/lib/postgresql")
    with private_postgres(found) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def database(request, tmp_path):
    """An empty one, by URL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/nights.db"
    return request.getfixturevalue("postgres").database()


@pytest.fixture
def night(tmp_path, database):
    def write(key=DEFECTIVE):
        (tmp_path / "shop.py").write_text(SUBJECT.replace("KEY", key), "utf-8")

    def run(*words, wait=True):
        command = [sys.executable, "-m", "galeproof", "nightly", "503-storm", "reset-after-effect", "--subject",
                   "shop:Shop", "--engine", "embedded", "--database", database, *words]
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


def keys(document, *codes):
    return [(f["code"], f["scenario"], f["seed"]) for f in document["findings"]
            if not codes or f["code"] in codes]


def settled(database):
    """How many cases are kept."""
    engine = sa.create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.connect() as link:
            return link.execute(sa.text("select count(*) from galeproof_cases")).scalar_one()
    except sa.exc.SQLAlchemyError:  # no tables yet
        return 0
    finally:
        engine.dispose()


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

    @pytest.mark.parametrize("moments", [
        (1, 3), pytest.param((2,), marks=pytest.mark.full), pytest.param((3,), marks=pytest.mark.full)], ids=lambda moments: "-".join(map(str, moments)))
    def test_a_killed_night_goes_on_where_it_was(self, night, database, moments):
        """Killed once or twice after so many cases: nothing is lost, nothing is there twice, and it ends as a
        night that nobody disturbed."""
        for moment in moments:
            process = night("--seed", "6", "--rounds", "2", wait=False)
            for _ in range(2000):
                time.sleep(0.02)
                if settled(database) >= moment or process.poll() is not None:
                    break
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=10)
        sittings = settled(database)
        code, document = night("--seed", "6", "--rounds", "2", "--json")
        assert (1, 1, 4) == (code, document["night"], settled(database))
        assert sittings + document["cases"] == 4
        assert len(keys(document)) == len(set(keys(document)))
        whole = night("--seed", "6", "--rounds", "2", "--anew", "--json")[1]
        assert keys(whole, "IDM002") == keys(document, "IDM002") != []

    def test_a_night_is_judged_as_a_whole(self, night, tmp_path, database):
        """What an earlier sitting found counts, in exit code and report, when the last one finds nothing more."""
        first = night("--seed", "6", "--rounds", "1", "--json")[1]
        _reopen(database)
        code, document = night("--seed", "6", "--rounds", "1", "--json")
        assert (1, 0, keys(first)) == (code, document["cases"], keys(document))
        page = (tmp_path / document["report"]).read_text("utf-8")
        assert re.search(r'class="verdict FAIL"[^>]*id="IDM002"', page)


class TestBaseline:
    def test_an_accepted_finding_does_not_fail_the_night(self, night, tmp_path):
        """It is told apart in table, JSON and report, with its reason; elsewhere it fails as before."""
        failing = {(f["code"], f["scenario"]) for f in night("--seed", "5", "--rounds", "1", "--json")[1]["findings"]}
        (tmp_path / "galeproof.toml").write_text('baseline = "lived-with.toml"\n', "utf-8")

        def accept(pairs):
            (tmp_path / "lived-with.toml").write_text("".join(
                f'[[accepted]]\ncode = "{code}"\nscenario = "{name}"\nreason = "the gateway goes in May"\n'
                for code, name in sorted(pairs)), "utf-8")

        accept(failing)
        code, document = night("--seed", "5", "--rounds", "1", "--json")
        assert (0, {"the gateway goes in May"}) == (code, {f["accepted"] for f in document["findings"]})
        assert {code for code, _ in failing} == {t["code"] for t in document["trends"] if t["kind"] == "accepted"}
        assert '<tr class="accepted">' in (tmp_path / document["report"]).read_text("utf-8")
        code, said = night("--seed", "5", "--rounds", "1")
        assert 0 == code
        assert "accepted IDM002: the gateway goes in May (baseline lived-with.toml)" in said
        accept(failing - {("IDM002", "503-storm")})
        code, document = night("--seed", "5", "--rounds", "1", "--json")
        assert (1, [["503-storm"]]) == (code, [t["where"] for t in document["trends"] if t["code"] == "IDM002"])


def _reopen(database):
    """As if the night had been killed after its last case."""
    engine = sa.create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as link:
        link.execute(sa.text("update galeproof_nights set ended = null"))
    engine.dispose()
