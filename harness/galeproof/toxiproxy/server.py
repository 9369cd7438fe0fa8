"""The real Toxiproxy: find it, build it, run it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from galeproof.errors import EngineError

__all__ = ["VERSION", "RunningServer", "build_server", "cache_dir", "find_server", "install_server",
           "start_server", "version_of"]

VERSION = "2.12.0"

_PACKAGE = f"github.com/Shopify/toxiproxy/v2/cmd/server@v{VERSION}"
_VERSION_FLAG = f"-X github.com/Shopify/toxiproxy/v2.Version={VERSION}"
_OTHER_WAYS = (
    "put a toxiproxy-server on PATH, or give the URL of a running one (--engine http://HOST:8474), "
    "or run: docker compose -f docker-compose.toxiproxy.yml up -d"
)
_START_S = 5.0
_START_TRIES = 3
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A Toxiproxy that we started."""

    pid: int
    url: str
    process: asyncio.subprocess.Process

    async def stop(self) -> None:
        """Kill it by its process object and wait until it is gone."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        await self.process.wait()


def cache_dir() -> Path:
    """Where built servers are kept: ``galeproof/bin`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "galeproof" / "bin"


def find_server() -> str | None:
    """The path of toxiproxy-server: on PATH, else as we built it, else None."""
    found = shutil.which("toxiproxy-server")
    if found is not None:
        return found
    return shutil.which("toxiproxy-server", path=str(cache_dir()))


def version_of(path: str) -> str:
    """What version a server binary says it is.

    Raises:
        EngineError: It does not run, or says nothing like a version.
    """
    try:
        done = subprocess.run(
            [path, "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=10, check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{path} -version did not run: {error}") from None
    match = re.search(r"version (\S+)", done.stdout + done.stderr)
    if match is None:
        raise EngineError(f"{path} -version said no version")
    return match[1]


def build_server(go: str, target: Path | None = None) -> Path:
    """Build the pinned Toxiproxy with Go.

    Args:
        go: The path of the Go command.
        target: The folder to put ``toxiproxy-server`` in; by default `cache_dir`.

    Returns:
        The path of the binary.

    Raises:
        EngineError: Go failed; the message ends with what it said last.
    """
    folder = cache_dir() if target is None else target
    folder.mkdir(parents=True, exist_ok=True)
    # In the target's own folder, so that the rename is atomic.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".build-") as scratch:
        try:
            done = subprocess.run(
                [go, "install", "-ldflags", _VERSION_FLAG, _PACKAGE],
                env={**os.environ, "GOBIN": scratch}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=600, check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"{go} install did not run: {error}") from None
        built = Path(scratch) / "server"
        if done.returncode != 0 or not built.is_file():
            last = " ".join(done.stderr.split())[-300:]
            raise EngineError(f"go install {_PACKAGE} failed: {last}")
        final = folder / "toxiproxy-server"
        built.replace(final)
    return final


def install_server() -> Path:
    """Build the pinned Toxiproxy into `cache_dir`, unless it is there.

    Returns:
        The path of the binary.

    Raises:
        EngineError: Go is missing (the message names three other ways), it failed, or what it
            built is not the pinned version.
    """
    path = cache_dir() / "toxiproxy-server"
    with contextlib.suppress(EngineError):
        if path.is_file() and version_of(str(path)) == VERSION:
            return path
    go = shutil.which("go")
    if go is None:
        raise EngineError(f"Go is not on PATH, so Toxiproxy {VERSION} cannot be built; instead: "
                          f"{_OTHER_WAYS}; without any, the embedded engine is used")
    built = build_server(go)
    version = version_of(str(built))
    if version != VERSION:
        raise EngineError(f"{built} says that it is {version}, not {VERSION}")
    return built


async def start_server(path: str, log_path: Path) -> RunningServer:
    """Start a server on a free loopback port and wait until it answers.

    Args:
        path: The binary.
        log_path: Where its output goes.

    Raises:
        EngineError: It did not run, or did not answer within 5 s.
    """
    for _ in range(_START_TRIES - 1):
        with contextlib.suppress(_EndedAtOnceError):  # another took the port meanwhile
            return await _start_once(path, log_path)
    return await _start_once(path, log_path)


class _EndedAtOnceError(EngineError):
    """The server ended before it answered."""


async def _start_once(path: str, log_path: Path) -> RunningServer:
    port = _free_port()
    try:
        with log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                path, "-host", "127.0.0.1", "-port", str(port),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_parent(),
            )
    except OSError as error:
        raise EngineError(f"{path} did not start: {error}") from None
    server = RunningServer(process.pid, f"http://127.0.0.1:{port}", process)
    try:
        async with asyncio.timeout(_START_S):
            while not await _answers(port):
                if process.returncode is not None:
                    raise _EndedAtOnceError(
                        f"{path} ended at once ({process.returncode}); see {log_path}")
                await asyncio.sleep(0.01)
    except TimeoutError:
        await server.stop()
        raise EngineError(f"{path} did not answer within {_START_S:g} s; see {log_path}") from None
    except BaseException:
        await server.stop()
        raise
    return server


async def _answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return b'"version"' in await reader.read()
    except OSError:
        return False
    finally:
        writer.close()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _die_with_parent() -> Callable[[], None] | None:
    """On Linux, what makes the child die with the thread that started it."""
    if sys.platform != "linux":
        return None
    # Loaded before the fork: after it, only async-signal-safe work is sound.
    prctl = ctypes.CDLL(None).prctl

    def set_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return set_signal
