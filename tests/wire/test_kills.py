"""What is left when somebody ends a part of a run, or all of it, in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from galeproof.model import read_history
from galeproof.toxiproxy.server import find_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ADAPTER = '''
import time
from pathlib import Path
import requests
from galeproof import write

class Waiting:
    def __init__(self, base_url, secrets):
        self.base_url = base_url
        self.headers = {"Authorization": "Bearer " + secrets["api_key"]}

    def _post(self, ref, amount):
        with Path("calls").open("a") as calls:
            calls.write(ref + "\\n")
        answer = requests.post(f"{self.base_url}/pay/{ref}", json={"amount": amount},
                               headers=self.headers, timeout=25)
        return answer.json()

    @write(answer={"id": "{effect}"}, status=201)
    def create(self, ref, amount):
        return self._post(ref, amount)

class Blocking(Waiting):                # keeps the driver's event loop to itself
    @write(answer={"id": "{effect}"}, status=201)
    async def create(self, ref, amount):
        return self._post(ref, amount)
'''
SCENARIO = '''
name: endless
why: Somebody ends a run in the middle.
operations:
  - {kind: write, count: 4, concurrent: 2}
steps:
  - {attempts: 1-, cut: hang after effect}
expect: {outcome: any, exercised: [IDM001]}
'''
TEST = '''
import pytest

@pytest.mark.scenario("endless.yaml")
def test_storm(gale):
    gale.run()
'''

FOREIGN = '''
import json, os, subprocess, sys, urllib.request

def call(base, ref):
    for alone in (False, True):         # one beside it, one in a session of its own
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=alone)
    with open("calls", "a") as calls:
        calls.write(ref + "\\n")
    request = urllib.request.Request(f"{base}/pay/{ref}", method="POST", data=b"{}")
    with urllib.request.urlopen(request, timeout=25) as answer:
        return json.load(answer)

if "GALEPROOF_REF" in os.environ:
    print(json.dumps(call(os.environ["GALEPROOF_BASE_URL"], os.environ["GALEPROOF_REF"])))
    sys.exit()
for line in sys.stdin:                  # one at a time: it is blocked when we are killed
    message = json.loads(line)
    if "open" in message:
        base = message["open"]["base_url"]
        print(json.dumps({"ready": {"operations": {"create": "write"}}}), flush=True)
    elif "do" in message:
        print(json.dumps({"id": message["id"], "ok": call(base, message["args"]["ref"])}), flush=True)
'''


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state[0] == "Z" else state


def family(root):
    """All processes below one, by pid, with their command lines."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (state := alive(int(entry.name))):
            parents[int(entry.name)] = int(state[1])
    found, fresh = set(), {root}
    while fresh:
        found |= fresh
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
    return {pid: Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in found if alive(pid)}


def listening():
    """Inode to port of every listening TCP socket."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    rows += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]
             ] if Path("/proc/net/tcp6").exists() else []
    return {row[9]: int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}


def ports_of(pids):
    sockets = listening()
    found = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("socket:[") and target[8:-1] in sockets:
                found.add(sockets[target[8:-1]])
    return found


class Started:
    """A run in its middle: its process, its descendants, their ports."""

    def __init__(self, process, folder, calls_before):
        self.process, self.folder = process, folder
        deadline = time.monotonic() + 30
        calls = folder / "calls"
        while not calls.exists() or len(calls.read_text().split()) < calls_before:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the run did not get to its middle"
            time.sleep(0.02)
        self.family = family(process.pid)
        self.ports = ports_of(self.family)

    def pid(self, word):
        return next(pid for pid, command in self.family.items() if word in command)

    def wait(self, seconds):
        """End of the process, its output, and what is left of processes and ports after seconds."""
        deadline = time.monotonic() + seconds
        try:
            output, errors = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            output, errors = "", "still running"
        while True:
            left = {pid: c for pid, c in self.family.items() if alive(pid)}
            held = self.ports & set(listening().values())
            if not (left or held) or time.monotonic() > deadline:
                return self.process.returncode, output, errors, left, held
            time.sleep(0.02)


def on_interrupt():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def start(tmp_path):
    """Start a command in a folder with a slow subject and an endless storm; clean up after."""
    (tmp_path / "waiting.py").write_text(ADAPTER)
    (tmp_path / "endless.yaml").write_text(SCENARIO)
    (tmp_path / "foreign.py").write_text(FOREIGN)
    (tmp_path / "test_storm.py").write_text(TEST)
    runs = []

    def run(*words, subject="Waiting", way="python", calls_before=2):  # a control makes the first call
        told = f"waiting:{subject}" if way == "python" else f"{sys.executable} foreign.py"
        (tmp_path / "galeproof.toml").write_text(
            f'[subjects.waiting]\n{way} = "{told}"\n' + (
                'operations.create = { kind = "write", status = 201 }\n' if way == "exec" else ""))
        path = [str(Path("harness").resolve()), os.environ.get("PYTHONPATH", "")]
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=on_interrupt,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)})
        runs.append(process)
        started = Started(process, tmp_path, calls_before)
        runs.append(started)
        return started

    yield run
    for made in runs:
        if isinstance(made, Started):
            for pid in made.family:
                if alive(pid):
                    os.kill(pid, signal.SIGKILL)
        elif made.poll() is None:
            made.kill()


ENGINES = [
    "embedded",
    pytest.param("toxiproxy", marks=pytest.mark.skipif(
        not find_server(), reason="no toxiproxy-server on PATH")),
]
PYTEST = ("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:galeproof", "-p",
          "galeproof.plugin", "test_storm.py")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
@pytest.mark.parametrize("engine", ENGINES)
def test_an_interrupt_keeps_the_partial_history_and_leaves_nothing_behind(start, engine, how):
    """Ctrl-C, or a runner's SIGTERM: exit 130 within 2 s, a readable history, no process, no port."""
    run = start("galeproof", "run", "endless.yaml", "--engine", engine)
    assert 2 <= len(run.ports)
    os.kill(run.process.pid, how)
    assert (130, {}, set()) == (lambda r: (r[0], r[3], r[4]))(run.wait(2))
    (path,) = run.folder.glob(".galeproof/runs/*/history.jsonl")
    history = read_history(path)
    assert history.header["interrupted"] is True
    assert {"op_start", "head", "effect"} <= {event.kind for event in history}
    assert [] == list(history.of("op_end"))


def test_an_interrupted_run_says_so_where_it_is_judged(start):
    """``judge`` reads an interrupted run, and its exit code is that of the interrupt."""
    run = start("galeproof", "run", "calm", "endless.yaml", "--engine", "embedded",
                calls_before=1 + 5 + 2)
    os.kill(run.process.pid, signal.SIGINT)
    code, _, errors, _, _ = run.wait(2)
    assert (130, True) == (code, "interrupted" in errors)
    (path,) = run.folder.glob(".galeproof/runs/*")
    assert ["calm", "endless"] == json.loads((path / "run.json").read_text())["kept"]
    done = subprocess.run([sys.executable, "-m", "galeproof", "judge", str(path), "--json"],
                          capture_output=True, text=True, check=False)
    assert (130, "") == (done.returncode, done.stderr)
    assert 130 == json.loads(done.stdout)["exit"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_world_is_a_fault_of_the_harness(start, engine):
    """Kill -9 of the world's process: exit 4 within 5 s, the history kept, nothing left."""
    run = start("galeproof", "run", "endless.yaml", "--engine", engine)
    os.kill(run.pid("galeproof.world.child"), signal.SIGKILL)
    code, output, _, left, held = run.wait(5)
    assert (4, {}, set()) == (code, left, held)
    assert "the world process ended" in output
    (path,) = run.folder.glob(".galeproof/runs/*/history.jsonl")
    assert len(read_history(path)) > 0


@pytest.mark.skipif(not find_server(), reason="no toxiproxy-server on PATH")
def test_a_killed_toxiproxy_is_a_fault_of_the_harness(start):
    """Kill -9 of Toxiproxy: exit 4 within 5 s with its name, nothing left."""
    run = start("galeproof", "run", "endless.yaml", "--engine", "toxiproxy")
    os.kill(run.pid("toxiproxy-server"), signal.SIGKILL)
    code, output, _, left, held = run.wait(5)
    assert (4, {}, set()) == (code, left, held)
    assert "Toxiproxy ended" in output


@pytest.mark.parametrize("subject", ["Waiting", "Blocking"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_command_leaves_no_orphan(start, engine, subject):
    """Kill -9 of the command itself: world, Toxiproxy and driver end within 5 s."""
    run = start("galeproof", "run", "endless.yaml", "--engine", engine, subject=subject)
    assert run.pid("galeproof.subject.pydriver") != run.process.pid
    run.process.kill()
    assert (-9, {}, set()) == (lambda r: (r[0], r[3], r[4]))(run.wait(5))


@pytest.mark.parametrize("way", ["exec", "driver"])
def test_a_killed_command_leaves_nothing_of_a_foreign_client(start, way):
    """Kill -9: its processes, their children, and children in sessions of their own end within 5 s."""
    run = start("galeproof", "run", "endless.yaml", "--engine", "embedded", way=way)
    assert 2 <= sum("time.sleep(60)" in told for told in run.family.values()), run.family
    assert 1 <= sum("foreign.py" in told for told in run.family.values())
    run.process.kill()
    assert (-9, {}, set()) == (lambda r: (r[0], r[3], r[4]))(run.wait(5))


@pytest.mark.parametrize("way", ["exec", "driver"])
def test_an_interrupt_leaves_nothing_of_a_foreign_client(start, way):
    """Ctrl-C: exit 130 and nothing left within 3 s, also of what left its session."""
    run = start("galeproof", "run", "endless.yaml", "--engine", "embedded", way=way)
    os.kill(run.process.pid, signal.SIGINT)
    assert (130, {}, set()) == (lambda r: (r[0], r[3], r[4]))(run.wait(3))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_pytest_leaves_no_orphan(start, engine):
    """Kill -9 of pytest in the middle of ``gale.run()``: everything it started ends within 5 s."""
    run = start(*PYTEST, "--galeproof-engine", engine)
    run.process.kill()
    assert (-9, {}, set()) == (lambda r: (r[0], r[3], r[4]))(run.wait(5))


def test_an_interrupted_pytest_leaves_nothing_behind(start):
    """Ctrl-C in the middle of ``gale.run()``: pytest's own exit code, the partial history kept,
    no process, no port."""
    run = start(*PYTEST, "--galeproof-engine", "embedded")
    os.kill(run.process.pid, signal.SIGINT)
    assert (2, {}, set()) == (lambda r: (r[0], r[3], r[4]))(run.wait(5))
    (path,) = run.folder.glob(".galeproof/runs/*/history.jsonl")
    assert "op_start" in {event.kind for event in read_history(path)}


def test_a_killed_world_fails_the_test_that_ran(start):
    """Kill -9 of the world under pytest: the test fails and says that the harness is to blame."""
    run = start(*PYTEST, "--galeproof-engine", "embedded")
    os.kill(run.pid("galeproof.world.child"), signal.SIGKILL)
    code, output, _, left, held = run.wait(5)
    assert (1, {}, set()) == (code, left, held)
    assert "harness fault: endless: the world process ended" in output
