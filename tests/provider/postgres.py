"""A private PostgreSQL server in a temporary folder, on a Unix socket only."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Postgres", "binaries", "private_postgres"]


def binaries() -> Path | None:
    """Return the folder of initdb and pg_ctl: on PATH, or where distributions put them."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((p for p in places if (p / "initdb").exists() and (p / "pg_ctl").exists()), None)


class Postgres:
    """A running server; its one database is emptied for each test."""

    def __init__(self, socket_folder: Path, user: str) -> None:
        self._folder, self._user = socket_folder, user

    def database(self) -> str:
        """Empty the database, whoever still holds it, and return its URL."""
        import psycopg

        place = f"host={self._folder} user={self._user} dbname=postgres"
        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = 'postgres'")
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return f"postgresql://{self._user}@/postgres?host={self._folder}"


@contextmanager
def private_postgres(bin_folder: Path) -> Iterator[Postgres]:
    """Run a server of our own until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="gale-pg-"))
    user, options = _unprivileged(folder)
    data = folder / "data"
    try:
        with (folder / "log").open("ab") as log:
            quiet = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL, "cwd": folder, **options}
            subprocess.run(
                [bin_folder / "initdb", "-D", data, "-U", user, "-A", "trust", "-E", "UTF8", "--no-sync",
                 "--no-locale"], check=True, timeout=120, **quiet)
            server = subprocess.Popen(
                [bin_folder / "postgres", "-D", data, "-c", "listen_addresses=", "-c",
                 f"unix_socket_directories={folder}", "-c", "max_connections=200", "-c", "fsync=off", "-c",
                 "shared_buffers=32MB"], preexec_fn=_die_with_parent, **quiet)
        try:
            _wait_for(server, bin_folder, folder)
            yield Postgres(folder, user)
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(server: subprocess.Popen[bytes], bin_folder: Path, folder: Path) -> None:
    until_s = time.monotonic() + 60
    while subprocess.run([bin_folder / "pg_isready", "-q", "-h", folder], check=False).returncode:
        if server.poll() is not None or time.monotonic() > until_s:
            raise RuntimeError((folder / "log").read_text("utf-8", "replace")[-2000:])
        time.sleep(0.05)


def _die_with_parent() -> None:
    """A test run that is killed leaves no server behind (Linux: PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def _unprivileged(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return whom to run it as: the server refuses root."""
    me = pwd.getpwuid(os.geteuid())
    if me.pw_uid != 0:
        return me.pw_name, {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    other = known.get("postgres") or known["nobody"]
    os.chown(folder, other.pw_uid, other.pw_gid)
    return other.pw_name, {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
