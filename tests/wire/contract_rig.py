"""A provider that answers as told, pacts made from parts, and Pact's own verifier without our guard."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["bare", "interaction", "pact", "provider"]

Answer = tuple[int, Mapping[str, str], bytes]
BARE = """
import json, sys
from pact import Verifier
order = json.loads(sys.stdin.read())
verifier = Verifier(order["provider"], "127.0.0.1").add_transport(url=order["url"])
if order["source"]:
    verifier.add_source(order["source"])
if order["states"]:
    verifier.state_handler(order["states"], teardown=True, body=True)
try:
    verifier.verify()
except RuntimeError:
    sys.exit(1)
"""


@contextmanager
def provider(answer: Callable[[str, str, Mapping[str, str], bytes], Answer]) -> Iterator[str]:
    """Serve one function: method, target, headers, body -> status, headers, body."""

    class Handler(BaseHTTPRequestHandler):
        def _all(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, found = answer(self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _all

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def interaction(name: str = "a thing", *, request: Mapping[str, Any] | None = None,
                response: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One version 4 interaction."""
    return {"type": "Synchronous/HTTP", "description": name,
            "request": {"method": "GET", "path": "/things/1", **(request or {})},
            "response": {"status": 200, **(response or {})}, **more}


def pact(*interactions: Mapping[str, Any], version: str = "4.0", **more: Any) -> dict[str, Any]:
    """One pact of `web` for `things`."""
    return {"consumer": {"name": "web"}, "provider": {"name": "things"}, "interactions": list(interactions),
            "metadata": {"pactSpecification": {"version": version}}, **more}


def bare(url: str, source: Path | None, states: str | None = None, name: str = "things") -> bool:
    """Whether Pact's verifier alone is green."""
    order = {"provider": name, "url": url, "source": str(source) if source else None, "states": states}
    done = subprocess.run([sys.executable, "-P", "-c", BARE], input=json.dumps(order), text=True,
                          capture_output=True, timeout=120, check=False)
    assert done.returncode in (0, 1, 101, 134), done.stderr
    return done.returncode == 0
