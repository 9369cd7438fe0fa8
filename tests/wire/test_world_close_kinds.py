"""What a plain socket client sees at the tap, over both engines."""

import socket

import pytest

from galeproof.toxiproxy.control import ControlPlane
from galeproof.toxiproxy.server import find_server
from galeproof.world import start_world

REF = "gabcdefghijklmno"


@pytest.fixture(scope="module", params=["embedded", "toxiproxy"])
def process(request):
    if request.param == "toxiproxy" and not find_server():
        pytest.skip("no toxiproxy-server on PATH")
    process = start_world(request.param)
    yield process
    process.close()


@pytest.fixture
def world(process):
    run = process.open_run()
    yield run
    run.close()


@pytest.fixture
def storm(process, world):
    plane = ControlPlane(process.engine_url)
    made = []

    def begin(*steps, lanes=None, closing=()):
        ports = {}
        for name, toxics in {"clean": [], **(lanes or {})}.items():
            made.append(f"gale-test-{name}")
            ports[name] = plane.create(
                made[-1], f"127.0.0.1:{world.origin_port}", toxics=toxics).port
        schedule = [
            {"first": n, "last": None if n == len(steps) else n, "word": "x", "lane": "clean",
             "answer": {}, "cut": None, **step}
            for n, step in enumerate(steps, 1)
        ]
        world.events.clear()
        world.call("begin", refs={REF: {"amount": 5}}, schedule=schedule, lanes=ports,
                   closing=list(closing), key_where="Idempotency-Key", seed=1, deduplicate=True,
                   routes={})

    yield begin
    world.call("end")
    for name in made:
        plane.delete(name)


def ask(port):
    """Send one request; return the body's size and the close kind seen."""
    request = (f"POST /payments/{REF} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               "Content-Length: 2\r\n\r\n{}").encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(request)
        got = b""
        try:
            while data := sock.recv(65536):
                got += data
            kind = "fin"
        except ConnectionResetError:
            kind = "rst"
    return len(got.partition(b"\r\n\r\n")[2]), kind


def cut(kind, at, size=None):
    return {"cut": {"kind": kind, "at": at, "bytes": size}}


@pytest.mark.parametrize("kind", ["rst", "fin"])
@pytest.mark.parametrize(
    ("at", "size", "effects"),
    [("request", None, 0), ("effect", None, 1), ("headers", None, 1), ("body", 500, 1),
     ("body", 1_000_000, 1)],
)
def test_each_cut_arrives_as_planned_after_exactly_its_bytes(world, storm, kind, at, size, effects):
    """RST arrives as RST and FIN as FIN, with the effect applied or not as the step says."""
    storm(cut(kind, at, size))
    assert (size or 0, kind) == ask(world.port)
    world.call("end")
    closes = [e[6] for e in world.events if e[3] == "close"]
    assert [(kind, kind)] == [(c["planned"], c["done"]) for c in closes]
    assert effects == sum(e[3] == "effect" for e in world.events)
    assert [e[6] for e in world.events if e[3] == "fault_unplanned"] == []


def test_three_attempts_ride_three_lanes_and_no_toxic_changes_in_mid_run(world, storm):
    """Latency, a reset by the lane, then calm; byte counts on both sides agree."""
    latency = {"type": "latency", "stream": "downstream", "attributes": {"latency": 200}}
    reset = {"type": "reset_peer", "stream": "downstream", "attributes": {"timeout": 0}}
    storm({"lane": "slow", "answer": {"status": 503}}, {"lane": "reset"}, {},
          lanes={"slow": [latency], "reset": [reset]}, closing=["reset"])
    seen = [ask(world.port) for _ in range(3)]
    world.call("end")
    heads = [e for e in world.events if e[3] == "head"]
    assert [kind for _, kind in seen] == ["fin", "rst", "fin"]
    assert [e[6]["lane"] for e in heads] == ["slow", "reset", "clean"]
    reads = {e[6]["x"]: e[6] for e in world.events if e[3] == "read"}
    answered = {e[6]["x"]: e[6] for e in world.events if e[3] == "answered"}
    lanes = {e[6]["lane"]: e[6] for e in world.events if e[3] == "lane_closed"}
    for name in ("slow", "clean"):  # the tap's socket and the origin's count the same bytes
        lane = lanes[name]
        assert lane["up"] == reads[lane["x"]]["head"] + reads[lane["x"]]["n"]
        assert lane["down"] == answered[lane["x"]]["total"] > 0
    assert (lanes["reset"]["planned"], lanes["reset"]["down"]) == (True, 0)  # the toxic ate it
    first_answer = next(e for e in world.events if e[3] == "answer")
    assert first_answer[1] - heads[0][0] >= 200e6


def test_two_busy_answers_then_success_on_one_lane(world, storm):
    """503, 503, 200: one lane, three attempts, the third succeeds."""
    storm({"answer": {"status": 503}}, {"answer": {"status": 503}}, {})
    for _ in range(3):
        ask(world.port)
    world.call("end")
    answers = [e[6]["status"] for e in world.events if e[3] == "answer" and "status" in e[6]]
    assert answers == [503, 503, 200]
    assert {"clean"} == {e[6]["lane"] for e in world.events if e[3] == "head"}


def test_a_refused_port_refuses_and_then_listens_again(world, storm):
    """The first attempt of the named operation is refused, the second is served."""
    storm({"cut": {"kind": "refuse", "at": None, "bytes": None}}, {})
    world.call("operation", ref=REF)
    with pytest.raises(ConnectionRefusedError):
        ask(world.port)
    for _ in range(400):
        try:
            size, kind = ask(world.port)
            break
        except ConnectionRefusedError:
            continue
    assert kind == "fin" and size > 0
    world.call("end")
    assert sum(e[3] == "refused" for e in world.events) == 1


def test_a_reset_on_accept_comes_before_any_byte(world, storm):
    """The connection is reset with nothing read; the next one is served."""
    storm(cut("rst", "accept"), {})
    world.call("operation", ref=REF)
    first = None
    try:
        first = ask(world.port)
    except (ConnectionResetError, BrokenPipeError):
        first = (0, "rst")
    assert first == (0, "rst")
    assert ask(world.port)[1] == "fin"
    world.call("end")
    assert sum(e[3] == "head" for e in world.events) == 1


def test_a_refusal_that_outlives_its_operation_leaves_the_port_open(world, storm):
    """A client that gives up at once ends the run; the next connection is served."""
    refuse = {"cut": {"kind": "refuse", "at": None, "bytes": None}}
    storm(refuse, {})
    for _ in range(3):
        world.call("operation", ref=REF)
        world.call("operation", ref=None)
    world.call("operation", ref=REF)
    world.call("end")
    assert "fin" == ask(world.port)[1]


def test_runs_side_by_side_know_nothing_of_each_other(process, world, storm):
    """A second run on the same world has ports, attempts and events of its own."""
    storm({"answer": {"status": 503}}, {})
    ask(world.port)
    other = process.open_run()
    try:
        assert {world.port, world.origin_port}.isdisjoint({other.port, other.origin_port})
        other.call("end")
        assert [] == [e for e in other.events if e[3] != "lag"]
        ask(world.port)
    finally:
        other.close()
    world.call("end")
    answers = [e[6]["status"] for e in world.events if e[3] == "answer" and "status" in e[6]]
    assert [503, 200] == answers
    with pytest.raises(ConnectionRefusedError):
        ask(other.port)
