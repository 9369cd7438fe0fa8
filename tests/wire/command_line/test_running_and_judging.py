"""run, replay, judge, invariants: each command in a process of its own."""

import json
import os
import re

import pytest

from galeproof.toxiproxy.server import find_server


def outcomes(document):
    return [(v["code"], v["verdict"]) for v in document["verdicts"]]


def test_a_sound_client_passes(gale, project):
    """Two scenarios on the one subject of the settings: exit 0, a table, a kept run."""
    done = gale("run", "reset-after-effect", "503-storm", "--engine", "embedded", "--seed", 3)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "PASS     IDM002 same-key-every-attempt" in done.stdout
    assert "galeproof: every exercised invariant holds (exit 0)" == done.stdout.splitlines()[-1]
    assert "engine embedded  seed 3  subject billing" in done.stderr
    folder = (project / ".galeproof" / "latest").resolve()
    assert {"run.json", "verdicts.json", "503-storm", "reset-after-effect"} <= set(os.listdir(folder))
    assert "*\n" == (project / ".galeproof" / ".gitignore").read_text()


def test_the_json_document(kept):
    """--json prints one document with the published keys, and nothing else."""
    done, folder = kept
    document = json.loads(done.stdout)
    assert {"schema", "version", "exit", "run", "engine", "seed", "subject", "invalid", "fault",
            "false_alarm_bound", "not_run", "verdicts"} == set(document)
    assert (1, "embedded", 11, "billing:NewKeys", None, None) == tuple(
        document[k] for k in ("schema", "engine", "seed", "subject", "invalid", "fault"))
    failed = {v["code"]: v for v in document["verdicts"] if v["verdict"] == "FAIL"}
    assert {"IDM002", "IDM007"} <= set(failed)
    broken = failed["IDM002"]
    assert {"code", "name", "verdict", "reason", "severity", "scenarios", "observed", "limit", "unit",
            "witnesses", "total", "note", "not_run", "findings"} == set(broken)
    assert ("IDM002", None, "critical", 2, 1, "keys", []) == tuple(
        broken[k] for k in ("code", "reason", "severity", "observed", "limit", "unit", "not_run"))
    assert {"operation", "evidence", "text", "mend", "replay"} == set(broken["findings"][0])
    assert f"galeproof replay {document['run']} IDM002" == broken["findings"][0]["replay"]
    assert "" == done.stderr
    assert document == json.loads((folder / "verdicts.json").read_text())


def test_a_finding_is_exit_1(kept):
    """A FAIL at or above ``fail_on`` ends with exit 1, in the document too."""
    done, _ = kept
    assert 1 == done.returncode == json.loads(done.stdout)["exit"]


def test_judging_again_gives_the_same_bytes(gale, kept, project):
    """``judge`` on the stored history: the same document, byte for byte, and the same exit code."""
    done, folder = kept
    again = gale("judge", folder.relative_to(project), "--json")
    assert done.stdout == again.stdout
    assert done.returncode == again.returncode


def test_replaying_gives_the_same_verdicts(gale, kept):
    """``replay`` drives the subject of the kept run again, in a fresh process."""
    done, folder = kept
    again = gale("replay", folder, "--json", "--output", "again")
    assert done.returncode == again.returncode
    first, second = json.loads(done.stdout), json.loads(again.stdout)
    assert outcomes(first) == outcomes(second)
    assert (first["seed"], first["subject"]) == (second["seed"], second["subject"])
    assert first["run"] != second["run"]


def test_replaying_one_code(gale, kept):
    """``replay RUN CODE`` judges that code only, in the scenarios that expect it."""
    _, folder = kept
    again = gale("replay", folder, "IDM001", "--json", "--output", "again")
    assert [("IDM001", "PASS")] == outcomes(json.loads(again.stdout))
    assert 0 == again.returncode


@pytest.mark.parametrize(("subject", "reason"), [
    ("billing:Broken", "create fails in calm air: builtins.RuntimeError: the invoice is not in the mood"),
    ("billing:Ended", "create fails in calm air: DriverEnded: the subject's process ended (code 3)"),
    ("billing:mute", "mute succeeds without touching the tap"),
    ("billing:Deaf", "create returns nothing of the provider's answer in calm air"),
])
def test_a_subject_that_cannot_be_judged_is_invalid(gale, subject, reason):
    """A failed control is exit 3 with the reason, in table and JSON, and no verdict."""
    scenario = "calm" if subject == "billing:mute" else "reset-after-effect"
    done = gale("run", scenario, "--subject", subject, "--engine", "embedded")
    assert 3 == done.returncode
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"galeproof: INVALID: {scenario}: {reason}"), last
    assert last.endswith("(exit 3)")
    assert "PASS" not in done.stdout


@pytest.mark.parametrize(("scenario", "subject", "reason"), [
    ("calm", "FailsSometimes", "operations fail in calm air, the first with builtins.RuntimeError"),
    ("status-401", "Caches", "operations succeeded without touching the tap"),
    ("503-storm", "Crashes", "the subject's process ended (code 7) in mid-storm"),
])
def test_a_subject_that_betrays_itself_in_the_storm_is_invalid(gale, scenario, subject, reason):
    """One sound call proves little: what cannot be judged later on is INVALID too, exit 3."""
    done = gale("run", scenario, "--subject", f"billing:{subject}", "--engine", "embedded")
    assert 3 == done.returncode, done.stdout
    assert reason in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("step", [
    "{attempts: 1-, lane: [{type: noop}]}",
    "{attempts: 1-, lane: [{type: latency, latency_ms: 0}]}",
    "{attempts: 1-, lane: [{type: latency, latency_ms: 300, toxicity: 0}]}",
    "{attempts: 1-, lane: [{type: bandwidth, rate_kbps: 1000000}]}",
    "{attempts: 1-, cut: rst after 1000000 request bytes}",
])
def test_a_fault_that_never_bites_is_no_pass(gale, project, step):
    """What was planned and did nothing is no storm: no expected invariant passes."""
    name = f"bite-{abs(hash(step))}"
    (project / f"{name}.yaml").write_text(
        f"name: {name}\nwhy: It never bites.\noperations: [{{kind: write, count: 2}}]\n"
        f"steps: [{step}]\nexpect: {{exercised: [SEC001]}}\n")
    done = gale("run", f"{name}.yaml", "--engine", "embedded", "--json")
    told = {v["code"]: (v["verdict"], v["reason"]) for v in json.loads(done.stdout)["verdicts"]}
    assert (5, ("UNKNOWN", "not_exercised")) == (done.returncode, told["SEC001"])


def test_an_invalid_run_stays_invalid_when_it_is_judged_again(gale, project):
    """``judge`` and ``replay`` of an INVALID run are exit 3 too."""
    done = gale("run", "calm", "--subject", "billing:mute", "--engine", "embedded", "--json")
    folder = project / json.loads(done.stdout)["run"]
    assert "calm: mute succeeds" in json.loads(done.stdout)["invalid"]
    assert [3, 3, 3] == [done.returncode, gale("judge", folder).returncode,
                         gale("replay", folder).returncode]


def test_a_fault_that_never_fires_is_no_pass(gale):
    """A scenario whose fault met no attempt is undecided: exit 5, UNKNOWN, no PASS."""
    done = gale("run", "late.yaml", "--engine", "embedded", "--json")
    document = json.loads(done.stdout)
    assert 5 == done.returncode == document["exit"]
    assert [("SEC001", "UNKNOWN", "not_exercised")] == [
        (v["code"], v["verdict"], v["reason"]) for v in document["verdicts"] if v["code"] == "SEC001"]
    assert "PASS" not in [v["verdict"] for v in document["verdicts"]]


def test_a_secret_that_was_never_sent_is_no_pass(gale):
    """Logs without a secret prove nothing where the secret was not on the wire."""
    done = gale("run", "calm", "--subject", "billing:NoSecret", "--engine", "embedded", "--json")
    verdicts = {v["code"]: v["verdict"] for v in json.loads(done.stdout)["verdicts"]}
    assert (5, "UNKNOWN") == (done.returncode, verdicts["SEC001"])
    sound = gale("run", "calm", "--engine", "embedded", "--json")
    verdicts = {v["code"]: v["verdict"] for v in json.loads(sound.stdout)["verdicts"]}
    assert (0, "PASS") == (sound.returncode, verdicts["SEC001"])


def test_the_list_of_invariants(gale):
    """``invariants`` lists code, name and severity of those that are built."""
    rows = json.loads(gale("invariants", "--json").stdout)["invariants"]
    assert {"code", "name", "family", "severity"} == set(rows[0])
    assert [row["code"] for row in rows] == [
        line.split()[0] for line in gale("invariants").stdout.splitlines()]
    assert {"IDM001", "IDM002", "RAF001", "RTY001", "RTY003", "SEC001", "TMO002", "TMO006"} <= {
        row["code"] for row in rows}


@pytest.mark.parametrize(("name", "code"), [("cut", "SEC001"), ("stalled", "TMO003")])
def test_a_toxic_of_ours_is_met_over_the_embedded_engine(gale, name, code):
    """A lane that carries a part of the answer exercises what it was made for."""
    done = gale("run", f"{name}.yaml", "--engine", "embedded", "--json")
    document = json.loads(done.stdout)
    told = {v["code"]: v["verdict"] for v in document["verdicts"]}
    assert (0, "PASS") == (done.returncode, told[code])
    assert {} == document["not_run"]


@pytest.mark.skipif(find_server() is None, reason="the real Toxiproxy is not here")
def test_a_toxic_of_ours_is_not_run_over_the_real_engine(gale):
    """It is named with its reason, in words and in JSON; nothing is said to hold."""
    reason = "stall_after: only the embedded engine has it (--engine embedded); this run's engine is toxiproxy 2.12.0"
    assert {"stalled": reason} == json.loads(
        gale("run", "stalled.yaml", "--engine", "toxiproxy", "--json").stdout)["not_run"]
    said = gale("run", "stalled.yaml", "--engine", "toxiproxy").stdout
    assert f"not run  stalled: {reason}" in said
    assert "galeproof: nothing was run (exit 5)" in said


def test_an_operation_is_shown_once_for_all_that_it_shows(gale):
    """Two codes, one excerpt; the report's place is named."""
    said = gale("run", "reset-after-effect", "--subject", "billing:NewKeys", "--engine", "embedded", "--seed", 11).stdout
    heads = [line for line in said.splitlines() if " on the wire, reset-after-effect, " in line]
    refs = [line.split()[-1] for line in heads]
    assert len(set(refs)) == len(refs)
    assert any(line.startswith("IDM002, IDM007 on the wire") for line in heads), heads
    assert re.search(r"^look at it: \.galeproof/runs/[^/]+/report\.html$", said, re.MULTILINE)
