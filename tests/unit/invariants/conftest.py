"""A small language for literal histories: operations whose attempts follow one another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from galeproof.invariants import judge
from galeproof.model import Outcome, make_history, parse_profile

REFS = ("opaaaaaa", "opbbbbbb", "opcccccc", "opdddddd")
CANARY = "sk_test_Q7vX2mLp9RtB4nKc8WzJ5hYd3GfS6aEu"
MS = 1_000_000


class Storm:
    """Builds one history; times are in ms on one clock that only goes forward."""

    def __init__(self, words: tuple[str, ...] = ("503", "ok"), **header: Any) -> None:
        self.header: dict[str, Any] = {
            "scenario": "storm", "refs": list(REFS), "sequential": True, "words": list(words),
            "spoiled": len(words) - 1, "secrets": {}, "channels": [], "lag_p99_ms": 1.0, **header}
        self.raw: list[tuple[Any, ...]] = []
        self.now = 0
        self.x = 0
        self.connection = 0
        self.ref = REFS[0]

    def add(self, witness: str, kind: str, marker: str | None = None, /, *, lasts: int = 0,
            connection: int | None = None, **data: Any) -> Storm:
        """Record one event at this instant."""
        self.raw.append((self.now * MS, (self.now + lasts) * MS, witness, kind, connection,
                         marker, data))
        return self

    def wait(self, ms: int) -> Storm:
        """Let time pass."""
        self.now += ms
        return self

    def start(self, ref: str = REFS[0], kind: str = "read", name: str = "fetch") -> Storm:
        """Begin an operation."""
        self.ref = ref
        return self.add("subject", "op_start", ref, name=name, kind=kind, amount=1000,
                        instance=1).wait(2)

    def end(self, outcome: str = "ok", value: Any = "usual", error: str = "Busy",
            **facts: Any) -> Storm:
        """End it; a usual value holds what the origin sent, ``facts`` stand on the error."""
        value = {"id": self.ref} if value == "usual" and outcome == "ok" else value
        failure = None if outcome == "ok" else {"type": error, "text": "", "chain": [], **facts}
        self.add("subject", "op_end", self.ref, outcome=outcome,
                 value=value if outcome == "ok" else None, error=failure)
        return self.wait(5)

    def request(self, word: str, method: str = "GET", headers: Mapping[str, str] | None = None,
                body: str = "", *, whole: bool = True, target: str | None = None,
                reuse: bool = False, nth: int = 1) -> Storm:
        """Send one request of the current operation."""
        self.x += 1
        self.connection += not reuse
        self.add("tap", "head", self.ref, connection=self.connection, x=self.x, method=method,
                 target=target if target is not None else f"/items/{self.ref}",
                 headers=[[n, v] for n, v in (headers or {}).items()], lane="clean", step=0,
                 word=word, attempt=1, by="head", nth=nth).wait(1)
        if whole:
            self.add("tap", "request_end", self.ref, connection=self.connection, x=self.x,
                     n=len(body), sha256="", body=body)
        return self

    def answer(self, status: int, headers: Mapping[str, str] | None = None,
               spoilt: str | None = None) -> Storm:
        """Answer it whole; ``spoilt`` is what the origin did to the body."""
        self.wait(1).add("tap", "answer", self.ref, connection=self.connection, x=self.x, n=99,
                         total=99, status=status,
                         headers=[[n, v] for n, v in (headers or {}).items()])
        self.add("origin", "answered", self.ref, x=self.x, status=status, total=99,
                 value=self.ref if status < 300 else None, spoilt=spoilt)
        return self.add("tap", "answer_end", self.ref, connection=self.connection, x=self.x,
                        total=99)

    def cut(self, how: str = "rst", sent: int = 0) -> Storm:
        """End its connection by plan, after so many bytes of the answer."""
        if sent:
            self.wait(1).add("tap", "answer", self.ref, connection=self.connection, x=self.x,
                             n=sent, total=sent, status=200, headers=[])
        return self.wait(1).add("tap", "close", self.ref, connection=self.connection, x=self.x,
                                planned=how, done=how, sent=sent)

    def rst0(self) -> Storm:
        """Accept a connection and reset it before any byte."""
        self.connection += 1
        self.add("tap", "accept", connection=self.connection)
        return self.wait(1).add("tap", "close", connection=self.connection, planned="rst",
                                done="rst", sent=0)

    def gives_up(self, after_ms: int) -> Storm:
        """The client closes its side of a hanging exchange."""
        return self.wait(after_ms).add("tap", "client_fin", self.ref, connection=self.connection,
                                       x=self.x)

    def over_budget(self) -> Storm:
        """The controller cuts the operation off."""
        self.add("controller", "over_budget", self.ref)
        self.add("tap", "gone", self.ref, connection=self.connection, x=self.x, how="ended")
        return self.end("killed")

    def post(self, word: str, key: str | None = None, **more: Any) -> Storm:
        """Send one POST that names the operation in its head."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.request(word, "POST", headers, '{"amount":1}', **more)

    def log(self, text: str, level: int | None = 30, channel: str = "log") -> Storm:
        """Capture a line of the subject."""
        return self.add("subject", "capture", channel=channel, level=level, logger="shop",
                        text=text)

    def history(self) -> Any:
        """Return the history so far."""
        return make_history(self.header, self.raw)


def verdicts(history: Any, **profile: Any) -> dict[str, Any]:
    """Judge a history by all invariants built."""
    return {v.code: v for v in judge(history, parse_profile(profile))}


def failing(history: Any, **profile: Any) -> list[str]:
    """Return the codes that fail."""
    return [c for c, v in verdicts(history, **profile).items() if v.outcome is Outcome.FAIL]


def told(history: Any, code: str, **profile: Any) -> tuple[str, str | None]:
    """Return outcome and reason of one invariant."""
    verdict = verdicts(history, **profile)[code]
    return verdict.outcome.value, verdict.reason


class Language:
    """What the tests share."""

    Storm, refs, canary = Storm, REFS, CANARY
    verdicts, failing, told = staticmethod(verdicts), staticmethod(failing), staticmethod(told)

    @staticmethod
    def same(history: Any, profile: Mapping[str, Any]) -> str:
        """Return the verdicts' JSON text."""
        return json.dumps([dict(v.as_json()) for v in judge(history, parse_profile(profile))])


@pytest.fixture
def gale_words() -> type[Language]:
    """The language of this folder."""
    return Language
