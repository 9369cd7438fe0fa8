"""Many chunks, many connections, changes all the time: nothing lost, nothing out of order."""

import asyncio
import contextlib
import json
import random
import resource
import threading
import time

import pytest
from toxirig import Lanes, call, client, echo, serving, toxic, until

CHUNKS = 65_535
HARMLESS = [
    toxic("latency", latency=2, jitter=2), toxic("bandwidth", rate=50_000), toxic("slow_close", delay=5),
    toxic("slicer", average_size=300, size_variation=100, delay=5), toxic("limit_data", bytes=1 << 40),
    toxic("noop"), toxic("stall_after", bytes=1 << 40), toxic("forward_close", half_close=1),
]


@pytest.fixture(scope="module")
def served():
    """The server in a process of its own: here it would wait for this process's busy threads."""
    with serving("--seed", 1) as (url, _):
        yield url


@pytest.fixture
def far_lane(served):
    """Opens lanes on it."""
    with Lanes(served) as lanes:
        yield lanes


def numbers(origin, sock):
    """Sends 65,535 numbered chunks of 16 bytes, one write each, over about a second."""
    for number in range(CHUNKS):
        sock.sendall(b"%016d" % number)
        if number % 128 == 0:
            time.sleep(0.001)


@pytest.mark.parametrize("changing", [
    toxic("latency", latency=3, jitter=3),
    toxic("slicer", average_size=700, size_variation=300, delay=10),
    toxic("bandwidth", rate=20_000),
    toxic("stall_after", bytes=100),
], ids=lambda given: given["type"])
def test_numbered_chunks_arrive_whole_and_in_order(far_lane, changing):
    """While a toxic is added, changed and removed all the time."""
    _, made = far_lane(numbers, [toxic("latency", latency=1)])
    path, over, rounds = f"/proxies/{made.name}/toxics", threading.Event(), []

    def change():
        while not over.is_set():
            statuses = [call(far_lane.url, "POST", path, {**changing, "name": "t"})[0],
                        call(far_lane.url, "PATCH", path + "/t", {"attributes": changing["attributes"]})[0],
                        call(far_lane.url, "DELETE", path + "/t")[0]]
            rounds.append(statuses)

    thread = threading.Thread(target=change)
    thread.start()
    got = bytearray()
    try:
        with client(made) as sock:
            while data := sock.recv(20_000):
                got += data
    finally:
        over.set()
        thread.join()
    assert bytes(got) == b"".join(b"%016d" % number for number in range(CHUNKS))
    assert [200, 200, 204] == max(rounds) == min(rounds)
    assert len(rounds) > 10


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 9))])
def test_a_changing_chain_loses_nothing(far_lane, seed):
    """Numbered chunks come back whole through chains of both directions that change at random."""
    _, made = far_lane(echo)
    path, over, dice, statuses = f"/proxies/{made.name}/toxics", threading.Event(), random.Random(seed), set()

    def change():
        names = []
        while not over.is_set():
            if len(names) < 3 or (len(names) < 8 and dice.random() < 0.5):
                names.append(f"t{dice.random()}")
                wanted = {**dice.choice(HARMLESS), "name": names[-1], "stream": dice.choice(("upstream", "downstream")),
                          "toxicity": dice.choice((1, 0.5))}
                statuses.add(call(far_lane.url, "POST", path, wanted)[0])
            elif dice.random() < 0.5:
                body = {"toxicity": dice.choice((1, 0.3))}
                statuses.add(call(far_lane.url, "PATCH", f"{path}/{dice.choice(names)}", body)[0])
            else:
                name = names.pop(dice.randrange(len(names)))
                statuses.add(call(far_lane.url, "DELETE", f"{path}/{name}")[0])
        for name in names:
            call(far_lane.url, "DELETE", f"{path}/{name}")

    changer = threading.Thread(target=change)
    with client(made) as sock:
        sender = threading.Thread(target=numbers, args=(None, sock))
        changer.start()
        sender.start()
        got = bytearray()
        try:
            while len(got) < CHUNKS * 16 and (data := sock.recv(20_000)):
                got += data
        finally:
            over.set()
            sender.join()
            changer.join()
    assert bytes(got) == b"".join(b"%016d" % number for number in range(CHUNKS))
    assert {200, 204} == statuses


def test_a_thousand_connections(own_lane):
    """Each gets its own bytes back, through a toxic and without; none is left open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 6000:
        pytest.skip(f"6000 file descriptors are needed here, {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 6000), hard))

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def one(port, number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = b"%06d" % number * 500
        await gate.wait()
        writer.write(sent)
        got = await reader.readexactly(len(sent))
        writer.close()
        return got == sent

    gate = asyncio.Event()

    async def all_of_them():
        origin = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=2048)
        made = own_lane.plane.create("t-thousand", f"127.0.0.1:{origin.sockets[0].getsockname()[1]}")
        tasks = [asyncio.create_task(one(made.port, number)) for number in range(1000)]
        path = "/proxies/t-thousand"

        def opened():
            return json.loads(call(own_lane.url, "GET", path + "?traffic=true")[1])["traffic"]["open"]

        while await asyncio.to_thread(opened) < 1000:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(call, own_lane.url, "POST", path + "/toxics", toxic("latency", latency=20))
        gate.set()
        found = await asyncio.gather(*tasks)
        assert await asyncio.to_thread(until, lambda: opened() == 0)
        origin.close()
        return found

    assert [True] * 1000 == asyncio.run(all_of_them())


def test_bulk_through_the_kernel_is_whole(own_lane):
    """Many megabytes both ways at once, fast and slow readers: what splice moves is what was sent."""
    block = bytes(range(256)) * 4096

    def both_ways(origin, sock):
        sender = threading.Thread(target=lambda: [sock.sendall(block) for _ in range(32)])
        sender.start()
        echo_length = 0
        while echo_length < 32 * len(block):
            data = sock.recv(1 << 20)
            assert data == (block + block)[echo_length % 256 :][: len(data)]
            echo_length += len(data)
        sender.join()
        origin.ends.append(echo_length)

    origin, made = own_lane(both_ways)
    with client(made) as sock:
        sender = threading.Thread(target=lambda: [sock.sendall(block) for _ in range(32)])
        sender.start()
        got = 0
        while got < 32 * len(block):
            data = sock.recv(1 << 20 if got % 3 else 5000)
            assert data == (block + block)[got % 256 :][: len(data)]
            got += len(data)
        sender.join()
        assert until(lambda: origin.ends == [32 * len(block)])


