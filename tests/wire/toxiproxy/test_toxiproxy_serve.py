"""`galeproof toxiproxy serve` and `install`, as a process of their own; /metrics of both servers."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from toxirig import Origin, call, client, echo, exactly, serving, toxic, until

from galeproof.toxiproxy.control import ControlPlane
from galeproof.toxiproxy.server import find_server


def carried(url):
    """One lane, one connection of five bytes each way; the name of its proxy."""
    origin = Origin(echo)
    plane = ControlPlane(url)
    made = plane.create('m"1', origin.address)
    with client(made) as sock:
        sock.sendall(b"12345")
        exactly(sock, 5)
    origin.close()
    plane.close()


def metrics(url):
    status, body, headers = call(url, "GET", "/metrics")
    assert 200 == status
    assert 20 == len(headers["X-Toxiproxy-Request-Id"])
    return headers["Content-Type"], body


def plain(text):
    """Lines without ports."""
    return [re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line) for line in text.splitlines()]


@pytest.fixture
def real_metrics_url(tmp_path):
    """The real server with its metrics on."""
    path = find_server()
    if path is None:
        pytest.skip("the real Toxiproxy is not here (galeproof toxiproxy install): not compared with it")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([path, "-port", str(port), "-proxy-metrics"], stdout=log, stderr=log)

    def answers():
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    assert until(answers)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def test_metrics_are_the_real_ones_and_ours(real_metrics_url):
    """Content-Type, HELP, TYPE and series of Toxiproxy are equal; ours are added."""
    carried(real_metrics_url)
    assert until(lambda: "sent_bytes" in metrics(real_metrics_url)[1])
    time.sleep(0.05)
    theirs_type, theirs = metrics(real_metrics_url)
    with serving("--proxy-metrics") as (url, _):
        carried(url)
        assert until(lambda: 'direction="upstream"' in metrics(url)[1])
        ours_type, ours = metrics(url)
    assert theirs_type == ours_type
    mine = [line for line in plain(ours) if "galeproof_" not in line]
    assert plain(theirs) == mine
    labels = 'listener="ADDRESS",proxy="m\\"1",upstream="ADDRESS"'
    assert [
        "# HELP galeproof_proxy_connections_total Connections that clients opened.",
        "# TYPE galeproof_proxy_connections_total counter",
        f"galeproof_proxy_connections_total{{{labels}}} 1",
        "# HELP galeproof_proxy_open_connections Connections open now.",
        "# TYPE galeproof_proxy_open_connections gauge",
        f"galeproof_proxy_open_connections{{{labels}}} 0",
    ] == [line for line in plain(ours) if "galeproof_" in line]


def test_runtime_metrics():
    """They show this process; no proxy is shown without its own flag."""
    with serving("--runtime-metrics") as (url, process):
        carried(url)
        body = metrics(url)[1]
        found = int(re.search(r"^process_open_fds (\d+)$", body, re.MULTILINE)[1])
        assert abs(found - len(os.listdir(f"/proc/{process.pid}/fd"))) <= 2
        assert "toxiproxy_proxy" not in body


def test_no_metrics_unless_asked(url):
    """Without a flag the path does not exist."""
    assert (404, "404 page not found\n") == call(url, "GET", "/metrics")[:2]


def test_a_config_file_makes_proxies(tmp_path):
    """The file is a JSON array as for /populate."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps([{"name": "one", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"},
                                  {"name": "two", "upstream": "x", "enabled": False}]))
    with serving("--config", config) as (url, process):
        proxies = json.loads(call(url, "GET", "/proxies")[1])
        assert {"one": True, "two": False} == {name: proxy["enabled"] for name, proxy in proxies.items()}
        assert f"proxies of {config}: 2" in process.said


@pytest.mark.parametrize(("text", "words"), [(None, "cannot be read"), ("{", "is not good: bad request body"),
                                             ('[{"name":"x"}]', "missing required field: upstream at proxy 1")])
def test_a_bad_config_file_is_told_and_the_server_lives(tmp_path, text, words):
    """As the real one: it is logged, and the server starts."""
    config = tmp_path / "config.json"
    if text is not None:
        config.write_text(text)
    with serving("--config", config) as (url, process):
        assert words in process.said
        assert (200, "{}") == call(url, "GET", "/proxies")[:2]


def spared(seed, toxics):
    """Which of sixteen connections a toxic of half toxicity spared, and how late the others were."""
    with serving("--seed", seed) as (url, _):
        origin = Origin(echo)
        plane = ControlPlane(url)
        made = plane.create("seeded", origin.address, toxics=toxics)
        found = []
        for _ in range(16):
            with client(made) as sock:
                sock.sendall(b"x")
                sock.settimeout(0.08)
                try:
                    found.append(exactly(sock, 1))
                except TimeoutError:
                    found.append(None)
        origin.close()
        plane.close()
        return found


def test_a_seed_makes_chance_repeatable():
    """Same seed, same connections spared; another seed, others. The real server's seed does nothing."""
    toxics = [toxic("timeout", toxicity=0.5)]
    first = spared(7, toxics)
    assert first == spared(7, toxics)
    assert first != spared(8, toxics)
    assert {None, b"x"} == set(first)


def test_a_seed_is_drawn_and_told():
    """So that any run can be repeated."""
    with serving() as (_, process):
        assert re.search(r"seed \d+$", process.said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number):
    """It ends by itself, with status 0 and no open connection left."""
    origin = Origin(echo)
    with serving() as (url, process):
        plane = ControlPlane(url)
        with client(plane.create("p", origin.address)) as sock:
            sock.sendall(b"x")
            exactly(sock, 1)
            process.send_signal(number)
            assert 0 == process.wait(5)
            assert "Traceback" not in process.stderr.read()
            assert b"" == sock.recv(1)
        plane.close()
    origin.close()


def run(*arguments, **environment):
    return subprocess.run([sys.executable, "-m", "galeproof", "toxiproxy", *arguments], text=True, timeout=30,
                          capture_output=True, stdin=subprocess.DEVNULL, env={**os.environ, **environment})


def test_a_busy_port_is_one_line(embedded_url):
    """No traceback: what could not be had, in the system's words."""
    port = embedded_url.rsplit(":", 1)[1]
    done = run("serve", "--host=127.0.0.1", f"--port={port}")
    assert 2 == done.returncode
    assert (f"galeproof: the control API cannot listen: listen tcp 127.0.0.1:{port}: bind: "
            "address already in use\n") == done.stderr


def test_install_without_go_names_three_other_ways(tmp_path):
    """PATH, a URL, the compose file."""
    done = run("install", PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert 2 == done.returncode
    assert "Go is not on PATH" in done.stderr
    for way in ("toxiproxy-server on PATH", "--engine http://HOST:8474", "docker compose -f"):
        assert way in done.stderr


def test_install_keeps_what_is_there(tmp_path):
    """A server of the pinned version in the cache is not built again; its path is printed."""
    server = tmp_path / "galeproof" / "bin" / "toxiproxy-server"
    server.parent.mkdir(parents=True)
    server.write_text("#!/bin/sh\necho toxiproxy-server version 2.12.0\n")
    server.chmod(0o755)
    done = run("install", XDG_CACHE_HOME=str(tmp_path))
    assert (0, f"{server}\n", "") == (done.returncode, done.stdout, done.stderr)


def test_install_tells_what_go_said(tmp_path):
    """A build that fails ends with Go's last words, and leaves nothing behind."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text("#!/bin/sh\necho no network today >&2\nexit 1\n")
    go.chmod(0o755)
    done = run("install", PATH=f"{go.parent}:{os.environ['PATH']}", XDG_CACHE_HOME=str(tmp_path))
    assert 2 == done.returncode
    assert "no network today" in done.stderr
    assert [] == list((tmp_path / "galeproof" / "bin").iterdir())
