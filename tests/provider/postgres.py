"""A private PostgreSQL server in a temporary folder, on a Unix socket only."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
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
    """A running server; each database is fresh."""

    def __init__(self, socket_folder: Path, user: str) -> None:
        self._folder, self._user = socket_folder, user

    def database(self) -> str:
        """Make a database and return its URL."""
        import psycopg

        name = f"t{uuid.uuid4().hex}"
        place = f"host={self._folder} user={self._user} dbname=postgres"
        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://{self._user}@/{name}?host={self._folder}"


@contextmanager
def private_postgres(bin_folder: Path) -> Iterator[Postgres]:
    """Run a server of our own until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="gale-pg-"))
    user, options = _unprivileged(folder)
    data = folder / "data"

    def run(program: str, *words: str) -> None:
        # never a pipe: the server would inherit it and hold it open
        with (folder / "log").open("ab") as log:
            subprocess.run([bin_folder / program, *words], check=True, cwd=folder, timeout=120,
                           stdout=log, stderr=log, stdin=subprocess.DEVNULL, **options)

    try:
        run("initdb", "-D", str(data), "-U", user, "-A", "trust", "-E", "UTF8", "--no-sync",
            "--no-locale")
        run("pg_ctl", "-D", str(data), "-w", "-t", "60", "-l", str(data / "server.log"), "-o",
            f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c max_connections=200 "
            "-c fsync=off -c shared_buffers=32MB", "start")
        try:
            yield Postgres(folder, user)
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return whom to run it as: the server refuses root."""
    me = pwd.getpwuid(os.geteuid())
    if me.pw_uid != 0:
        return me.pw_name, {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    other = known.get("postgres") or known["nobody"]
    os.chown(folder, other.pw_uid, other.pw_gid)
    return other.pw_name, {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
