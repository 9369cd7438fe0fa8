"""A definitive answer that comes when the client has gone, over real sockets."""

import asyncio
import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest

from galeproof import read
from galeproof.invariants import INVARIANTS
from galeproof.model import parse_profile
from galeproof.runner import Station, run_catalogue, subject_of
from galeproof.scenario import load_scenario

STORM = """
name: late-404
why: The answer is on its way, and the caller's client has left already.
operations:
  - {kind: read, count: 4, concurrent: 2}
steps:
  - {attempts: 1, answer: {status: 404, delay_s: DELAY}}
  - {attempts: 2-, answer: ok}
expect: {outcome: any, exercised: [RTY002]}
"""
PROFILE = {"max_attempts": 2, "read_timeout_s": 0.3, "retry_on": ["timeout"]}


class Leaves:
    """Gives an attempt up after 0.3 s, closes its connection, and asks again; a 404 it takes as one."""

    timeout_s = 0.3

    def __init__(self, base_url, secrets):
        self.url, self.key = urlsplit(base_url), secrets["api_key"]

    @read(answer={"id": "{ref}"})
    def fetch(self, ref):
        for _ in range(2):
            try:
                status, body = self.ask(f"{self.url.path}/payments/{ref}")
            except TimeoutError:
                continue
            if status == 200 or not self.again:
                break
        if status != 200:
            raise LookupError(status)
        return json.loads(body)

    again = False

    def ask(self, path):
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=self.timeout_s)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.key}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class ClosesItsSide(Leaves):
    """Defective: it ends its side of the connection, waits for the 404, reads it, and asks again."""

    timeout_s, again = 2.0, True

    def ask(self, path):
        with socket.create_connection((self.url.hostname, self.url.port), timeout=self.timeout_s) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
                         "Connection: close\r\n\r\n".encode())
            sock.shutdown(socket.SHUT_WR)
            said = b"".join(iter(lambda: sock.recv(4096), b""))
        head, _, body = said.partition(b"\r\n\r\n")
        return int(head.split()[1]), body


@pytest.mark.parametrize("engine", ["embedded", "auto"])
@pytest.mark.parametrize(("client", "delay_s", "expected"), [
    (Leaves, 0.5, "UNKNOWN"), (Leaves, 0.298, "UNKNOWN"), (Leaves, 0.05, "PASS"), (ClosesItsSide, 0.05, "FAIL")])
def test_a_404_binds_those_who_read_it(tmp_path, engine, client, delay_s, expected):
    """Who left before has not disobeyed it, nor obeyed; who closed only its own side has read it."""
    file = tmp_path / "late.yaml"
    file.write_text(STORM.replace("DELAY", str(delay_s)))
    profile = {**PROFILE, "read_timeout_s": client.timeout_s}
    with Station(engine, seed=7) as station:
        result = asyncio.run(run_catalogue(station, subject_of(client, parse_profile(profile)),
                                           [load_scenario(file, frozenset(INVARIANTS))], 7, frozenset({"RTY002"})))
    assert (None, None) == (result.invalid, result.fault)
    assert [("RTY002", expected)] == [(v.code, v.outcome.value) for v in result.verdicts]
