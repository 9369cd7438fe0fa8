"""What a process leaves behind: files that it writes, and the arguments of processes that it starts.

The interpreter tells of each file that is opened for writing and of each process (audit events);
what came by another way, from a child or from C code, is found in the temporary folder that a subject
with a process of its own gets, and in the working folder where it started a child. A probe goes each way.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from galeproof.invariants.sec import shows
from galeproof.kernel.clock import now_ns

__all__ = ["Artefacts"]

_PROBE = "galeproof-probe-7f3a"
_MOST = 5_000  # files, and folder entries
_BYTES = 8 << 20
_PIECE, _OVERLAP = 4096, 1024
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
_OURS = ("galeproof-secrets-", "galeproof-ca-")
_SPARED = frozenset({".galeproof", ".git", ".venv", "node_modules", "__pycache__", "site-packages"})
_ELSEWHERE = ("/dev/", "/proc/", "/sys/")
_STARTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"})
_watching: list[Artefacts] = []
_hooked: list[bool] = []


class Artefacts:
    """Watches between ``start`` and ``stop``.

    Args:
        secrets: What is looked for.
        own_temp: Whether the process's temporary folder may be replaced by one of its own: it is the
            subject's alone.
    """

    def __init__(self, secrets: Collection[str], *, own_temp: bool = False) -> None:
        self._secrets = tuple(secrets)
        self._own_temp = own_temp
        self._temp = ""
        self._paths: dict[str, None] = {}
        self._lines: list[str] = []
        self._children = 0
        self._began_s = 0.0
        self._undo = contextlib.ExitStack()

    def start(self) -> None:
        """Begin."""
        if not _hooked:  # an audit hook stays for good
            _hooked.append(True)
            sys.addaudithook(_heard)
        self._began_s = time.time()
        if self._own_temp:
            self._temp = tempfile.mkdtemp(prefix="galeproof-subject-")
            before = os.environ.get("TMPDIR")
            os.environ["TMPDIR"] = tempfile.tempdir = self._temp
            self._undo.callback(self._restore, before)
        _watching.append(self)
        self._undo.callback(_watching.remove, self)

    def _restore(self, before: str | None) -> None:
        tempfile.tempdir = None
        os.environ.pop("TMPDIR", None)
        if before is not None:
            os.environ["TMPDIR"] = before
        shutil.rmtree(self._temp, ignore_errors=True)

    def hear(self, event: str, args: tuple[Any, ...]) -> None:
        """Take one audit event."""
        if event in _STARTS:
            self._children += 1
            self._lines.append(_line(args))
            return
        path = args[1] if event == "os.rename" else args[0]
        if event == "open" and not _writes(args):
            return
        if isinstance(path, str | bytes | os.PathLike) and len(self._paths) <= _MOST:
            self._paths[os.path.abspath(os.fsdecode(path))] = None

    def stop(self) -> tuple[list[tuple[int, dict[str, Any]]], list[dict[str, Any]]]:
        """End; return what shows something of a secret (instant in ns, event data), and the probes."""
        children = self._children
        planted = self._plant()
        folders = [self._temp] * bool(self._temp) + [os.getcwd()] * bool(children)
        for folder in folders:
            for path in _fresh(folder, self._began_s):
                self._paths.setdefault(path, None)
        found, probed = [], False
        for path in self._paths:
            for name, text in _texts(path):
                probed |= path == planted and _PROBE in text
                found += [(name, piece) for piece in self._shown(text)]
        told = [_PROBE in line for line in self._lines]
        lines = [("the command line of a child", line) for line in [*self._lines, " ".join(sys.argv)]
                 if shows(self._secrets, line)]
        whole = len(self._paths) <= _MOST
        Path(planted).unlink(missing_ok=True)
        self._undo.close()
        now = now_ns()
        captured = [(now, {"channel": channel, "level": None, "logger": name, "text": text})
                    for channel, items in (("files", found), ("arguments", lines)) for name, text in items]
        return captured, [{"channel": "files", "found": probed and whole},
                          {"channel": "arguments", "found": any(told)}]

    def _plant(self) -> str:
        """Write a file and start a process, as a subject might."""
        handle, path = tempfile.mkstemp(prefix="probe-", dir=self._temp or None)
        with os.fdopen(handle, "w") as file:
            file.write(_PROBE)
        self._paths.setdefault(os.path.abspath(path), None) if self._temp else None
        true = shutil.which("true")
        command = [true, _PROBE] if true else [sys.executable, "-ISc", "", _PROBE]
        with contextlib.suppress(OSError):
            subprocess.run(command, check=False, capture_output=True, timeout=10)
        return os.path.abspath(path)

    def _shown(self, text: str) -> Iterator[str]:
        if not shows(self._secrets, text):
            return
        for begin in range(0, len(text), _PIECE):
            piece = text[begin : begin + _PIECE + _OVERLAP]
            if shows(self._secrets, piece):
                yield piece


def _heard(event: str, args: tuple[Any, ...]) -> None:
    """The interpreter's hook: it must be quick, and never raise."""
    if _watching and (event in ("open", "os.rename", "sqlite3.connect") or event in _STARTS):
        with contextlib.suppress(Exception):
            for watcher in _watching:
                watcher.hear(event, args)


def _writes(args: tuple[Any, ...]) -> bool:
    mode, flags = args[1], args[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(isinstance(flags, int) and flags & _WRITING)


def _line(args: tuple[Any, ...]) -> str:
    """A child's command line: its program and arguments, not its environment."""
    words: list[str] = []
    for part in args[:2]:
        many = part if isinstance(part, list | tuple) else [part]
        words += [os.fsdecode(p) for p in many if isinstance(p, str | bytes | os.PathLike)]
    return " ".join(words)[:65_536]


def _fresh(folder: str, since_s: float) -> Iterator[str]:
    """Files below a folder that were made or changed since an instant of the wall clock."""
    seen = 0
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SPARED]
        for name in names:
            seen += 1
            path = os.path.join(root, name)
            with contextlib.suppress(OSError):
                if os.lstat(path).st_ctime >= since_s - 0.05:
                    yield path
        if seen > _MOST:
            return


def _texts(path: str) -> Iterator[tuple[str, str]]:
    """A file's text, and that of what is packed in it; none of what is ours, gone or no file."""
    parts = Path(path).parts
    if path.startswith(_ELSEWHERE) or _SPARED & set(parts) or any(p.startswith(_OURS) for p in parts):
        return
    name = os.path.basename(path)
    try:
        if not os.path.isfile(path):
            return
        with open(path, "rb") as file:
            data = file.read(_BYTES)
    except OSError:
        return
    yield name, _text(data)
    with contextlib.suppress(OSError, EOFError, zipfile.BadZipFile, RuntimeError, ValueError):
        if data[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
                yield name, _text(unpacked.read(_BYTES))
        elif data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for entry in archive.infolist()[:100]:
                    with archive.open(entry) as member:
                        yield f"{name}/{entry.filename}", _text(member.read(_BYTES))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
