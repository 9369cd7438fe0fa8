"""What the second set's clients share: errors, answers, and a policy as a generator of steps."""

import json
import random
import time
import uuid
from dataclasses import dataclass, field

JSON = {"id": "{ref}", "amount": 1250}
MADE = {"id": "{effect}", "amount": "{amount}"}


class Failure(Exception):
    """Every failure of these clients."""

    def __init__(self, text, status=None, retry_after=None, effect="none"):
        super().__init__(text)
        self.status, self.retry_after, self.effect = status, retry_after, effect


class TimedOut(Failure):
    """No answer in time."""


class Unreachable(Failure):
    """The connection was lost or never made."""


class Limited(Failure):
    """429."""


class Refused(Failure):
    """401 and 403."""


class Wrong(Failure):
    """The other 4xx."""


class Broken(Failure):
    """5xx."""


class Garbled(Failure):
    """An answer that cannot be read."""


ERRORS = {
    "timeout": f"{__name__}.TimedOut",
    "connection": f"{__name__}.Unreachable",
    "rate_limit": f"{__name__}.Limited",
    "auth": f"{__name__}.Refused",
    "client": f"{__name__}.Wrong",
    "server": f"{__name__}.Broken",
    "protocol": f"{__name__}.Garbled",
}
RETRIES = ["connect", "reset", "timeout", 429, 502, 503, 504]


class Secret:
    """A secret that does not show itself."""

    def __init__(self, value):
        self._read = lambda: value

    def __repr__(self):
        return "Secret(***)"

    def reveal(self):
        """The secret."""
        return self._read()


@dataclass
class Answer:
    """What came of an attempt; `fault` is connect, reset, timeout, truncated or None."""

    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    fault: str | None = None


def unique(pairs):
    """A JSON object without duplicate keys."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("duplicate keys")
    return dict(pairs)


def no_constant(name):
    """NaN and its kin are no JSON."""
    raise ValueError(name)


class Policy:
    """Retries with full jitter; each client replaces what makes it itself."""

    ATTEMPTS, TIMEOUT, DEADLINE = 3, 0.5, None
    BASE, FACTOR, CAP = 0.1, 2, 0.8
    STATUSES = frozenset({429, 502, 503, 504})
    FAULTS = frozenset({"connect", "reset", "timeout", "truncated"})
    KEYED = True
    MAX_WAIT = 5.0

    def __init__(self, base_url, secrets):
        self.base, self.secret, self.secrets = base_url, Secret(secrets["api_key"]), None
        self.opened()

    def opened(self):
        """For what a client keeps."""

    # -- what clients replace
    def heads(self, op, number):
        """The headers of an attempt."""
        heads = {"Authorization": "Bearer " + self.secret.reveal(), "X-Request-Id": op["id"]}
        if op["method"] == "POST":
            heads["Content-Type"] = "application/json"
            if self.KEYED:
                heads["Idempotency-Key"] = self.key(op, number)
        return heads

    def key(self, op, number):
        """The key of an operation."""
        return op["key"]

    def new_key(self, op):
        """A fresh key, drawn once for an operation."""
        return str(uuid.uuid4())

    def delay(self, number):
        """How long before retry `number` (from 1)."""
        return random.uniform(0.02, 1) * min(self.CAP, self.BASE * self.FACTOR ** (number - 1))

    def wait(self, answer, number):
        """The delay, with Retry-After."""
        asked = self.asked(answer)
        return self.delay(number) if asked is None else max(asked, 0) + self.delay(number)

    def asked(self, answer):
        """What Retry-After says, in seconds."""
        text = answer.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdigit() and len(text) < 12 else None

    def again(self, op, answer, number):
        """Whether there is another attempt."""
        if op["method"] == "POST" and not self.KEYED:
            return answer.fault == "connect" or answer.status == 429
        return answer.fault in self.FAULTS or answer.status in self.STATUSES

    def seen(self, op, answer, number):
        """Called after each attempt."""

    def target(self, op, number):
        """The path of an attempt."""
        return op["path"]

    def payload(self, op, number):
        """The body of an attempt."""
        return op["body"]

    def left(self, op):
        """What remains of the operation's time."""
        return 1e9 if self.DEADLINE is None else op["began"] + self.DEADLINE - time.monotonic()

    def parse(self, op, answer):
        """The value of a good answer, or ValueError."""
        value = json.loads(answer.body.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant)
        if not isinstance(value, dict) or not isinstance(value.get("id"), str):
            raise ValueError("no id")
        return value

    def failure(self, op, answer):
        """The error of a bad answer."""
        told = {"effect": "unknown" if op["method"] == "POST" else "none"}
        if answer.fault == "timeout":
            return TimedOut("no answer in time", **told)
        if answer.fault in ("connect", "reset"):
            return Unreachable("connection lost", **told)
        if answer.fault:
            return Garbled("the answer broke off", **told)
        status, asked = answer.status, self.asked(answer)
        kind = (
            Limited
            if status == 429
            else Refused
            if status in (401, 403)
            else Wrong
            if 400 <= status < 500
            else Broken
            if status >= 500
            else Garbled
        )
        return kind(f"status {status}", status, asked, "unknown" if status >= 500 else "none")

    # -- the loop
    def steps(self, op):
        """Yield what is to be done; sent back: the answer."""
        number = 0
        while True:
            number += 1
            span = min(self.TIMEOUT, self.left(op)) if self.TIMEOUT else None
            if span is not None and span <= 0:
                answer = Answer(fault="timeout")
                break
            answer = yield (
                "send",
                op["method"],
                self.target(op, number),
                self.heads(op, number),
                self.payload(op, number),
                span,
            )
            self.seen(op, answer, number)
            if number >= self.ATTEMPTS or not self.again(op, answer, number):
                break
            wait = self.wait(answer, number)
            if wait > self.MAX_WAIT or wait >= self.left(op):
                break
            yield ("sleep", wait)
        return self.conclude(op, answer)

    def conclude(self, op, answer):
        """The value or the error."""
        if answer.fault is None and 200 <= answer.status < 300:
            try:
                return self.parse(op, answer), None
            except (ValueError, TypeError, KeyError):
                return None, Garbled(
                    "the answer makes no sense",
                    answer.status,
                    effect="unknown" if op["method"] == "POST" else "none",
                )
        return None, self.failure(op, answer)

    def op(self, method, path, body=None, key=None):
        """What is known of an operation."""
        op = {
            "method": method,
            "path": path,
            "began": time.monotonic(),
            "id": str(uuid.uuid4()),
            "body": None if body is None else json.dumps(body).encode() if isinstance(body, dict) else body,
        }
        op["key"] = key or self.new_key(op)
        return op


def promise(**more):
    """The profile of the policy as it stands, with what a client promises otherwise."""
    return {
        "max_attempts": 3,
        "read_timeout_s": 0.5,
        "connect_timeout_s": 0.5,
        "retry_on": RETRIES,
        "backoff": {"base_s": 0.1, "factor": 2, "cap_s": 0.8, "jitter": "full"},
        "idempotency_key": "Idempotency-Key",
        "retry_after_max_s": 5.0,
    } | more


NOTHING = frozenset()
