"""Metrics, spans and log lines: what they say, how many there are, and what is never in them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from galeproof.client import ClientError, PaymentsClient

Good = Callable[[], httpx.Response]


class Signals:
    """An SDK in memory."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.options = {
            "meter_provider": MeterProvider([self.reader]),
            "tracer_provider": self.tracers,
        }
        self._points: dict[str, list[Any]] | None = None

    def points(self, name: str) -> list[Any]:
        """Return the points of an instrument, collected once."""
        if self._points is None:
            self._points = {}
            data = self.reader.get_metrics_data()
            for resource in data.resource_metrics if data else ():
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        self._points[metric.name] = list(metric.data.data_points)
        return self._points.get(name, [])

    def everything(self) -> str:
        """Return all that would be exported, as text."""
        data = self.reader.get_metrics_data()
        shown = data.to_json() if data else ""
        return shown + "".join(span.to_json() for span in self.spans.get_finished_spans())


@pytest.fixture
def signals(bench: Any) -> Signals:
    """Return an SDK in memory that the bench's clients use."""
    made = Signals()
    bench.options = made.options
    return made


async def get(client: PaymentsClient) -> Any:
    return await client.get_payment("p1")


def test_attempts_are_measured_by_endpoint_and_outcome(bench: Any, payment: Good, signals: Signals) -> None:
    """One histogram point for each outcome, with the conventions' attributes and no path."""
    bench.run(get, httpx.Response(503), httpx.ReadTimeout("x"), payment())
    points = signals.points("http.client.request.duration")
    common = {
        "http.request.method": "GET",
        "url.template": "/payments/{payment_id}",
        "server.address": "127.0.0.1",
        "server.port": 9,
    }
    assert [dict(p.attributes) for p in points] == [
        {**common, "http.response.status_code": 503, "error.type": "503"},
        {**common, "error.type": "timeout"},
        {**common, "http.response.status_code": 200},
    ]
    assert [p.count for p in points] == [1, 1, 1]
    (operation,) = signals.points("galeproof.client.operation.duration")
    assert dict(operation.attributes) == common
    (retries,) = signals.points("galeproof.client.retries")
    assert (retries.value, dict(retries.attributes)) == (2, common)


def test_breaker_budget_and_refusals_are_measured(bench: Any, signals: Signals) -> None:
    """State, tokens left and attempts held back can be read."""
    bench.settings = {
        "breaker": {"calls": 2, "ratio": 0.5},
        "max_attempts": 2,
        "retry_budget": {"capacity": 10, "cost": 5},
    }

    async def call(client: PaymentsClient) -> None:
        for _ in range(4):
            with pytest.raises(ClientError):
                await get(client)
        names = ("breaker.state", "retry_budget.left", "throttled")
        values = [[p.value for p in signals.points(f"galeproof.client.{n}")] for n in names]
        assert values == [[2], [5.0], [3]]

    bench.run(call, httpx.Response(500))


def test_each_attempt_is_a_span_of_one_trace(bench: Any, payment: Good, signals: Signals) -> None:
    """Client spans carry ordinal and error; the provider sees the attempt's span as its parent."""
    bench.run(get, httpx.Response(503), payment())
    first, second = signals.spans.get_finished_spans()
    assert [s.name for s in (first, second)] == ["GET", "GET"]
    assert (first.parent, second.parent.span_id) == (None, first.context.span_id)
    assert [s.attributes.get("http.request.resend_count") for s in (first, second)] == [None, 1]
    assert (first.status.is_ok, first.attributes["error.type"]) == (False, "503")
    assert first.attributes["galeproof.correlation_id"] == bench.requests[0].headers["X-Request-Id"]
    sent = [r.headers["traceparent"] for r in bench.requests]
    assert sent == [
        f"00-{s.context.trace_id:032x}-{s.context.span_id:016x}-01" for s in (first, second)
    ]


def test_a_span_of_the_caller_is_the_parent(bench: Any, payment: Good, signals: Signals) -> None:
    """The attempts join the trace that is under way, as siblings below the caller's span."""

    async def call(client: PaymentsClient) -> int:
        with signals.tracers.get_tracer("app").start_as_current_span("request") as span:
            await get(client)
            return span.get_span_context().span_id

    caller = bench.run(call, httpx.Response(503), payment())
    first, second, whole = signals.spans.get_finished_spans()
    assert {s.parent.span_id for s in (first, second)} == {caller}
    assert {s.context.trace_id for s in (first, second, whole)} == {whole.context.trace_id}


def test_without_telemetry_a_callers_trace_still_goes_on(bench: Any, payment: Good, signals: Signals) -> None:
    """Switched off, nothing is measured, and the header still names the caller's span."""
    bench.settings = {"features": {"telemetry": False}}

    async def call(client: PaymentsClient) -> str:
        with signals.tracers.get_tracer("app").start_as_current_span("request") as span:
            await get(client)
            return f"{span.get_span_context().span_id:016x}"

    parent = bench.run(call, payment())
    assert bench.requests[0].headers["traceparent"].split("-")[2] == parent
    assert signals.points("http.client.request.duration") == []
    assert trace.get_current_span().get_span_context().is_valid is False


def test_a_cancelled_operation_ends_its_spans(bench: Any, signals: Signals) -> None:
    """What the caller gives up is closed and named, not left open."""

    async def hang(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def call(client: PaymentsClient) -> None:
        task = asyncio.create_task(client.get_payment("p1"))
        while not bench.requests:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    bench.run(call, hang)
    ended = [s.attributes["error.type"] for s in signals.spans.get_finished_spans() if s.attributes]
    assert ended == ["cancelled"]


def test_labels_stay_few_however_many_ids_there_are(bench: Any, payment: Good, signals: Signals) -> None:
    """Distinct ids make no distinct series."""

    async def call(client: PaymentsClient) -> None:
        for number in range(50):
            await client.get_payment(f"id-{number}")

    bench.run(call, payment())
    assert len(signals.points("http.client.request.duration")) == 1


@pytest.mark.parametrize(
    "step",
    [
        lambda s: httpx.Response(200, json={"id": s}),
        lambda s: httpx.Response(400, json={"code": s, "title": s}, headers={"Set-Cookie": s}),
        lambda s: httpx.Response(302, headers={"Location": f"https://evil/?k={s}"}),
        lambda s: httpx.ReadTimeout(s),
        lambda s: httpx.RemoteProtocolError(f"Server disconnected without {s}"),
        lambda s: httpx.Response(503, headers={"Retry-After": s, "RateLimit": s, "Deprecation": s}),
    ],
)
def test_no_canary_in_any_signal(
    bench: Any, canary: str, signals: Signals, step: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a provider echoes: no metric, span, log record or error shows the secret."""
    caplog.set_level(1)
    error = bench.run(get, step(canary))
    shown = signals.everything() + caplog.text + repr(error) + repr(error.facts)
    shown += "".join(repr(vars(record)) for record in caplog.records)
    assert canary not in shown


def test_the_line_of_an_attempt_has_fixed_fields(
    bench: Any, payment: Good, caplog: pytest.LogCaptureFixture
) -> None:
    """A structured handler finds every field on the record, the same for each outcome."""
    caplog.set_level(logging.INFO, "galeproof.client")
    bench.run(get, httpx.ReadTimeout("x"), payment())
    fields = ("method", "route", "attempt", "status", "outcome", "elapsed_s")
    lines = [r for r in caplog.records if r.name == "galeproof.client"]
    assert [[getattr(r, f"gale_{name}") for name in fields] for r in lines] == [
        ["GET", "/payments/{payment_id}", 1, None, "timeout", 0.0],
        ["GET", "/payments/{payment_id}", 2, 200, "ok", 0.0],
    ]
    assert [r.levelname for r in lines] == ["WARNING", "INFO"]
    assert len({r.gale_correlation_id for r in lines}) == 1  # type: ignore[attr-defined]
