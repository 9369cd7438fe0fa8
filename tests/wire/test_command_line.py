"""The command line as people use it: each command in a process of its own."""

import hashlib
import json
import os
import shutil
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
SCENARIO = '''name: mine
why: A scenario of the project.
operations:
  - {kind: write, count: 2, concurrent: 2}
steps:
  - {attempts: 1, answer: 503}
  - {attempts: 2-, answer: ok}
expect: {outcome: success, exercised: [RTY001]}
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "billing.py").write_text(ADAPTER)
    (folder / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    (folder / "exits.py").write_text("import os\nos._exit(9)\n")
    (folder / "typo.py").write_text("def (\n")
    (folder / "late.yaml").write_text(LATE)
    (folder / "galeproof.toml").write_text('[subjects.billing]\npython = "billing:Billing"\n')
    return folder


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def kept(gale, project):
    """A kept run of two scenarios with a finding in one of them."""
    done = gale("run", "reset-after-effect", "503-storm", "--subject", "billing:NewKeys",
                "--engine", "embedded", "--seed", 11, "--json", "--output", "kept")
    return done, project / json.loads(done.stdout)["run"]


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
            "verdicts"} == set(document)
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
    ("billing:Ended", "create fails in calm air: DriverEnded: the driver process ended"),
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


@pytest.mark.parametrize(("old", "new", "told"), [
    ("why: A", "because: x\nwhy: A", "line 2: because: unknown key; allowed: "),
    ("answer: 503}", "answer: 503, retry: 2}", "line 6: steps[0].retry: unknown key; allowed: "),
    ("answer: 503}", "answer: 503, lane: [{type: latency, latency_s: 2}]}",
     "line 6: steps[0].lane[0].latency_s: "),
    ("attempts: 1,", "attempts: 3-2,", "line 6: steps[0].attempts: '3-2' is an impossible range"),
    ("attempts: 1,", "attempts: 0,", "line 6: steps[0].attempts: '0' is an impossible range"),
    ("attempts: 2-,", "attempts: 1-2,", "line 7: steps[1].attempts: attempt 1 has a step already"),
    ("answer: 503}", "cut: rst after accept}", "line 6: steps[0].cut: a connection step "),
    ("answer: 503}", "cut: rst after lunch}", "line 6: steps[0].cut: "),
    ("[RTY001]", "[RTY999]", "line 8: expect.exercised[0]: 'RTY999' is no invariant; known: "),
    ("operations:", "operations: [", "not YAML ("),
    (SCENARIO, "", "line 1: empty, expected a scenario"),
    (SCENARIO, "\x00\x01PK", "not YAML ("),
    (SCENARIO, "just words", "line 1: expected a mapping"),
])
def test_a_bad_scenario_is_one_clear_error(gale, tmp_path, old, new, told):
    """Exit 2 and one line that names file, line and key."""
    path = tmp_path / "bad.yaml"
    assert old in SCENARIO
    path.write_text(SCENARIO.replace(old, new))
    done = gale("run", path, "--engine", "embedded")
    assert (2, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines()))
    assert done.stderr.startswith(f"galeproof: {path}"), done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(("words", "told"), [
    (["--engine", "http://127.0.0.1:1"], "http://127.0.0.1:1"),
    (["--engine", "windmill"], "engine 'windmill': allowed are auto, toxiproxy, embedded, or a URL"),
    (["--subject", "nowhere:Billing"], "subject 'nowhere:Billing': cannot import nowhere: "),
    (["--subject", "billing:Nobody"], "subject 'billing:Nobody': billing has no 'Nobody'"),
    (["--subject", "leaves:Billing"], "subject 'leaves:Billing': cannot import leaves: SystemExit"),
    (["--subject", "typo:Billing"], "subject 'typo:Billing': cannot import typo: SyntaxError"),
    (["--subject", "billing:Nothing"], "subject Nothing: no method is marked with @read or @write"),
    (["--subject", "billing:ADAPTER"], "billing has no 'ADAPTER'"),
    (["--subject", "invoices"], "--subject 'invoices': not in the settings (known: billing)"),
    (["--subject", "billing:BadConstructor"],
     "subject BadConstructor: its constructor raised RuntimeError: no certificate"),
    (["nonsuch"], "'nonsuch': no such file, scenario or invariant; scenarios: "),
    (["--seed", "x"], "'--seed'"),
    (["--sede", "1"], "--sede"),
    (["--engine", "http://127.0.0.1:99999"], "is not of the form http://HOST:PORT"),
    (["--output", "billing.py"], "--output billing.py: "),
    (["--output", "/proc/nowhere"], "--output /proc/nowhere: "),
    (["calm"], "two of the scenarios are called 'calm'"),
    (["--subject", "exits:Billing"], "the subject's process ended (code 9) before it was ready"),
])
def test_a_bad_word_is_one_clear_error(gale, words, told):
    """Exit 2 and one line that says which word, and what is allowed."""
    done = gale("run", "calm", *(["--engine", "embedded"] if "--engine" not in words else []), *words)
    assert (2, "") == (done.returncode, done.stdout)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("galeproof: ")]
    assert told in line


@pytest.mark.parametrize(("text", "told"), [
    ("[subjects.b]\npyhton = 'x:y'\n", "galeproof.toml: tool.galeproof.subjects.b.pyhton: unknown key"),
    ("fail = 'major'\n", "galeproof.toml: tool.galeproof.fail: unknown key; allowed: "),
    ("fail_on = 'loud'\n", "galeproof.toml: tool.galeproof.fail_on: 'loud'; allowed: "),
    ("[subjects.b]\npython = 'x:y'\nprofile = {max_attempt = 3}\n", "subjects.b.profile"),
    ("[[[", "galeproof.toml: "),
    ("subjects = 3\n", "tool.galeproof.subjects: expected a table"),
    ("subjects.b = 3\n", "tool.galeproof.subjects.b: expected a table"),
    ("[subjects.b]\nprofile = 3\n", "tool.galeproof.subjects.b.profile: expected a table"),
    ("[subjects.b]\npython = 3\n", "subjects.b.python: expected"),
    ("tool = 3\n", "galeproof.toml: tool: expected a table"),
    ("select = 3\n", "tool.galeproof.select: expected a list"),
    ("ignore = ['SEC9']\n", "tool.galeproof.ignore: 'SEC9'; allowed: codes, or families"),
    ("strict = 'false'\n", "tool.galeproof.strict: 'false'; allowed: true, false"),
    ("severity = {RTY001 = 'banana'}\n", "severity.RTY001: 'banana'; allowed: minor"),
    ("severity = {RTY9 = 'minor'}\n", "severity.RTY9: no such invariant"),
    ("baseline = 'x'\n", "tool.galeproof.baseline: not built yet"),
    ("[subjects.b]\npython = 'x:y'\nprofile = {deadline_s = inf}\n", "deadline_s"),
    ("[subjects.b]\npython = 'x:y'\nprofile = {retry_on = [99999]}\n", "retry_on"),
    ("[subjects.b]\npython = 'x:y'\nprofile = {idempotency_key = 'boddy:x y'}\n", "idempotency_key"),
])
def test_bad_settings_are_one_clear_error(gale, tmp_path, text, told):
    """Exit 2 and one line that names file and key."""
    (tmp_path / "galeproof.toml").write_text(text)
    done = gale("run", "calm", "--engine", "embedded", cwd=tmp_path)
    assert (2, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines())), done.stderr
    assert told in done.stderr


def cut_off(folder):
    path = folder / "503-storm" / "history.jsonl"
    path.write_text("".join(path.read_text().splitlines(True)[:-1]))


def broken_line(folder):
    path = folder / "503-storm" / "history.jsonl"
    lines = path.read_text().splitlines(True)
    path.write_text("".join([*lines[:3], "{nonsense\n", *lines[4:]]))


def resealed(change):
    """Change a history's header, and give it the checksum that belongs to it."""
    def damage(folder):
        path = folder / "503-storm" / "history.jsonl"
        head, *lines, _ = path.read_text().splitlines()
        lines.insert(0, json.dumps(change(json.loads(head))))
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        path.write_text("\n".join([*lines, json.dumps({"sha256": digest})]) + "\n")
    return damage


def newer(folder):
    path = folder / "503-storm" / "history.jsonl"
    path.write_text(path.read_text().replace('"galeproof_history":2', '"galeproof_history":3', 1))


def gone(folder):
    (folder / "503-storm" / "history.jsonl").unlink()


def another_letter(folder):
    path = folder / "503-storm" / "history.jsonl"
    path.write_text(path.read_text().replace('"op_end"', '"op_emd"', 1))


def no_facts(folder):
    (folder / "run.json").write_text("{}")


def facts(**changes):
    """Change what run.json says."""
    def damage(folder):
        path = folder / "run.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return damage


def bad_facts(folder):
    (folder / "run.json").write_text("[")


def binary(folder):
    (folder / "503-storm" / "history.jsonl").write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(("damage", "told"), [
    (cut_off, "cut off?"), (broken_line, "history.jsonl, line 4: not JSON"),
    (newer, "update galeproof to judge it"), (gone, "history.jsonl"),
    (another_letter, "its checksum is another"),
    (resealed(lambda head: {k: v for k, v in head.items() if k != "refs"}), "refs"),
    (resealed(lambda head: {**head, "refs": 5}), "the history lacks what it must have"),
    (facts(schema=99), "schema 99"), (facts(codes=["ZZZ999"]), "'ZZZ999' is no invariant"),
    (facts(fail_on="banana"), "'banana'; allowed: minor"), (no_facts, "run.json"),
    (bad_facts, "not a kept run"), (binary, "history.jsonl"),
    (shutil.rmtree, "not a kept run"),
])
def test_a_damaged_run_is_not_judged(gale, kept, tmp_path, damage, told):
    """Exit 2 and one line that says what is damaged; never a verdict on what is left."""
    folder = tmp_path / "run"
    shutil.copytree(kept[1], folder)
    damage(folder)
    done = gale("judge", folder)
    assert (2, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines())), done.stderr
    assert str(folder) in done.stderr
    assert told in done.stderr


def test_the_list_of_invariants(gale):
    """``invariants`` lists code, name and severity of those that are built."""
    rows = json.loads(gale("invariants", "--json").stdout)["invariants"]
    assert {"code", "name", "family", "severity"} == set(rows[0])
    assert [row["code"] for row in rows] == [
        line.split()[0] for line in gale("invariants").stdout.splitlines()]
    assert {"IDM001", "IDM002", "RAF001", "RTY001", "RTY003", "SEC001", "TMO002", "TMO006"} <= {
        row["code"] for row in rows}
