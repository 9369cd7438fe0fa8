"""``galeproof doctor``: what is missing here, and how to get it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from galeproof.errors import EngineError, HarnessError
from galeproof.kernel.clock import now_ns, pause
from galeproof.runner.config import load_config
from galeproof.runner.judging import QUIET_LAG_MS
from galeproof.subject.description import describe, load_target
from galeproof.toxiproxy.control import ControlPlane
from galeproof.toxiproxy.names import is_stale
from galeproof.toxiproxy.server import VERSION, find_server, version_of

__all__ = ["doctor_command"]

# each by the distribution that it is for
_EXTRAS = {"pact": "pact-python", "broker": "pact-python-cli", "allure": "allure-pytest", "respx": "respx",
           "property": "hypothesis", "tls": "trustme", "nightly": "SQLAlchemy", "otel": "opentelemetry-sdk"}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_BEATS = 50
_BEAT_S = 0.01


@dataclass(frozen=True, slots=True)
class _Line:
    """One thing looked at: ``ok``, ``note`` (fine, but know it) or ``missing``."""

    state: str
    what: str
    advice: str = ""


def doctor_command(engine_url: str | None, remove: bool, as_json: bool) -> int:
    """Look around and print; 0 where nothing is missing, else 2.

    Args:
        engine_url: A shared Toxiproxy to look at for stale proxies of ours.
        remove: Delete those.
        as_json: Print JSON only.
    """
    lines = [*_python(), *_engine(), *_extras(), *_settings(), *_proxies(os.environ), *_machine()]
    if engine_url is not None:
        lines += _stale(engine_url, remove)
    if as_json:
        print(json.dumps({"schema": 1, "found": [
            {"state": line.state, "what": line.what, "advice": line.advice} for line in lines]}))
    else:
        for line in lines:
            print(f"{line.state:<8} {line.what}")
            if line.advice:
                print(f"         {line.advice}")
    return 2 if any(line.state == "missing" for line in lines) else 0


def _python() -> Iterator[_Line]:
    yield _Line("ok", f"Python {platform.python_version()} on {platform.system()} "
                      f"{platform.release()}, {os.cpu_count()} cores")


def _engine() -> Iterator[_Line]:
    found = find_server()
    if found is None:
        how = "galeproof toxiproxy install" if shutil.which("go") else (
            "install Go and run it again, put toxiproxy-server on PATH, give a server's URL "
            "(--engine http://HOST:8474), or: docker compose -f docker-compose.toxiproxy.yml up")
        yield _Line("note", "no toxiproxy-server: `auto` takes the embedded engine",
                    f"to have the real one: {how}")
        return
    try:
        version = version_of(found)
    except EngineError as error:
        yield _Line("missing", str(error), "remove it or put a working one before it on PATH")
        return
    note = "" if version == VERSION else f"verdicts are proved against {VERSION}"
    yield _Line("ok" if not note else "note", f"Toxiproxy {version} at {found}: `auto` takes it",
                note)


def _extras() -> Iterator[_Line]:
    for extra, name in _EXTRAS.items():
        if not _present(name):
            yield _Line("note", f"extra {extra} is not installed",
                        f'where you need it: pip install "galeproof[{extra}]"')
        else:
            yield _Line("ok", f"extra {extra}")


def _present(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _settings() -> Iterator[_Line]:
    try:
        config = load_config(Path.cwd())
    except HarnessError as error:
        yield _Line("missing", str(error), "mend that line")
        return
    if not config.subjects:
        yield _Line("note", f"{config.source}: no subject",
                    "name one: [tool.galeproof.subjects.NAME] python = \"module:attribute\"")
    for name in config.subjects:
        try:
            subject = config.subject(name)
            if subject.foreign:
                subject.foreign.check_command()
            elif isinstance(subject.target, str):
                describe(load_target(subject.target))
        except HarnessError as error:
            yield _Line("missing", str(error), "a subject that cannot be made cannot be judged")
        else:
            yield _Line("ok", f"subject {name} ({config.source})")


def _proxies(environment: Mapping[str, str]) -> Iterator[_Line]:
    for name in _PROXIES:
        if environment.get(name) or environment.get(name.lower()):
            yield _Line("note", f"{name} is set", "for a run, loopback is put into NO_PROXY; a "
                        "client that ignores NO_PROXY never reaches the tap")


def _machine() -> Iterator[_Line]:
    if sys.platform != "linux":
        yield _Line("note", f"{sys.platform}: refusals are not counted by the kernel here, and "
                    "blackholes are untried", "Linux sees both")
    late = sorted(_lateness_ms() for _ in range(_BEATS))[-2]
    quiet = late < QUIET_LAG_MS
    yield _Line("ok" if quiet else "note", f"lag p98 of {_BEATS} beats: {late:.1f} ms",
                "" if quiet else "not quiet: timing verdicts may become UNKNOWN noise")


def _lateness_ms() -> float:
    before = now_ns()
    pause(_BEAT_S)
    return (now_ns() - before) / 1e6 - _BEAT_S * 1e3


def _stale(url: str, remove: bool) -> Iterator[_Line]:
    """Proxies on a shared server whose process is gone."""
    try:
        plane = ControlPlane(url)
        version = plane.version()
        stale = [name for name in plane.names() if is_stale(name)]
    except EngineError as error:
        yield _Line("missing", str(error), "start it, or give another URL")
        return
    yield _Line("ok", f"Toxiproxy {version} at {url}")
    for name in stale:
        if remove:
            plane.delete(name)
        yield _Line("note", f"{name}: left behind by a run that is gone",
                    "removed" if remove else "galeproof doctor --engine URL --remove-stale")
