"""Subjects that starve or fork the harness's own process: the verdicts stay as they are."""

import asyncio
import contextlib
import ctypes
import functools
import os
import random
import socket
import stat
import sys
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from galeproof import read, write
from galeproof.invariants import INVARIANTS
from galeproof.model import parse_profile
from galeproof.runner import Station, run_catalogue, subject_of
from galeproof.scenario import find, load_scenario

SEED = 5
SCENARIOS = ("503-storm", "fail-twice-then-recover", "hang-once", "reset-after-effect")
PROFILE = {
    "max_attempts": 3, "read_timeout_s": 0.6, "deadline_s": 6.0,
    "retry_on": ["connect", "reset", "timeout", 503], "idempotency_key": "Idempotency-Key"}
TIMING = {"RTY004", "RTY006", "TMO002", "TMO006"}


class Plain:
    """Three attempts, a timeout, one key an operation. It makes one defect: it logs its secret."""

    def __init__(self, base_url, secrets):
        self.http = httpx.Client(base_url=base_url, timeout=0.6,
                                 headers={"Authorization": f"Bearer {secrets['api_key']}"})
        self.calls = 0
        self.secret = secrets["api_key"]
        print(f"client made for {self.secret}", file=sys.stderr)

    @read(answer={"id": "{ref}"})
    def fetch(self, ref):
        return self.ask("GET", ref)

    @write(answer={"id": "{effect}"})
    def create(self, ref):
        return self.ask("POST", ref)

    def ask(self, method, ref):
        self.calls += 1
        self.misbehave(self.calls)
        for attempt in (1, 2, 3):
            time.sleep((attempt > 1) * random.uniform(0.04, 0.12))
            try:
                response = self.http.request(method, f"/payments/{ref}",
                                             headers={"Idempotency-Key": f"key-{ref}"})
            except httpx.TransportError:
                if attempt == 3:
                    raise
                continue
            if response.status_code != 503 or attempt == 3:
                response.raise_for_status()
                return response.json()

    def misbehave(self, call):
        """What a hostile one does before a call."""

    def close(self):
        self.http.close()


class Busy(Plain):
    """A Python thread that never rests."""

    seen: list[int] = []

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.over = threading.Event()
        self.turns = 0
        self.worker = threading.Thread(target=self.turn, daemon=True)
        self.worker.start()

    def turn(self):
        while not self.over.is_set():
            self.turns += 1

    def close(self):
        self.over.set()
        self.worker.join(5)
        self.seen.append(self.turns)
        super().close()


class Holder(Plain):
    """Holds the interpreter lock for a second, while others wait for answers."""

    seen: list[int] = []

    def misbehave(self, call):
        if call == 3:  # after its control, which took two at most
            self.seen.append(1 + ctypes.PyDLL(None).usleep(1_000_000))


class Forker(Plain):
    """Forks while connections are open; the child keeps them for a second."""

    seen: list[int] = []
    children: list[int] = []

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.port = urlsplit(base_url).port

    def misbehave(self, call):
        if call != 4:
            return
        until = time.monotonic() + 1.0  # the calls beside this one connect meanwhile
        while not _connections_to(self.port) and time.monotonic() < until:
            time.sleep(0.002)
        self.seen.append(_connections_to(self.port))
        child = os.fork()
        if child == 0:
            ctypes.CDLL(None).usleep(1_000_000)
            os._exit(0)
        self.children.append(child)


def _connections_to(port):
    """How many connections to this port the process has open: a fork inherits them."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        # listing has a descriptor of its own, and other threads close theirs meanwhile
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as sock:
                found += sock.family == socket.AF_INET and sock.getpeername()[1] == port
    return found


def _judge(client):
    scenarios = [load_scenario(find(name), frozenset(INVARIANTS)) for name in SCENARIOS]
    with Station("embedded", seed=SEED) as station:
        result = asyncio.run(run_catalogue(
            station, subject_of(client, parse_profile(PROFILE)), scenarios, SEED, observe_s=15.0))
    assert (None, None) == (result.invalid, result.fault)
    return result


def _told(result):
    return {v.code: (v.outcome.value, v.reason) for v in result.verdicts}


@pytest.fixture(scope="module")
def plain():
    """The verdicts of the subject that does nothing hostile."""
    return _told(_judge(Plain))


@pytest.fixture(scope="module")
def hostile():
    """Results of the hostile ones, each judged once."""
    yield functools.cache(_judge)
    while Forker.children:
        os.waitpid(Forker.children.pop(), 0)


def test_the_plain_subject_is_decided_on_every_invariant_of_its_storms(plain):
    """Passes, and one FAIL: what the hostile ones are held against says something."""
    wanted = {"IDM001": ("PASS", None), "IDM002": ("PASS", None), "RTY001": ("PASS", None),
              "RTY003": ("PASS", None), "SEC001": ("FAIL", None), "TMO002": ("PASS", None),
              "TMO006": ("PASS", None)}
    assert wanted == {code: plain[code] for code in wanted}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("client", [Busy, Holder, Forker], ids=lambda c: c.__name__)
def test_a_hostile_subject_gets_the_verdicts_of_the_plain_one(plain, hostile, client):
    """A timing verdict may become UNKNOWN noise, and never another."""
    told = _told(hostile(client))
    noisy = {code for code in TIMING if told.get(code) == ("UNKNOWN", "noise")}
    assert {c: v for c, v in plain.items() if c not in noisy} == {
        c: v for c, v in told.items() if c not in noisy}
    assert max(client.seen) > 0, "it was not hostile at all"


def test_a_held_interpreter_lock_is_seen_by_the_heartbeat(hostile):
    """The second in which nothing ran is on record, so that a checker can take it off."""
    late = [max((e.data["ms"] for e in judged.history.of("lag") if e.witness == "subject"),
                default=0) for judged in hostile(Holder).judged]
    assert [True] * len(SCENARIOS) == [ms > 900 for ms in late], late
