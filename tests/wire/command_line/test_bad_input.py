"""What cannot be right is one clear error: file, line and key where there is one, exit 2, no traceback."""

import hashlib
import json
import shutil

import pytest

SCENARIO = '''name: mine
why: A scenario of the project.
operations:
  - {kind: write, count: 2, concurrent: 2}
steps:
  - {attempts: 1, answer: 503}
  - {attempts: 2-, answer: ok}
expect: {outcome: success, exercised: [RTY001]}
'''


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
    (["--subject", "billing:Nothing"], "subject Nothing: no method is marked with @read or @write; a "
     "client of your own needs an adapter: galeproof init --client billing:Nothing"),
    (["--subject", "billing:ADAPTER"], "billing has no 'ADAPTER'"),
    (["--subject", "invoices"], "--subject 'invoices': not in the settings (known: billing)"),
    (["--subject", "billing:BadConstructor"],
     "subject BadConstructor: its constructor raised RuntimeError: no certificate"),
    (["nonsuch"], "'nonsuch': no such file, scenario or invariant; scenarios: "),
    (["503-strom"], "'503-strom': no such file, scenario or invariant; did you mean "),
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
    ("baseline = 3\n", "tool.galeproof.baseline: expected the path of a file"),
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
