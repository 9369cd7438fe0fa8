"""A stand-in for the Pact Broker: it speaks as much of its HAL as publish, verify and can-i-deploy need.

It is no broker. The real one is a container (docker-compose.toxiproxy.yml, profile `broker`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.wire.contract_rig import provider

__all__ = ["FakeBroker", "fake_broker"]

HAL = {"Content-Type": "application/hal+json"}


class FakeBroker:
    """What it holds, and its defects.

    Attributes:
        pacts: By (consumer, provider, version).
        results: What verifiers published.
        branches: What was said of branches.
        refuses: Paths that are answered 500.
        rows: Whether can-i-deploy has rows.
    """

    def __init__(self) -> None:
        self.url = ""
        self.pacts: dict[tuple[str, str, str], Any] = {}
        self.results: list[Any] = []
        self.branches: list[str] = []
        self.refuses: tuple[str, ...] = ()
        self.rows, self.loses = True, False

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        path = unquote(urlsplit(target).path)
        if any(word in path for word in self.refuses):
            return 500, HAL, b'{"error": "no"}'
        found = self._route(method, path, json.loads(body) if body else {})
        return (404, HAL, b"{}") if found is None else (200, HAL, json.dumps(found).encode())

    def _route(self, method: str, path: str, document: Any) -> Any:
        if path in ("", "/"):
            return {"_links": {name: {"href": self.url + href, "templated": True} for name, href in {
                "self": "/", "pb:publish-contracts": "/contracts/publish", "pb:matrix": "/matrix",
                "pb:provider-pacts-for-verification": "/pacts/provider/{provider}/for-verification",
                "pb:pacticipant-branch-version":
                    "/pacticipants/{pacticipant}/branches/{branch}/versions/{version}"}.items()}}
        if path == "/contracts/publish":
            return self._published(document)
        if path.endswith("/for-verification"):
            provider_name = path.split("/")[3]
            return {"_embedded": {"pacts": [
                {"_links": {"self": {"href": f"{self.url}/pacts/provider/{p}/consumer/{c}/version/{v}"}}}
                for c, p, v in self.pacts if p == provider_name]}}
        if path.endswith("/verification-results"):
            self.results.append(document)
            return {}
        if path.startswith("/pacts/provider/"):
            _, _, _, p, _, c, _, v = path.split("/")
            found = self.pacts.get((c, p, v))
            return found and {**found, "_links": {"pb:publish-verification-results": {
                "href": f"{self.url}/pacts/provider/{p}/consumer/{c}/pact-version/{v}/verification-results"}}}
        if path == "/matrix":
            ok = bool(self.results) and all(r["success"] for r in self.results)
            return {"summary": {"deployable": ok or not self.rows, "reason": "told", "success": 1, "failed": 0,
                                "unknown": 0}, "notices": [], "matrix": self._rows() if self.rows else []}
        if path.startswith("/pacticipants/"):
            if method == "PUT":
                self.branches.append(path)
            return {"name": path.split("/")[2], "number": path.split("/")[-1], "_links": {}}
        return None

    def _published(self, document: Any) -> Any:
        for one in document["contracts"]:
            text = json.loads(base64.b64decode(one["content"]))
            if self.loses:
                text["interactions"] = text["interactions"][1:]
            self.pacts[one["consumerName"], one["providerName"], document["pacticipantVersionNumber"]] = text
        self.branches.append(str(document.get("branch")))
        return {"notices": [{"type": "success", "text": "taken"}], "_embedded": {
            "pacticipant": {"name": document["pacticipantName"]},
            "version": {"number": document["pacticipantVersionNumber"]}}, "_links": {}}

    def _rows(self) -> list[Any]:
        return [{"consumer": {"name": c, "version": {"number": v}},
                 "provider": {"name": p, "version": {"number": r["providerApplicationVersion"]}},
                 "verificationResult": {"success": r["success"]}, "pact": {"createdAt": "2026-01-01T00:00:00Z"}}
                for c, p, v in self.pacts for r in self.results]


@contextmanager
def fake_broker() -> Iterator[FakeBroker]:
    """Run one on loopback."""
    made = FakeBroker()
    with provider(made.answer) as url:
        made.url = url
        yield made
