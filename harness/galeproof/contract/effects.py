"""What a contract cannot say of effects: repeats, reused keys, and broken uploads."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from galeproof.contract.checks import CheckResult
from galeproof.contract.reading import PactFile, states_of
from galeproof.contract.rules import body_of

__all__ = ["check_effects"]

_KEYS = ("idempotency-key", "x-idempotency-key", "idempotency_key")
_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class _Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def check_effects(pact: PactFile, url: str, state_url: str | None, *, timeout_s: float = 5.0
                  ) -> list[CheckResult]:
    """Check what the keyed requests of a pact do to the provider. Blocks.

    Effects are counted by the state endpoint (`{"action": "count"}`, answered `{"effects": n}`) where it
    can; else answers are compared, and what they cannot show is not judged.

    Args:
        pact: The contract; of each method and path its first keyed interaction with a 2xx is taken.
        url: The provider's base URL.
        state_url: Where states are set.
        timeout_s: Longest wait for an answer, in seconds.
    """
    results: list[CheckResult] = []
    chosen: dict[tuple[str, str], int] = {}
    for number, item in enumerate(pact.interactions):
        if _key(item) is not None and 200 <= item["response"]["status"] < 300:
            chosen.setdefault((item["request"]["method"], item["request"]["path"]), number)
    if not chosen:
        return [CheckResult("effects of keyed requests", None, "the pact has no keyed request with a 2xx")]
    for number in chosen.values():
        trial = _Trial(pact, number, url, state_url, timeout_s)
        for name, check in (("the same key twice, one after the other, is one effect", trial.twice),
                            ("the same key twice, at once, is one effect", trial.at_once),
                            ("a key reused with another payload is refused", trial.reused),
                            ("a request cut in mid-body leaves no effect", trial.cut)):
            results.append(trial.run(name, check))
    return results


def _key(item: Mapping[str, Any]) -> str | None:
    return next((n for n in item["request"].get("headers") or {} if n.lower() in _KEYS), None)


class _Trial:
    """One keyed request, put to the provider in ways that a contract has no words for."""

    def __init__(self, pact: PactFile, number: int, url: str, state_url: str | None, timeout_s: float
                 ) -> None:
        item = pact.interactions[number]
        self._item, self._url, self._state_url, self._timeout_s = item, url, state_url, timeout_s
        self._what = str(item["description"])
        self._asked = _request(item, pact.version, urlsplit(url).path.rstrip("/"))
        self._key = str(_key(item))
        self._numbers = 0

    def run(self, name: str, check: Callable[[], CheckResult]) -> CheckResult:
        """Run one check in the interaction's state, which is torn down whatever happens."""
        try:
            for state in states_of(self._item):
                self._state("setup", state)
            try:
                found = check()
            finally:
                for state in reversed(states_of(self._item)):
                    self._state("teardown", state)
        except (OSError, ValueError, http.client.HTTPException) as error:
            found = CheckResult("", False, f"{type(error).__name__}: {error}")
        return replace(found, name=f"{self._what}: {name}")

    def twice(self) -> CheckResult:
        """Send it, and send it again."""
        before, asked = self._effects(), self._keyed()
        first, second = self._send(asked), self._send(asked)
        if not 200 <= first.status < 300:
            return CheckResult("", False, f"the first answer is {first.status}")
        if (first.status, first.body) != (second.status, second.body):
            return CheckResult("", False, f"the second answer is {second.status} and another one")
        return self._counted(before, 1, first.body)

    def at_once(self) -> CheckResult:
        """Send it several times at the same moment."""
        before, asked = self._effects(), self._keyed()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = list(pool.map(lambda _: self._send(asked), range(_AT_ONCE)))
        bodies = {a.body for a in answers if 200 <= a.status < 300}
        others = sorted({a.status for a in answers} - {409} - {a.status for a in answers if a.status < 300})
        if len(bodies) != 1 or others:
            return CheckResult("", False, f"{len(bodies)} different answers 2xx, and {others or 'no other'}")
        return self._counted(before, 1, bodies.pop())

    def reused(self) -> CheckResult:
        """Send its key with another payload."""
        changes = _changes(self._asked.body)
        if not changes:
            return CheckResult("", None, "its body has no value that could be another one")
        asked = self._keyed()
        first = self._send(asked)
        if not 200 <= first.status < 300:
            return CheckResult("", False, f"the first answer is {first.status}")
        taken = (c for c in changes if 200 <= self._send(replace(self._keyed(), body=c)).status < 300)
        changed = next(taken, None)
        if changed is None:
            return CheckResult("", None, "another payload is refused with a key of its own too: "
                                         "a refusal tells nothing of the key")
        before = self._effects()
        other = self._send(replace(asked, body=changed))
        if not 400 <= other.status < 500:
            return CheckResult("", False, f"the other payload is answered {other.status}")
        return self._counted(before, 0)

    def cut(self) -> CheckResult:
        """Send half of it, and leave."""
        if len(self._asked.body) < 2:
            return CheckResult("", None, "it has no body")
        before = self._effects()
        if before is None:
            return CheckResult("", None, "nobody counts effects: the state endpoint has no action `count`")
        asked = self._keyed()
        target = urlsplit(self._url)
        head = "".join(f"{n}: {v}\r\n" for n, v in asked.headers.items())
        first = (f"{asked.method} {asked.path} HTTP/1.1\r\nHost: {target.netloc}\r\n{head}"
                 f"Content-Length: {len(asked.body)}\r\n\r\n")
        address = (str(target.hostname), target.port or 80)
        with socket.create_connection(address, self._timeout_s) as link, contextlib.suppress(ConnectionError):
            link.sendall(first.encode() + asked.body[: len(asked.body) // 2])
            link.shutdown(socket.SHUT_WR)
            link.settimeout(self._timeout_s)
            link.recv(65536)  # its answer, or the end, by a reset too: it has dealt with the half by then
        return self._counted(before, 0)

    def _counted(self, before: int | None, wanted: int, body: bytes | None = None) -> CheckResult:
        after = self._effects()
        if before is None or after is None:
            if body is not None and self._send(self._keyed()).body == body:
                return CheckResult("", None, "nobody counts effects, and another key has the same answer")
            return CheckResult("", True, "by the answers alone: nobody counts effects")
        made = after - before
        return CheckResult("", made == wanted, "" if made == wanted else f"{made} effects, not {wanted}")

    def _keyed(self) -> _Asked:
        """The request with a key of its own."""
        self._numbers += 1
        value = f"0f8fad5b-d9cb-469f-a165-{abs(hash((self._what, id(self)))) % 10**9:09d}{self._numbers:03d}"
        return replace(self._asked, headers={**self._asked.headers, self._key: value})

    def _send(self, asked: _Asked) -> _Answer:
        target = urlsplit(self._url)
        link = http.client.HTTPConnection(str(target.hostname), target.port, timeout=self._timeout_s)
        try:
            link.request(asked.method, asked.path, asked.body or None, dict(asked.headers))
            answer = link.getresponse()
            return _Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            link.close()

    def _state(self, action: str, state: Mapping[str, Any]) -> None:
        answer = self._order({"action": action, "state": state["name"], "params": state["params"]})
        if not 200 <= answer.status < 300:
            raise ValueError(f"{action} of provider state {state['name']!r} was answered {answer.status}")

    def _effects(self) -> int | None:
        if self._state_url is None:
            return None
        answer = self._order({"action": "count"})
        try:
            found = json.loads(answer.body)["effects"] if answer.status == 200 else None
        except (ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, int) else None

    def _order(self, document: Mapping[str, Any]) -> _Answer:
        target = urlsplit(str(self._state_url))
        link = http.client.HTTPConnection(str(target.hostname), target.port, timeout=self._timeout_s)
        try:
            path = f"{target.path or '/'}{'?' + target.query if target.query else ''}"
            link.request("POST", path, json.dumps(document),
                         {"Content-Type": "application/json"})
            answer = link.getresponse()
            return _Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            link.close()


def _request(item: Mapping[str, Any], version: int, prefix: str) -> _Asked:
    request = item["request"]
    headers = {n: v if isinstance(v, str) else ", ".join(map(str, v))
               for n, v in (request.get("headers") or {}).items()}
    there, body = body_of(request, version)
    raw = b"" if not there else body if isinstance(body, bytes) else (
        body.encode() if isinstance(body, str) else json.dumps(body).encode())
    if raw and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    query = request.get("query") or {}
    text = query if isinstance(query, str) else urlencode(
        [(n, v) for n, vs in query.items() for v in (vs if isinstance(vs, list) else [vs])])
    return _Asked(request["method"].upper(), prefix + request["path"] + (f"?{text}" if text else ""), headers,
                  raw)


def _changes(body: bytes) -> list[bytes]:
    """Return bodies with another value in them: a number one less or more, or a text longer."""
    try:
        document = json.loads(body)
    except ValueError:
        return []
    if not isinstance(document, dict):
        return []
    numbers = [(name, value + by) for name, value in document.items()
               if isinstance(value, int) and not isinstance(value, bool) for by in (-1, 1)]
    texts = [(name, f"{value}-other") for name, value in document.items() if isinstance(value, str)]
    return [json.dumps({**document, name: other}).encode() for name, other in [*numbers, *texts]]
