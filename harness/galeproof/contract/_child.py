"""The verifier's process: it runs pact-python alone, so that a panic or a print harms no one.

Standard input: one JSON object `{"provider", "state_url", "timeout_ms", "report", "jobs"}`; a job
is `{"pact": path, "url", "states": [{"name", "params"}], "values": whether answers of states are used}`.
Each job ends with one JSON line in the file `report`: `{"error", "results", "output", "values"}`. The library
prints on file descriptor 1, past `sys.stdout`: so the report goes elsewhere. It imports nothing of galeproof.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

__all__ = ["main"]


def main() -> None:
    """Run every job."""
    order = json.loads(sys.stdin.read())
    with open(order["report"], "a", encoding="utf-8") as report:
        for job in order["jobs"]:
            report.write(json.dumps(_one(order, job)) + "\n")
            report.flush()


def _one(order: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    done: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"error": None, "results": None, "output": "", "values": {}}
    try:
        for state in job["states"]:
            # before the call: a set-up that failed half-way is torn down too
            done.append(state)
            answer["values"].update(_change(order, state, "setup"))
        _verify(order, job, answer)
    except (OSError, ValueError, http.client.HTTPException) as error:
        answer["error"] = str(error) or type(error).__name__
    for state in reversed(done):
        try:
            _change(order, state, "teardown")
        except (OSError, ValueError, http.client.HTTPException) as error:
            answer["error"] = answer["error"] or str(error) or type(error).__name__
    return answer


def _change(order: dict[str, Any], state: dict[str, Any], action: str) -> dict[str, Any]:
    """Call the state endpoint ourselves; return the values that it answers with.

    The library calls again after a 5xx, follows redirects, takes an HTML page for a state that was
    set, and passes an interaction whose state nobody handles.

    Raises:
        ValueError: The endpoint did not take the state.
    """
    target = urlsplit(order["state_url"])
    link = http.client.HTTPConnection(
        str(target.hostname), target.port, timeout=order["timeout_ms"] / 1000
    )
    try:
        body = json.dumps({"action": action, "state": state["name"], "params": state["params"]})
        path = f"{target.path or '/'}{'?' + target.query if target.query else ''}"
        link.request("POST", path, body, {"Content-Type": "application/json"})
        answer = link.getresponse()
        text = answer.read(65536).decode("utf-8", "replace")
        media = (answer.headers.get("Content-Type") or "").partition(";")[0].strip()
    finally:
        link.close()
    if answer.status == 204:
        return {}
    if not (200 <= answer.status < 300 and media.endswith("json")):
        raise ValueError(
            f"{action} of provider state {state['name']!r} was answered {answer.status} {media}: "
            f"{text[:2000]}"
        )
    found = json.loads(text)
    return found if isinstance(found, dict) else {}


def _verify(order: dict[str, Any], job: dict[str, Any], answer: dict[str, Any]) -> None:
    from pact import Verifier

    host = urlsplit(job["url"]).hostname
    verifier = Verifier(order["provider"], host).add_transport(url=job["url"])
    verifier.set_coloured_output(enabled=False).set_error_on_empty_pact(enabled=True)
    verifier.set_request_timeout(order["timeout_ms"]).follow_redirects(False)
    verifier.add_source(job["pact"])
    values = _Values(answer["values"]) if job["values"] else None
    if values is not None:
        verifier.state_handler(values.url, teardown=False, body=True)
    try:
        verifier.verify()
    except RuntimeError as error:
        answer["error"] = str(error)
    finally:
        if values is not None:
            values.stop()
    answer["results"] = verifier.results
    answer["output"] = verifier.output(strip_ansi=True)


class _Values:
    """Hands the states' values to the library, which takes them from an address only."""

    def __init__(self, values: dict[str, Any]) -> None:
        body = json.dumps(values).encode()

        class Served(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Served)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


if __name__ == "__main__":
    main()
