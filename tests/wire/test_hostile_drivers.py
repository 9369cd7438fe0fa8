"""Drivers and commands that do all that they can to hang, mislead or outlive a run."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

OBSERVE_S = 2.0
STORM = f"""
name: short
why: Two reads, and a provider that is busy.
operations: [{{kind: read, count: 2}}]
steps: [{{attempts: 1-, answer: 503}}]
observe_s: {OBSERVE_S:g}
expect: {{outcome: any, exercised: [SEC001]}}
"""
DRIVER = '''
import json, os, signal, subprocess, sys, time, urllib.request

def say(message):
    print(json.dumps(message), flush=True)

def fetch(message, told=None):
    request = urllib.request.Request(f"{base}/invoices/{message['args']['ref']}",
                                     headers={"Authorization": f"Bearer {secret}"})
    try:
        with urllib.request.urlopen(request, timeout=1) as answer:
            say({"id": message["id"], "ok": json.load(answer)})
    except Exception as error:
        kind = {"type": type(error).__name__, "message": str(error)}
        say({"id": message["id"], "error": told[0] if told else kind})

READY = {"ready": {"operations": {"fetch": "read"}}}
BEGIN
for line in sys.stdin:
    message = json.loads(line)
    if "open" in message:
        base, secret = message["open"]["base_url"], message["open"]["secrets"]["api_key"]
        OPEN
    elif "do" in message:
        DO
    elif message.get("close"):
        CLOSE
'''
SLEEPER = "[sys.executable, '-c', 'import time; time.sleep(60)']"
BAD_READY = {  # what it does where it should say ready, and what is said of it
    "a number": ("say({'ready': 5})", "its ready line must name its operations"),
    "null": ("say({'ready': None})", "its ready line must name its operations"),
    "a word of ours": ("say({'ready': 'refused'})", "its ready line must name its operations"),
    "refused": ("say({'refused': {'no': 1}})", "{'no': 1}"),
    "closing": ("say({'closing': 1})", "line 1 of its stdout says closing, which is ours"),
    "an answer": ("say({'id': 1, 'ok': 1})", "answers 1, which was never asked"),
    "a list": ("say([1])", "line 1 of its stdout is not of the protocol"),
    "nested": ("print('[' * 100_000, flush=True)", "line 1 of its stdout is not of the protocol"),
    "bytes": ("sys.stdout.buffer.write(b'\\xff\\xfe\\n'); sys.stdout.flush()", "line 1 of its stdout is not"),
    "an empty line": ("print(flush=True)", "line 1 of its stdout is not of the protocol"),
    "closed": ("os.close(1); time.sleep(60)", "it closed its stdout and went on"),
    "gone, its child holds stdout": (f"subprocess.Popen({SLEEPER}, start_new_session=True); os._exit(3)",
                                     "ended (code 3) before it was ready"),
}
BROKEN = {  # what it does where it should answer, and what makes the run INVALID
    "a list for an id": ("say({'id': [1], 'ok': 1})", "an id is the number that was asked"),
    "true for an id": ("say({'id': True, 'ok': 1})", "an id is the number that was asked"),
    "a text for an id": ("say({'id': str(message['id']), 'ok': 1})", "an id is the number that was asked"),
    "closing": ("say({'closing': {}})", "says closing, which is ours"),
    "ready again": ("say(READY)", "says ready a second time"),
    "neither": ("say({'id': message['id']})", "with neither ok nor error"),
    "twice": ("fetch(message); fetch(message)", "was answered before"),
    "nested": ("print('{\"id\": %d, \"ok\": %s' % (message['id'], '[' * 100_000), flush=True)", "is not of the protocol"),
    "nested, and whole": ("print('{\"id\": %d, \"ok\": %s1%s}' % (message['id'], '[' * 900, ']' * 900), flush=True)",
                          "nested deeper than 100"),
    "half a line": ("sys.stdout.write('{\"id\": 1'); sys.stdout.flush(); os._exit(0)", "is not of the protocol"),
    "100 MB on one line": ("print('y' * 100_000_000, flush=True)", "longer than 16 MiB"),
    "100 MB of lines": ("[print('y' * 99, flush=True) for _ in range(1_000_000)]", "is not of the protocol"),
    "closes its stdout": ("os.close(1); time.sleep(60)", "it closed its stdout and went on"),
    "gone, its child holds stdout": (f"subprocess.Popen({SLEEPER}, start_new_session=True); os._exit(3)",
                                     "the subject's process ended (code 3)"),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "the subject's process ended (code -9)"),
    "never answers": ("pass", "fails in calm air"),
    "never, and ignores everything": ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
                                      "fails in calm air"),
    "stops itself": ("os.kill(os.getpid(), signal.SIGSTOP)", "fails in calm air"),
}
SOUND = {  # odd, and judged all the same: what it does at an operation, and at close
    "starts a daemon": (f"subprocess.Popen({SLEEPER}, start_new_session=True); fetch(message)", "sys.exit()"),
    "starts a group": (f"subprocess.Popen({SLEEPER}, process_group=0); fetch(message)", "sys.exit()"),
    "ignores close": ("fetch(message)", "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"),
    "closes stdin": ("fetch(message)", "os.close(0); time.sleep(60)"),
}
SHELL = r"""#!/bin/sh
# answers while a child floods the log and another holds both pipes
read -r open
base=$(printf %s "$open" | sed 's/.*"base_url": *"\([^"]*\)".*/\1/')
echo '{"ready": {"operations": {"fetch": "read"}}}'
setsid sleep 60 &
yes >&2 &
while read -r line; do
  case "$line" in
    *'"close"'*) trap '' TERM; sleep 60 ;;
    *'"do"'*)
      id=$(printf %s "$line" | sed 's/.*"id": *\([0-9]*\).*/\1/')
      ref=$(printf %s "$line" | sed 's/.*"ref": *"\([^"]*\)".*/\1/')
      if told=$(curl -sf --max-time 1 "$base/invoices/$ref"); then echo "{\"id\": $id, \"ok\": $told}"
      else echo "{\"id\": $id, \"error\": {\"type\": \"Failed\", \"message\": \"no answer\"}}"; fi ;;
  esac
done
"""


class Ran:
    def __init__(self, done, took_s):
        self.code, self.said, self.took_s = done.returncode, done.stderr, took_s
        self.document = json.loads(done.stdout) if done.stdout else {}


@pytest.fixture
def galeproof(tmp_path):
    """Run the command line with a driver or a command; nothing that it started may be left."""
    (tmp_path / "short.yaml").write_text(STORM, "utf-8")
    token = f"HOSTILE={tmp_path}"

    def run(way, line):
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "galeproof", "run", "short.yaml", f"--{way}", line, "--json", "--engine",
             "embedded"], cwd=tmp_path, env={**os.environ, "HOSTILE": str(tmp_path)}, capture_output=True,
            text=True, timeout=100, check=False)
        took_s = time.monotonic() - begin
        assert "Traceback" not in done.stderr, done.stderr
        assert [] == left(token)
        return Ran(done, took_s)

    return run


def left(token):
    """Command lines of the processes that were started with it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if token.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes())
        except OSError:
            continue
    return found


def driver(tmp_path, *, begin="pass", opened="say(READY)", do="fetch(message)", close="sys.exit()"):
    path = tmp_path / "driver.py"
    path.write_text(DRIVER.replace("BEGIN", begin).replace("OPEN", opened).replace("DO", do).replace(
        "CLOSE", close), "utf-8")
    return f"{sys.executable} {path}"


@pytest.mark.full
@pytest.mark.parametrize("name", BAD_READY)
def test_a_driver_that_says_no_ready_is_refused_in_words(galeproof, tmp_path, name):
    """A usage error that says what it said, at once."""
    opened, said = BAD_READY[name]
    ran = galeproof("driver", driver(tmp_path, opened=opened))
    assert (2, True) == (ran.code, said in ran.said), ran.said
    assert ran.took_s < 10


@pytest.mark.full
@pytest.mark.parametrize("name", BROKEN)
def test_a_driver_that_breaks_the_protocol_makes_the_run_invalid(galeproof, tmp_path, name):
    """The reason says how, within 5 s of the operation's limit."""
    do, said = BROKEN[name]
    ran = galeproof("driver", driver(tmp_path, do=do))
    assert (3, True) == (ran.code, said in ran.document["invalid"]), ran.document
    assert ran.took_s < OBSERVE_S + 5 + 2  # the harness's own start


@pytest.mark.parametrize("name", [
    pytest.param(n, marks=() if n == "starts a daemon" else pytest.mark.full) for n in SOUND])
def test_an_odd_driver_is_judged_and_leaves_nothing(galeproof, tmp_path, name):
    """What it started ends with it, in whatever group or session (the fixture looks)."""
    do, close = SOUND[name]
    ran = galeproof("driver", driver(tmp_path, do=do, close=close))
    assert (0, None) == (ran.code, ran.document["invalid"]), ran.document


@pytest.mark.full
def test_a_text_that_is_no_unicode_is_kept(galeproof, tmp_path):
    """Half a surrogate pair in an error breaks no history."""
    do = "fetch(message, [{'type': 'Bad', 'message': '\\ud800', 'dump': '\\udc00'}])"
    assert 0 == galeproof("driver", driver(tmp_path, do=do)).code


@pytest.mark.full
@pytest.mark.parametrize("message", ["'x' * 10_000_000", "{'a': [1]}", "None", "float('inf')"])
def test_an_error_of_any_form_is_an_outcome(galeproof, tmp_path, message):
    """Huge, or no text at all."""
    assert 0 == galeproof("driver", driver(tmp_path, do=f"fetch(message, [{message}])")).code


@pytest.mark.full
def test_a_shell_that_floods_the_log_and_ignores_close_is_ended(galeproof, tmp_path):
    """With all its children; what flooded costs the evidence of silence only."""
    path = tmp_path / "driver.sh"
    path.write_text(SHELL, "utf-8")
    path.chmod(0o755)
    ran = galeproof("driver", shlex.quote(str(path)))
    verdict = next(v for v in ran.document["verdicts"] if v["code"] == "SEC001")
    assert (5, "UNKNOWN", "capture_missing") == (ran.code, verdict["verdict"], verdict["reason"])


@pytest.mark.parametrize("way", ["exec", "driver"])
def test_a_program_that_cannot_be_started_is_a_usage_error(galeproof, tmp_path, way):
    """No shebang, no format that the machine knows."""
    path = tmp_path / "program"
    path.write_text("galeproof\n", "utf-8")
    path.chmod(0o755)
    ran = galeproof(way, str(path))
    assert (2, True) == (ran.code, f"{way} '{path}'" in ran.said), ran.said


@pytest.mark.full
@pytest.mark.parametrize("line", [
    "setsid sleep 60 & exec curl -sf --max-time 1 $GALEPROOF_BASE_URL/invoices/$GALEPROOF_REF",
    "trap '' TERM INT HUP; curl -sf --max-time 1 $GALEPROOF_BASE_URL/invoices/$GALEPROOF_REF || sleep 60",
    "curl -sf --max-time 1 $GALEPROOF_BASE_URL/invoices/$GALEPROOF_REF; code=$?; head -c 32000000 /dev/zero >&2; exit $code",
], ids=["daemon", "stays", "flood"])
def test_a_hostile_command_ends_and_leaves_nothing(galeproof, line):
    """Its operation ends with its budget, its processes with the run."""
    ran = galeproof("exec", f"sh -c {shlex.quote(line)}")
    assert ran.code in (0, 5), ran.document
    assert None is ran.document["invalid"]
    assert ran.took_s < 2 * (OBSERVE_S + 5) + 2
