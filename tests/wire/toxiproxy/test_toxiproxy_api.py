"""The control API answers alike: embedded and real."""

import json
import socket

import pytest
from toxirig import call, client, echo, raw, read_all, toxic


def test_version(url):
    """The version ends with a newline and has a space after its colon."""
    status, body, headers = call(url, "GET", "/version")
    assert (status, body) == (200, '{"version": "2.12.0"}\n')
    assert headers["Content-Type"] == "application/json;charset=utf-8"
    assert len(headers["X-Toxiproxy-Request-Id"]) == 20


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/nowhere", None, 404, "404 page not found\n"),
        ("GET", "/proxies/", None, 404, "404 page not found\n"),
        ("PUT", "/proxies", b"{}", 405, ""),
        ("GET", "/proxies/x", None, 404, '{"error":"proxy not found","status":404}\n'),
        ("POST", "/proxies", b"{}", 400, '{"error":"missing required field: name","status":400}\n'),
        ("POST", "/proxies", b'{"name":"a"}', 400,
         '{"error":"missing required field: upstream","status":400}\n'),
        ("POST", "/proxies", b"", 400, '{"error":"bad request body: EOF","status":400}\n'),
        ("POST", "/proxies", b'{"name":', 400,
         '{"error":"bad request body: unexpected EOF","status":400}\n'),
        ("POST", "/proxies", b'{"name":"a","upstream":"b","listen":"localhost"}', 500,
         '{"error":"listen tcp: address localhost: missing port in address","status":500}\n'),
        ("POST", "/populate", b"[]", 201, '{"proxies":null}'),
        ("POST", "/populate", b'[{"name":"a","upstream":"b"},{"upstream":"b"}]', 400,
         '{"error":"missing required field: name at proxy 2","status":400,"proxies":null}'),
    ],
)  # fmt: skip
def test_answers(url, method, path, body, status, text):
    """Status and body are the specification's."""
    assert call(url, method, path, body)[:2] == (status, text)


def test_browsers_are_refused(url):
    """A browser's User-Agent gets 403."""
    assert call(url, "GET", "/proxies", agent="Mozilla/5")[:2] == (403, "User agent not allowed\n")


def test_proxy_life(url):
    """A proxy is made, shown, refused twice, disabled, enabled on its port, deleted."""
    wanted = {"NAME": "life<", "upstream": "nonsense", "listen": "localhost:0"}
    status, body, _ = call(url, "POST", "/proxies", wanted)
    listen = json.loads(body)["listen"]
    assert status == 201
    assert body == (
        f'{{"name":"life\\u003c","listen":"{listen}","upstream":"nonsense","enabled":true,'
        '"Logger":{},"toxics":[]}'
    )
    assert listen.startswith("127.0.0.1:")
    path = "/proxies/life%3C"
    assert call(url, "POST", "/proxies", wanted)[0] == 409
    assert call(url, "GET", path)[:2] == (200, body)
    assert json.loads(call(url, "PATCH", path, {"enabled": False})[1])["enabled"] is False
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(listen.split(":")[1])))
    assert json.loads(call(url, "POST", path, {"enabled": True})[1])["listen"] == listen
    taken = {"name": "other", "upstream": "x", "listen": listen}
    text = f"listen tcp {listen}: bind: address already in use"
    assert json.loads(call(url, "POST", "/proxies", taken)[1])["error"] == text
    assert call(url, "DELETE", path)[:2] == (204, "")
    assert call(url, "DELETE", path)[0] == 404


def test_toxic_life(url):
    """A toxic is made, listed, changed key by key and deleted; errors come in order."""
    call(url, "POST", "/proxies", {"name": "tl", "upstream": "x", "listen": "127.0.0.1:0"})
    path = "/proxies/tl/toxics"
    made = {"type": "latency", "stream": "UPSTREAM", "toxicity": 0.3, "attributes": {"latency": 9}}
    text = (
        '{"attributes":{"latency":9,"jitter":0},"name":"latency_UPSTREAM","type":"latency",'
        '"stream":"UPSTREAM","toxicity":0.3}'
    )
    status, body, _ = call(url, "POST", path, made)
    assert (status, json.loads(body)) == (200, json.loads(text))
    assert body == text
    assert call(url, "POST", path, made)[0] == 409
    invalid = json.loads(call(url, "POST", path, {"type": "nope"})[1])
    assert invalid == {"error": "invalid toxic type", "status": 400}
    stream = json.loads(call(url, "POST", path, {"type": "nope", "stream": ""})[1])
    assert stream["error"] == "stream was invalid, can be either upstream or downstream"
    fraction = {"type": "timeout", "attributes": {"timeout": 1.5}}
    assert call(url, "POST", path, fraction)[0] == 400
    assert call(url, "POST", path, {"type": "noop"})[0] == 200
    one = f"{path}/latency_UPSTREAM"
    patched = json.loads(call(url, "PATCH", one, {"attributes": {"jitter": 3}, "toxicity": 1})[1])
    assert (patched["attributes"], patched["toxicity"]) == ({"latency": 9, "jitter": 3}, 1)
    assert call(url, "GET", one)[1].endswith('"toxicity":1}')
    assert [t["type"] for t in json.loads(call(url, "GET", path)[1])] == ["latency", "noop"]
    assert call(url, "DELETE", one)[0] == 204
    assert call(url, "DELETE", one)[1] == '{"error":"toxic not found","status":404}\n'
    call(url, "DELETE", "/proxies/tl")


def test_populate_keeps_equal_ones(url, lane):
    """Populate leaves an equal proxy and its toxics alone, and replaces a differing one."""
    origin, made = lane(echo, [toxic("noop")])
    entry = {"name": made.name, "listen": f"127.0.0.1:{made.port}", "upstream": origin.address}
    same = json.loads(call(url, "POST", "/populate", [entry])[1])["proxies"][0]
    assert [t["type"] for t in same["toxics"]] == ["noop"]
    entry["upstream"] = "other:1"
    assert json.loads(call(url, "POST", "/populate", [entry])[1])["proxies"][0]["toxics"] == []


def asked(url, line, *headers):
    """The answer to a raw request."""
    head = b"\r\n".join((line + b" HTTP/1.1", b"Host: localhost", *headers, b"Connection: close"))
    return raw(url, head + b"\r\n\r\n")


def test_a_name_may_stand_raw_in_a_path(url):
    """curl does not escape what is not ASCII; the proxy is found all the same, on a kept connection too."""
    call(url, "POST", "/proxies", {"name": "r\u00fcck", "upstream": "x:1", "enabled": False})
    line = "GET /proxies/r\u00fcck".encode()
    kept = line + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        for _ in range(2):
            sock.sendall(kept[:15])  # in the midst of a letter
            sock.sendall(kept[15:])
            assert b"200" == sock.recv(65536).split()[1]
    assert b"204" == asked(url, "DELETE /proxies/r\u00fcck".encode()).split()[1]
    assert b"404" == asked(url, b"GET /proxies/\xfc").split()[1]


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (b"OPTIONS *", (), b"200"),
        (b"GET *", (), b"301"),
        (b"GET /version", (b"Expect: pony",), b"417"),
        (b"GET /version", (b"User-Agent: curl", b"User-Agent: Mozilla/5"), b"200"),
        (b"GET /version", (b"User-Agent: Mozilla/5", b"User-Agent: curl"), b"403"),
    ],
)
def test_rare_requests(url, line, headers, status):
    """The server as a whole, an expectation that none can meet, a header that comes twice."""
    assert status == asked(url, line, *headers).split()[1]


@pytest.mark.parametrize("host", ["127.1", "0", "127.0.0.01", "0x7f.0.0.1"])
def test_old_forms_of_an_address_are_no_addresses(url, lane, host):
    """Go knows none of them: no proxy listens there, and none reaches an upstream there."""
    status, body, _ = call(url, "POST", "/proxies", {"name": "old", "listen": f"{host}:0", "upstream": "x:1"})
    assert 500 == status
    assert json.loads(body)["error"].startswith(f"listen tcp: lookup {host}")
    origin, _ = lane(echo)
    made = lane.plane.create("t-old", f"{host}:{origin.address.rpartition(':')[2]}")
    with client(made) as sock:
        assert (b"", "FIN") == read_all(sock)


def test_a_mapped_address_is_the_ipv4_one(url):
    """Listening on ::ffff:127.0.0.1 is listening on 127.0.0.1."""
    made = call(url, "POST", "/proxies", {"name": "mapped", "listen": "[::ffff:127.0.0.1]:0", "upstream": "x:1"})
    assert "127.0.0.1" == json.loads(made[1])["listen"].rpartition(":")[0]
    call(url, "DELETE", "/proxies/mapped")
