"""The control API under junk: no 5xx but those of the specification, no crash, no leak."""

import asyncio
import gc
import json
import socket
import struct
import time
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from toxirig import Loop, Origin, call, echo, open_files, read_all, until

from galeproof.toxiproxy.embedded import EmbeddedServer

TYPES = ["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "noop",
         "reset_after", "stall_after", "forward_close", "nope"]
ATTRIBUTES = ["latency", "jitter", "rate", "delay", "timeout", "average_size", "size_variation", "bytes",
              "first_connections", "half_close", "reset"]
METHODS = ["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "BREW"]

name = st.one_of(st.sampled_from(["a", "b", "t"]), st.text(max_size=6))
scalar = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
                   st.sampled_from([0, 1, 5, 100, 1 << 31, 1 << 62, -(1 << 63)]))
tree = st.recursive(scalar, lambda inner: st.one_of(st.lists(inner, max_size=3),
                                                    st.dictionaries(st.text(max_size=5), inner, max_size=3)), max_leaves=6)
listen = st.one_of(st.sampled_from(["127.0.0.1:0", "127.0.0.1:0", "localhost:0", "", "[::1]:0", ":0"]), st.text(max_size=12))
number = st.one_of(st.integers(0, 2000), scalar)


def some(required, **fields):
    return st.fixed_dictionaries(required, optional=fields)


toxic = some({"type": st.sampled_from(TYPES)}, name=name, stream=st.sampled_from(["upstream", "downstream", "x"]),
             toxicity=st.one_of(st.floats(0, 1), scalar),
             attributes=st.dictionaries(st.sampled_from(ATTRIBUTES), number, max_size=3))
proxy = some({"name": name, "upstream": st.sampled_from(["UPSTREAM", "127.0.0.1:1", "nonsense", "[::1", ""])},
             listen=listen, enabled=st.booleans(), toxics=tree)
body = st.one_of(toxic, proxy, proxy, toxic, st.lists(proxy, max_size=3), tree).map(
    lambda value: json.dumps(value, ensure_ascii=True).encode())
part = name.map(lambda text: quote(text.encode("utf-8", "surrogatepass"), safe=""))
path = st.one_of(
    st.sampled_from(["/proxies", "/proxies", "/populate", "/reset", "/version", "/metrics"]),
    part.map("/proxies/{}".format), part.map("/proxies/{}".format),
    part.map("/proxies/{}/toxics".format), part.map("/proxies/{}/toxics".format),
    st.tuples(part, part).map(lambda parts: "/proxies/{}/toxics/{}".format(*parts)),
    st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=20).map(lambda text: "/" + text),
)
wild = st.tuples(st.sampled_from(METHODS), path, st.one_of(body, body, st.binary(max_size=30)))
likely = st.one_of(
    st.tuples(st.just("POST"), st.just("/proxies"), proxy.map(lambda value: json.dumps(value).encode())),
    st.tuples(st.just("POST"), st.just("/proxies/a/toxics"), toxic.map(lambda value: json.dumps(value).encode())),
    st.tuples(st.just("PATCH"), st.just("/proxies/a"), proxy.map(lambda value: json.dumps(value).encode())),
    st.tuples(st.just("PATCH"), st.just("/proxies/a/toxics/t"), toxic.map(lambda value: json.dumps(value).encode())),
)
junk = st.tuples(st.just(None), st.just(None), st.binary(min_size=1, max_size=200))
traffic = st.tuples(st.just("traffic"), st.sampled_from(["close", "reset", "wait"]), st.binary(max_size=3000))
steps = st.lists(st.one_of(wild, likely, likely, junk, traffic), min_size=1, max_size=12)


class Fuzzed:
    """A server, what it failed at, and what it had open at first."""

    def __init__(self):
        self.loop = Loop()
        self.failures = []
        self.loop.loop.set_exception_handler(lambda _, context: self.failures.append(context))
        self.server = EmbeddedServer(seed=1, proxy_metrics=True)
        self.loop.run(self.server.start())
        self.origin = Origin(echo)
        self.sock = None
        self.answers = 0
        self.clear()
        self.files = open_files()

    def step(self, method, path, body):
        if method == "traffic":
            self.traffic(path, body)
        elif method is None:
            self.send(body + b"\r\n\r\n", strict=False)
        else:
            body = body.replace(b"UPSTREAM", self.origin.address.encode())
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            self.send(head.encode("latin-1") + body, strict=True)

    def send(self, request, strict):
        host, port = self.server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            answer = read_all(sock)[0]
        if strict:
            assert answer.startswith(b"HTTP/1.1 "), (request, answer)
        if answer.startswith(b"HTTP/1.1 5"):
            said = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
            assert answer.startswith(b"HTTP/1.1 500") and said.startswith(("listen tcp", "address ", "lookup ")), answer
        self.answers += 1

    def traffic(self, end, data):
        for proxy in json.loads(call(self.server.url, "GET", "/proxies")[1]).values():
            if not proxy["enabled"]:
                continue
            host, _, port = proxy["listen"].rpartition(":")
            try:
                sock = socket.create_connection((host.strip("[]").replace("::", "::1"), int(port)), timeout=0.5)
            except OSError:
                continue
            with sock:
                try:
                    sock.sendall(data)
                    if end == "wait":
                        sock.settimeout(0.02)
                        sock.recv(5000)
                except OSError:
                    pass
                if end == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def clear(self):
        for found in json.loads(call(self.server.url, "GET", "/proxies")[1]):
            path = "/proxies/" + quote(found, safe="")
            if call(self.server.url, "DELETE", path)[0] != 204:  # no path leads to "a/b", or to "..": switch it off
                entry = [{"name": found, "upstream": "x", "listen": "127.0.0.1:0", "enabled": False}]
                call(self.server.url, "POST", "/populate", entry)

    def settled(self):
        """Nothing is open, and no task runs, but what was there at first."""
        gc.collect()
        tasks = [task for task in asyncio.all_tasks(self.loop.loop) if not task.done()]
        return not tasks and open_files() <= self.files + 2

    def close(self):
        self.loop.run(self.server.stop())
        self.origin.close()
        self.loop.close()


def fuzz(seconds, first):
    fuzzed, end, number = Fuzzed(), time.monotonic() + seconds, first
    try:
        while time.monotonic() < end:
            number += 1

            @seed(number)
            @given(sequence=steps)
            @settings(max_examples=100, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
                      suppress_health_check=list(HealthCheck))
            def once(sequence):
                fuzzed.clear()
                for step in sequence:
                    fuzzed.step(*step)
                assert [] == fuzzed.failures

            once()
        fuzzed.clear()
        assert until(fuzzed.settled), (asyncio.all_tasks(fuzzed.loop.loop), open_files(), fuzzed.files)
        assert (200, "{}") != call(fuzzed.server.url, "GET", "/version")[:2]
        return fuzzed.answers
    finally:
        fuzzed.close()


def test_junk_for_a_moment():
    """Some hundred generated sequences: nothing breaks, nothing is left open."""
    assert fuzz(2, first=0) > 300


@pytest.mark.full
def test_junk_for_five_minutes():
    """Five minutes of them."""
    answers = fuzz(300, first=1000)
    print(f"{answers} requests answered")
