"""The second origin, TLS, stalled handshakes and what an answer may be spoilt with, on sockets."""

import base64
import gzip
import http.client
import json
import socket
import ssl
from urllib.parse import urlsplit

import pytest

from galeproof.toxiproxy.control import ControlPlane
from galeproof.world import start_world

REF = "gabcdefghijklmno"


@pytest.fixture(scope="module")
def process():
    process = start_world("embedded")
    yield process
    process.close()


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def room(process, request):
    run = process.open_run(tls=request.param)
    yield run
    run.close()


def begin(process, room, **step):
    """Make the clean lane and begin a run of one step; return the plane's name to delete."""
    plane = ControlPlane(process.engine_url)
    name = f"gale-origins-{room.number}"
    port = plane.create(name, f"127.0.0.1:{room.origin_port}").port
    room.events.clear()
    schedule = [{"first": 1, "last": None, "word": "x", "lane": "clean", "answer": {}, "cut": None, **step}]
    room.call("begin", refs={REF: {"amount": 5}}, schedule=schedule, lanes={"clean": port}, closing=[],
              key_where="Idempotency-Key", seed=1, deduplicate=True, routes={})
    return plane, name


def ask(room, base_url, headers=None):
    """GET the reference's path at an origin; the answer, its body read."""
    at = urlsplit(base_url)
    trust = ssl.create_default_context(cadata=room.trust) if at.scheme == "https" else None
    link = (http.client.HTTPSConnection(at.netloc, context=trust, timeout=3) if trust
            else http.client.HTTPConnection(at.netloc, timeout=3))
    link.request("GET", f"/payments/{REF}", headers=headers or {})
    answer = link.getresponse()
    answer.all = answer.read()
    link.close()
    return answer


def test_every_origin_answers_and_says_which_it_is(process, room):
    """Requests on the other origin are recorded with its name, on the first without one."""
    plane, name = begin(process, room)
    try:
        for place in sorted(room.places):
            assert 200 == ask(room, room.places[place]).status
        told = room.call("end")
    finally:
        plane.delete(name)
    seen = [e[6].get("origin") for e in room.events if e[3] == "head"]
    assert {"first": None, "other": "other", "other_host": "other", "plain": "plain"} == (
        dict(zip(sorted(room.places), seen, strict=True)) | ({} if room.trust else {"plain": "plain"}))
    assert told["effects"] == 0


def test_a_redirect_leads_to_the_same_target_elsewhere(process, room):
    """`other` is another port, `other_host` another name."""
    for place in ("other", "other_host"):
        plane, name = begin(process, room, answer={"status": 302, "location": place})
        try:
            location = ask(room, room.base_url).headers["Location"]
            room.call("end")
        finally:
            plane.delete(name)
        assert f"{room.places[place]}/payments/{REF}" == location


def test_the_authority_is_trusted_by_its_certificate_only(process, room):
    """Over TLS with ALPN http/1.1; who does not know the authority refuses it."""
    if room.trust is None:
        assert room.base_url.startswith("http://")
        return
    at = urlsplit(room.base_url)
    trust = ssl.create_default_context(cadata=room.trust)
    trust.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection((at.hostname, at.port), 3) as raw, \
            trust.wrap_socket(raw, server_hostname=at.hostname) as sock:
        assert "http/1.1" == sock.selected_alpn_protocol()
    with socket.create_connection((at.hostname, at.port), 3) as raw, \
            pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context(cafile=ssl.get_default_verify_paths().cafile).wrap_socket(
            raw, server_hostname=at.hostname)


@pytest.mark.parametrize("kind", ["tls stall", "tls drip"])
def test_a_handshake_stalls_for_one_operation(process, kind):
    """No ServerHello comes, or a part of it; afterwards the port shakes hands again."""
    room = process.open_run(tls=True)
    plane, name = begin(process, room, cut={"kind": kind, "at": None, "bytes": None})
    at = urlsplit(room.base_url)
    try:
        room.call("operation", ref=REF)
        with socket.create_connection((at.hostname, at.port), 3) as raw:
            raw.sendall(b"\x16\x03\x01\x00\x05hello")
            raw.settimeout(0.3)
            try:
                came = raw.recv(100)
            except TimeoutError:
                came = b""
        assert (b"\x16" if kind == "tls drip" else b"") == came[:1]
        room.call("operation", ref=None)
        assert 200 == ask(room, room.base_url).status
        room.call("end")
    finally:
        plane.delete(name)
        room.close()
    stalls = [e[6] for e in room.events if e[3] == "tls_stall"]
    assert [{"accepted": 1, "hellos": 1}] == stalls


def test_gzip_is_for_those_who_take_it(process, room):
    """Framed by gzip only where it was asked for; a bomb comes unasked."""
    plane, name = begin(process, room, answer={"framing": "gzip"})
    try:
        plain, packed = ask(room, room.base_url), ask(room, room.base_url, {"Accept-Encoding": "gzip"})
        room.call("end")
    finally:
        plane.delete(name)
    assert (None, "gzip") == (plain.headers["Content-Encoding"], packed.headers["Content-Encoding"])
    assert json.loads(plain.all) | {"created_at": 0} == json.loads(gzip.decompress(packed.all)) | {
        "created_at": 0}


def test_chunks_end_and_a_cut_leaves_the_last_out(process, room):
    """http.client reads a whole chunked answer, and knows a broken one."""
    for cut, broken in [(None, False), ({"kind": "fin", "at": "body", "bytes": 20}, True)]:
        plane, name = begin(process, room, answer={"framing": "chunked"}, cut=cut)
        try:
            if broken:
                with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                    ask(room, room.base_url)
            else:
                assert REF == json.loads(ask(room, room.base_url).all)["id"]
            room.call("end")
        finally:
            plane.delete(name)


def test_a_kept_connection_answers_every_request(process, room):
    """Forty uploads, one after another on one connection: the tap never stops reading what comes back."""
    plane, name = begin(process, room)
    at = urlsplit(room.base_url)
    trust = ssl.create_default_context(cadata=room.trust) if room.trust else None
    link = (http.client.HTTPSConnection(at.netloc, context=trust, timeout=5) if trust
            else http.client.HTTPConnection(at.netloc, timeout=5))
    try:
        statuses = []
        for number in range(40):
            link.request("POST", f"/payments/{REF}", body=b"x" * (number * 1000))
            answer = link.getresponse()
            answer.read()
            statuses.append(answer.status)
        room.call("end")
    finally:
        link.close()
        plane.delete(name)
    assert [200] * 40 == statuses


def test_a_rotated_secret_is_refused_wherever_a_head_has_it(process, room):
    """As it is and in Basic; another one is welcome."""
    plane, name = begin(process, room)
    coded = base64.b64encode(b"user:old-secret").decode()
    try:
        room.call("rotate", old="old-secret")
        said = [ask(room, room.base_url, {"Authorization": value}).status
                for value in ("Bearer old-secret", f"Basic {coded}", "Bearer new-secret")]
        room.call("end")
    finally:
        plane.delete(name)
    assert [401, 401, 200] == said
