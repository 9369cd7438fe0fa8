"""Names of our proxies: whose they are can be read from them, on a server that others use too."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from pathlib import Path

from galeproof.kernel.chance import new_seed

__all__ = ["is_stale", "lane_prefix"]

_NAME = re.compile(r"galeproof-([0-9a-f]{6})-(\d+)-[0-9a-f]+-[a-z0-9-]+")


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def lane_prefix() -> str:
    """Return a prefix of this process's own: host, pid and chance, in ``[a-z0-9-]`` only."""
    return f"galeproof-{_host()}-{os.getpid()}-{new_seed():x}"


def is_stale(name: str) -> bool:
    """Tell whether a proxy was left behind by a process of this host that is gone."""
    found = _NAME.fullmatch(name)
    return bool(found and found[1] == _host() and Path("/proc").is_dir()
                and not Path(f"/proc/{found[2]}").exists())
