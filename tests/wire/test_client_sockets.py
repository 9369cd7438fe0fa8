"""The reference client on sockets, in threads and under kill -9."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

from galeproof.client import (
    BlockingPaymentsClient,
    ClientError,
    ClientSettings,
    DeadlineExceeded,
    Payment,
    Truncated,
)

PAYMENT = {
    "id": "p1", "amount": 500, "currency": "EUR", "status": "settled", "reference": "abc",
    "created_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


def get(made: BlockingPaymentsClient) -> Any:
    try:
        return made.get_payment("p1")
    except ClientError as error:
        return error


@contextmanager
def provider(*chunks: bytes, every_s: float = 0.0, hang: bool = False) -> Iterator[str]:
    """Serve every connection with these bytes, one each `every_s`."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(connection: socket.socket) -> None:
            with connection:
                connection.recv(65536)
                try:
                    for chunk in chunks:
                        connection.sendall(chunk)
                        over.wait(every_s)
                    over.wait(10 if hang else 0)
                except OSError:
                    pass

        def accept() -> None:
            while not over.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n"
DRIPS = {
    "body": (HEAD, *[b" "] * 100),
    "head": (b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n"] * 100),
    "interim": tuple([b"HTTP/1.1 102 Processing\r\n\r\n"] * 100),
}


@pytest.mark.parametrize("http", [httpx, httpx2])
@pytest.mark.parametrize("part", ["body", "head", "interim"])
def test_a_drip_ends_at_the_deadline(part: str, http: Any) -> None:
    """Each byte comes in time, and still the thread is free at its deadline."""
    with provider(*DRIPS[part], every_s=0.05) as url:
        settings = ClientSettings(base_url=url, api_key="k", read_timeout_s=0.3, deadline_s=0.5)
        with BlockingPaymentsClient(settings, http=http) as made:
            began_s = time.monotonic()
            result = get(made)
            took_s = time.monotonic() - began_s
    assert type(result) is DeadlineExceeded
    assert took_s < 1.0


@pytest.mark.parametrize("http", [httpx, httpx2])
def test_a_cut_body_is_truncated(http: Any) -> None:
    """A body that breaks off is an error after every attempt, on either library."""
    with provider(HEAD, b"{") as url:
        settings = ClientSettings(base_url=url, api_key="k", backoff_base_s=0.01, backoff_cap_s=0.01)
        with BlockingPaymentsClient(settings, http=http) as made:
            result = get(made)
    assert (type(result), result.attempts) == (Truncated, 3)
def test_threads_get_one_token_together() -> None:
    """Twenty threads without a token cause one token request."""
    tokens: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            tokens.append(1)
            time.sleep(0.05)
            return httpx.Response(200, json={"access_token": "t", "token_type": "bearer"})
        return httpx.Response(200, json=PAYMENT)

    oauth = {"token_url": "https://auth.example/token", "client_id": "us", "client_secret": "s"}
    settings = ClientSettings(base_url="https://pay.example", oauth=oauth)
    made = BlockingPaymentsClient(settings, transport=httpx.MockTransport(answer))
    with made, ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: get(made), range(20)))
    assert ({type(r) for r in results}, len(tokens)) == ({Payment}, 1)


def test_a_thread_that_waits_for_anothers_refresh_keeps_its_deadline() -> None:
    """A slow authority holds nobody beyond its own deadline."""
    asked, release = threading.Event(), threading.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.set()
        release.wait(5)
        return httpx.Response(200, json={"access_token": "t", "token_type": "bearer"})

    oauth = {"token_url": "https://auth.example/token", "client_id": "us", "client_secret": "s"}
    settings = ClientSettings(base_url="https://pay.example", oauth=oauth)
    made = BlockingPaymentsClient(settings, transport=httpx.MockTransport(answer))
    with made, ThreadPoolExecutor(1) as pool:
        pool.submit(get, made)
        asked.wait(5)
        began_s = time.monotonic()
        with pytest.raises(DeadlineExceeded) as caught:
            made.get_payment("p1", deadline_s=0.1)
        took_s = time.monotonic() - began_s
        release.set()
    assert (caught.value.attempts, caught.value.effect_unknown) == (0, False)
    assert took_s < 1.0


WORKER = """
import asyncio, os, signal, sys
from pathlib import Path
from galeproof.client import Outbox

folder, dies_at = Path(sys.argv[1]), sys.argv[2]

async def pay(payload, key):
    # the provider: an effect a key, however often it is asked
    (folder / f"effect-{key}").write_text(str(payload["n"]))
    if key == dies_at:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with Outbox(folder / "box.db", {"pay": pay}, lease_s=0.05, tries=5) as box:
        if dies_at == "put":
            for n in range(10):
                await box.put("pay", {"n": n}, key=f"k{n}")
            os.kill(os.getpid(), signal.SIGKILL)
        await box.drain()
        print(len(await box.waiting()), len(await box.dead_letter()), await box.forget_done())

asyncio.run(main())
"""


def test_the_queue_survives_kill_9(tmp_path: Path) -> None:
    """Killed after putting, and three times in mid-call: one effect for each entry, none lost."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "harness")}

    def work(dies_at: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WORKER, str(tmp_path), dies_at],
            capture_output=True, text=True, env=environment, timeout=60,
        )  # fmt: skip

    for dies_at in ("put", "k0", "k4", "k9"):
        assert work(dies_at).returncode == -signal.SIGKILL
    last = work("never")
    assert (last.stdout.split(), last.returncode) == (["0", "0", "10"], 0)
    effects = sorted(path.name for path in tmp_path.glob("effect-*"))
    assert effects == sorted(f"effect-k{n}" for n in range(10))
