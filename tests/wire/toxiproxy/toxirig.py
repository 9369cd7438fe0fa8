"""What the Toxiproxy tests share: servers on a loop of their own, raw calls, scripted origins."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from galeproof.toxiproxy.control import ControlPlane


class Loop:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def call(url, method, path, body=None, agent="test"):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"User-Agent": agent}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


class Origin:
    """Runs a script in a thread for each connection."""

    def __init__(self, script):
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self.sock.getsockname()[1]}"
        self.ends = []
        self.script = script
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        # close() alone would leave the accepting thread in its call, and the port open
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        sock.settimeout(10)
        with sock:
            try:
                self.script(self, sock)
            except OSError as error:
                self.ends.append(type(error).__name__)


def echo(origin, sock):
    while data := sock.recv(65536):
        sock.sendall(data)
    origin.ends.append("FIN")


def sends(total):
    def script(origin, sock):
        sock.sendall(bytes(i % 251 for i in range(total)))

    return script


def sink(origin, sock):
    count = 0
    try:
        while data := sock.recv(65536):
            count += len(data)
    finally:
        origin.ends.append(count)


@contextlib.contextmanager
def client(made):
    with socket.create_connection((made.host, made.port), timeout=10) as sock:
        yield sock


def read_all(sock):
    """What arrived, and how it ended."""
    got = bytearray()
    try:
        while data := sock.recv(65536):
            got += data
    except ConnectionResetError:
        return bytes(got), "RST"
    return bytes(got), "FIN"


def exactly(sock, count):
    got = bytearray()
    while len(got) < count:
        data = sock.recv(count - len(got))
        if not data:
            break
        got += data
    return bytes(got)


def toxic(type, stream="downstream", toxicity=1.0, **attributes):
    return {"type": type, "stream": stream, "toxicity": toxicity, "attributes": attributes}


def until(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


class Lanes:
    """Called with a script, opens a lane to an origin that runs it."""

    def __init__(self, url):
        self.url, self.plane, self.origins, self.number = url, ControlPlane(url), [], 0

    def __call__(self, script, toxics=()):
        origin = Origin(script)
        self.origins.append(origin)
        self.number += 1
        return origin, self.plane.create(f"t-{self.number}", origin.address, toxics=toxics)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.plane.delete_prefix("t-")
        self.plane.close()
        for origin in self.origins:
            origin.close()


@contextlib.contextmanager
def serving(*options):
    """`galeproof toxiproxy serve` in a process of its own; yields its URL and the process."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "galeproof", "toxiproxy", "serve", f"--port={port}", *map(str, options)],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if "listening on" in line:
                break
        else:
            raise AssertionError(f"did not start: {said}")
        process.said = "".join(said)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()


def open_files(pid=None):
    """How many file descriptors a process has."""
    return len(os.listdir(f"/proc/{pid or os.getpid()}/fd"))


def raw(url, request):
    """Send bytes to the control API; what came back until it closed."""
    host, port = url.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(request)
        return read_all(sock)[0]
