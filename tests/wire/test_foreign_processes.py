"""Clients in processes of their own: any command, and drivers that behave well and badly."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

COMMAND = '''
import json, os, random, sys, time, urllib.error, urllib.request

base, ref = os.environ["GALEPROOF_BASE_URL"], os.environ["GALEPROOF_REF"]
secret = os.environ["GALEPROOF_SECRET_API_KEY"]
writes = os.environ["GALEPROOF_OPERATION"] == "create"
for attempt in range(3):
    time.sleep(random.uniform(0.1, 0.3) * attempt)
    request = urllib.request.Request(
        f"{base}/invoices/{ref}", method="POST" if writes else "GET", data=b"{}" if writes else None,
        headers={"Authorization": f"Bearer {secret}", "Idempotency-Key": ref})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            print(answer.read().decode())
            sys.exit(0)
    except (urllib.error.URLError, OSError) as error:
        said = error
LAST
'''
DRIVER = '''
import json, sys, threading, time

lock = threading.Lock()

def say(message):
    with lock:
        print(json.dumps(message), flush=True)

def ready():
    say({"ready": {"operations": {"fetch": "read"}, "library": "urllib"}})

def do(message, base, secret):
    import urllib.request
    request = urllib.request.Request(f"{base}/invoices/{message['args']['ref']}",
                                     headers={"Authorization": f"Bearer {secret}"})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            say({"id": message["id"], "ok": json.loads(answer.read())})
    except Exception as error:
        say({"id": message["id"], "error": {"type": type(error).__name__, "message": str(error)}})

for line in sys.stdin:
    message = json.loads(line)
    if "open" in message:
        base, secret = message["open"]["base_url"], message["open"]["secrets"]["api_key"]
        READY
    elif "do" in message:
        DO
    elif message.get("close"):
        CLOSE
'''
ORPHAN = '''
import os, time, urllib.request

for number in range(20):
    time.sleep(0.7)
    try:
        urllib.request.urlopen(os.environ["GALEPROOF_BASE_URL"] + "/invoices/" + os.environ["GALEPROOF_REF"])
    except OSError:
        pass
'''
SETTINGS = '''
[tool.galeproof.subjects.shop]
exec = "{python} client.py"
operations.create = {{ kind = "write", answer = "create.json", status = 201 }}
operations.fetch = {{ kind = "read" }}
[tool.galeproof.subjects.shop.profile]
max_attempts = 3
retry_on = [503]
'''
Ran = tuple[int, str, dict[str, Any]]


@pytest.fixture
def galeproof(tmp_path: Path) -> Iterator[Callable[..., Ran]]:
    """Run the command line in a folder of its own: exit code, stderr, the JSON document."""

    def run(*words: str) -> Ran:
        done = subprocess.run([sys.executable, "-m", "galeproof", "run", *words, "--json", "--engine",
                               "embedded"], cwd=tmp_path, env=os.environ, capture_output=True,
                              text=True, timeout=100)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr, json.loads(done.stdout) if done.stdout else {}

    yield run
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True)
    assert "" == left.stdout


def command(tmp_path: Path, last: str) -> str:
    path = tmp_path / "client.py"
    path.write_text(COMMAND.replace("LAST", last), "utf-8")
    return f"{sys.executable} {path}"


def driver(tmp_path: Path, ready: str = "ready()", do: str = "threading.Thread(target=do, args=("
           "message, base, secret)).start()", close: str = "sys.exit(0)") -> str:
    path = tmp_path / "driver.py"
    path.write_text(DRIVER.replace("READY", ready).replace("DO", do).replace("CLOSE", close), "utf-8")
    return f"{sys.executable} {path}"


def scenario(tmp_path: Path, code: str, more: str) -> Path:
    path = tmp_path / "short.yaml"
    path.write_text(f"""
name: short
why: Two reads, and a provider that is busy.
operations: [{{kind: read, count: 2}}]
steps: [{{attempts: 1-, answer: 503}}]
{more}
expect: {{outcome: failure, exercised: [{code}]}}
""", "utf-8")
    return path


def outcomes(document: dict[str, Any]) -> dict[str, str]:
    return {v["code"]: v["verdict"] for v in document["verdicts"]}


class TestCommands:
    def test_a_command_of_the_settings_is_judged_in_reads_and_writes(self, galeproof, tmp_path):
        """Operations, their answers and the profile come from the settings."""
        command(tmp_path, 'sys.exit("no answer after three attempts")')
        (tmp_path / "create.json").write_text('{"id": "{effect}"}', "utf-8")
        (tmp_path / "pyproject.toml").write_text(SETTINGS.format(python=sys.executable), "utf-8")
        code, _, document = galeproof("503-storm", "--subject", "shop")
        found = outcomes(document)
        assert 0 == code
        assert {"PASS"} == {found[c] for c in ("RTY001", "IDM002", "IDM004", "SEC001", "SEC002")}

    def test_what_is_not_declared_of_a_command_is_learned(self, galeproof, tmp_path):
        """The method of its first request in calm air tells that it reads."""
        code, _, document = galeproof("503-storm", "--exec", command(tmp_path, "sys.exit(3)"))
        assert (0, "PASS") == (code, outcomes(document)["RTY001"])
        assert {"UNKNOWN"} == {outcomes(document)["IDM002"]}

    @pytest.mark.full
    def test_a_secret_on_stderr_is_a_leak_of_the_error_and_the_log(self, galeproof, tmp_path):
        """What a command prints as it fails is both."""
        code, _, document = galeproof("503-storm", "--exec", command(
            tmp_path, 'sys.exit(f"failed with {request.header_items()}")'))
        assert 1 == code
        assert {"FAIL"} == {outcomes(document)[c] for c in ("SEC001", "SEC002")}

    @pytest.mark.full
    def test_a_process_that_outlives_its_operation_is_seen_and_ended(self, galeproof, tmp_path):
        """It goes on sending after the command has told its failure."""
        (tmp_path / "orphan.py").write_text(ORPHAN, "utf-8")
        code, _, document = galeproof(str(scenario(tmp_path, "TMO008", "linger_s: 4")), "--exec", command(
            tmp_path, "import subprocess\nsubprocess.Popen([sys.executable, "
            "os.path.join(os.path.dirname(__file__), 'orphan.py')])\nsys.exit(1)"))
        assert (1, "FAIL") == (code, outcomes(document)["TMO008"])

    def test_a_program_that_is_not_there_is_a_usage_error(self, galeproof):
        """Nothing is run."""
        code, said, _ = galeproof("503-storm", "--exec", "no-such-program --now")
        assert (2, True) == (code, "'no-such-program' is no program" in said)


class TestDrivers:
    def test_a_driver_does_many_operations_in_one_process(self, galeproof, tmp_path):
        """Undeclared kinds come from its ready line."""
        code, _, document = galeproof("503-storm", "--driver", driver(tmp_path))
        assert 0 == code
        assert "PASS" == outcomes(document)["SEC001"]

    @pytest.mark.parametrize(("ready", "said"), [
        ('print("starting up...", flush=True); ready()',
         "line 1 of its stdout is not of the protocol: 'starting up...'"),
        ('say({"ready": {}})', "its ready line must name its operations"),
        ("sys.exit(7)", "ended (code 7) before it was ready"),
        ("print('x' * (1 << 25), flush=True)", "line 1 of its stdout is longer than 16 MiB"),
    ], ids=["garbage", "nothing named", "dies", "endless line"])
    def test_a_driver_that_does_not_get_ready_is_refused(self, galeproof, tmp_path, ready, said):
        """The error names the line."""
        code, text, _ = galeproof("503-storm", "--driver", driver(tmp_path, ready))
        assert (2, True) == (code, said in text)

    @pytest.mark.full
    @pytest.mark.parametrize(("do", "said"), [
        ('do(message, base, secret); print("done")', "is not of the protocol: 'done'"),
        ("do(message, base, secret); say({'id': message['id'], 'ok': 1})", "was answered before"),
        ("say({'id': 99, 'ok': 1})", "answers 99, which was never asked"),
        ("sys.exit(1)", "the subject's process ended (code 1)"),
        ("print('y' * 100_000_000, flush=True)", "longer than 16 MiB"),
    ], ids=["garbage", "twice", "never asked", "closes early", "100 MB"])
    def test_a_driver_that_breaks_the_protocol_is_invalid(self, galeproof, tmp_path, do, said):
        """The reason names the line; nothing hangs."""
        code, _, document = galeproof("503-storm", "--driver", driver(tmp_path, do=do))
        assert 3 == code
        assert said in document["invalid"]

    @pytest.mark.full
    def test_a_flood_on_stderr_costs_the_evidence_of_silence_only(self, galeproof, tmp_path):
        """What was not searched is no PASS."""
        flood = ("sys.stderr.write('z' * 100_000_000); do(message, base, secret)")
        code, _, document = galeproof("503-storm", "--driver", driver(tmp_path, do=flood))
        verdict = next(v for v in document["verdicts"] if v["code"] == "SEC001")
        assert 5 == code
        assert ("UNKNOWN", "capture_missing") == (verdict["verdict"], verdict["reason"])

    def test_a_driver_that_never_answers_is_cut_off(self, galeproof, tmp_path):
        """Its operations end with their observation budget, in calm air already."""
        short = scenario(tmp_path, "RTY001", "observe_s: 2")
        code, _, document = galeproof(str(short), "--driver", driver(tmp_path, do="pass"))
        assert 3 == code
        assert "fails in calm air" in document["invalid"]

    @pytest.mark.full
    def test_a_driver_that_ignores_close_and_sigterm_is_ended(self, galeproof, tmp_path):
        """Nothing of it is left (the fixture looks)."""
        stay = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
        code, _, _ = galeproof("503-storm", "--driver", driver(tmp_path, close=stay))
        assert 0 == code
