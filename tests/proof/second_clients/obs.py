"""OBS: observability."""

import os
import time

from .policy import NOTHING, Answer, promise
from .transports import Waiting, WithAiohttp, WithHttpx, WithRequests

NAMED = promise(correlation_id="X-Request-Id")


class SecondsForIds(WithHttpx):
    """The id is the second in which the call began."""

    PROFILE, EXPECT, INVARIANTS = NAMED, frozenset({"OBS001"}), ("OBS001",)
    MAY = {}

    def heads(self, op, number):
        op.setdefault("second", str(int(time.time())))
        return super().heads(op, number) | {"X-Request-Id": op["second"]}


class LostOnRetry(WithRequests):
    """Builds the retry's headers itself and forgets the id."""

    PROFILE, EXPECT, INVARIANTS = NAMED, frozenset({"OBS001"}), ("OBS001",)
    MAY = {}

    def heads(self, op, number):
        heads = super().heads(op, number)
        if number == 3:
            heads.pop("X-Request-Id")
        return heads


class Traced(WithAiohttp):
    """Sound: a trace of its own for each operation, a span for each attempt."""

    PROFILE, EXPECT, INVARIANTS, MAY = promise(correlation_id="traceparent"), NOTHING, ("OBS001",), {}

    def heads(self, op, number):
        op.setdefault("trace", os.urandom(16).hex())
        return super().heads(op, number) | {"traceparent": f"00-{op['trace']}-{os.urandom(8).hex()}-01"}


class CountsCalls(WithAiohttp):
    """A span for each call, none for its retries."""

    PROFILE, EXPECT, INVARIANTS = promise(), frozenset({"OBS002"}), ("OBS002",)
    MAY = {}

    async def drive(self, op):
        from opentelemetry import trace

        with trace.get_tracer("second").start_as_current_span(
            op["method"], kind=trace.SpanKind.CLIENT
        ) as span:
            span.set_attribute("http.request.method", op["method"])
            value, error = await super().drive(op)
            span.set_attribute("http.response.status_code", 200 if error is None else error.status or 0)
            return value, error


class CountsAttempts(WithHttpx):
    """Sound: a span for each attempt, with its ordinal."""

    PROFILE, EXPECT, INVARIANTS, MAY = promise(), NOTHING, ("OBS002", "SEC003"), {}

    def steps(self, op):
        op["number"] = 0
        return super().steps(op)

    def heads(self, op, number):
        from opentelemetry import trace

        op["span"] = trace.get_tracer("second").start_span(
            op["method"],
            kind=trace.SpanKind.CLIENT,
            attributes={"http.request.method": op["method"], "url.template": "/items/{id}"},
        )
        if number > 1:
            op["span"].set_attribute("http.request.resend_count", number - 1)
        return super().heads(op, number)

    def seen(self, op, answer, number):
        if answer.status:
            op["span"].set_attribute("http.response.status_code", answer.status)
        else:
            op["span"].set_attribute("error.type", answer.fault or "")
        op["span"].end()


class Fallback(WithHttpx):
    """Sound: the secondary where the primary fails, marked; then what it remembers, marked too."""

    PROFILE = promise(max_attempts=4, fallback={"mark": "stale"})
    EXPECT, INVARIANTS, MAY = NOTHING, ("OBS003",), {}
    ATTEMPTS = 1
    MARK = True

    def __init__(self, base_url, secrets, other_url=None):
        self.other, self.memory = other_url, {}
        super().__init__(base_url, secrets)

    def order(self):
        """Whom to ask."""
        return [(self.base, False), (self.other, True)]

    async def call(self, method, path, body=None, key=None):
        own, error = self.base, None
        if method != "GET":
            return await super().call(method, path, body, key)
        for place, mark in self.order():
            op = self.op(method, path, body, key)
            value, error = await self.at(place, op)
            if error is None:
                self.memory[path] = value
                return {**value, "stale": True} if mark and self.MARK else value
        del own
        raise error

    async def at(self, place, op):
        """Ask one of them."""
        got = await self.exchange_at(place, op["method"], op["path"], self.heads(op, 1), op["body"], 0.5)
        return self.conclude(op, got)

    async def exchange_at(self, place, method, path, heads, body, span):
        """One attempt at one of them."""
        import httpx

        if place != self.base:
            heads = {k: v for k, v in heads.items() if k != "Authorization"}
        try:
            got = await self.client.request(method, place + path, headers=heads, content=body, timeout=span)
            return Answer(got.status_code, {k.lower(): v for k, v in got.headers.items()}, got.content)
        except httpx.HTTPError:
            return Answer(fault="reset")


class SecondaryFirst(Fallback):
    """Asks the nearer one first, which is the secondary."""

    EXPECT, INVARIANTS, MAY = frozenset({"OBS003"}), ("OBS003",), {}

    def order(self):
        return [(self.other, True), (self.base, False)]


class RemembersInSilence(Fallback):
    """What it remembers is as good as new, it thinks: no mark."""

    EXPECT, INVARIANTS, MAY = frozenset({"OBS003"}), ("OBS003",), {}

    async def call(self, method, path, body=None, key=None):
        from .policy import Failure

        try:
            return await Waiting.call(self, method, path, body, key)
        except Failure:
            if path not in self.memory:
                raise
        return self.memory[path]

    def parse(self, op, answer):
        value = super().parse(op, answer)
        self.memory[op["path"]] = value
        return value
