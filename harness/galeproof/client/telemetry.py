"""OpenTelemetry metrics and spans, named after its HTTP conventions.

Histograms carry counts by outcome, so that success rate, p95, p99 and p99.9 of an endpoint can be
read from them. Attributes are of bounded number: templates, never paths; no header and no body.
Without an SDK the API's own instruments do nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from galeproof.client.gate import Gate
from galeproof.client.operation import Operation, Progress
from galeproof.client.outbox_store import OutboxStore
from galeproof.client.settings import ClientSettings
from galeproof.client.shared import dependency_of
from galeproof.client.urls import origin_of

__all__ = ["Telemetry", "observe_outbox"]

_NAME = "galeproof.client"
_SCHEMA = "https://opentelemetry.io/schemas/1.29.0"
_STATES = {"closed": 0, "half_open": 1, "open": 2}
# The conventions' own boundaries, and two more for the tail.
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60)
_SAMPLED = {False: "00", True: "01"}


class Telemetry:
    """The signals of one client.

    Args:
        settings: the provider's address; `features.telemetry` off makes all of this silent.
        gate: whose breaker and budget are observed.
        meter_provider: in place of the global one.
        tracer_provider: in place of the global one.
    """

    def __init__(
        self,
        settings: ClientSettings,
        gate: Gate,
        *,
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        self.on = settings.features.telemetry
        _, host, port = origin_of(settings.base_url)
        self._server: dict[str, str | int] = {"server.address": host, "server.port": port}
        self._kept: dict[tuple[str, str, int | None, str | None], dict[str, str | int]] = {}
        if not self.on:
            return
        provider = meter_provider if meter_provider is not None else metrics.get_meter_provider()
        meter = provider.get_meter(_NAME, schema_url=_SCHEMA)
        self._tracer = trace.get_tracer(_NAME, None, tracer_provider, _SCHEMA)
        self._attempts = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of one attempt.",
            explicit_bucket_boundaries_advisory=_BOUNDS_S,
        )
        self._operations = meter.create_histogram(
            "galeproof.client.operation.duration",
            unit="s",
            description="Duration of one operation, its retries and waits included.",
            explicit_bucket_boundaries_advisory=_BOUNDS_S,
        )
        self._retries = meter.create_counter(
            "galeproof.client.retries", unit="{retry}", description="Attempts after the first."
        )
        self._held = meter.create_counter(
            "galeproof.client.throttled",
            unit="{attempt}",
            description="Attempts held back by this client, by reason.",
        )
        _observe(meter, gate, {"galeproof.dependency": dependency_of(settings)})

    def begin_attempt(self, operation: Operation, progress: Progress) -> Span | None:
        """Start the client span of one attempt.

        Attempts of one operation are siblings below the caller's span. Where there is none, the
        first attempt is the parent of the others, so that they stay one trace.
        """
        if not self.on:
            return None
        attributes = self._labels(operation, None, None)
        context = None
        if progress.attempts > 1:
            self._retries.add(1, attributes)
            attributes = {**attributes, "http.request.resend_count": progress.attempts - 1}
            if progress.span is not None and not trace.get_current_span().get_span_context().is_valid:
                context = trace.set_span_in_context(progress.span)
        span = self._tracer.start_span(
            operation.method, context=context, kind=SpanKind.CLIENT, attributes=attributes
        )
        if progress.attempts == 1:
            progress.span = span
            if span.is_recording():
                span.set_attribute("galeproof.correlation_id", operation.correlation_id)
        return span

    def finish_attempt(
        self, span: Span | None, operation: Operation, status: int | None, error: str | None,
        elapsed_s: float,
    ) -> None:  # fmt: skip
        """End an attempt with its status and the kind of its failure."""
        if span is None:
            return
        self._attempts.record(elapsed_s, self._labels(operation, status, error))
        if span.is_recording():
            if status is not None:
                span.set_attribute("http.response.status_code", status)
            if error is not None:
                span.set_attribute("error.type", error)
                span.set_status(Status(StatusCode.ERROR))
        span.end()

    def finish(self, operation: Operation, error: str | None, elapsed_s: float) -> None:
        """End an operation; `error` is the class of its error, None for a success."""
        if self.on:
            self._operations.record(elapsed_s, self._labels(operation, None, error))

    def _labels(
        self, operation: Operation, status: int | None, error: str | None
    ) -> dict[str, str | int]:
        """Return the attributes of an outcome; they are few, so they are kept."""
        key = (operation.method, operation.route, status, error)
        found = self._kept.get(key)
        if found is None:
            found = {
                "http.request.method": operation.method,
                "url.template": operation.route,
                **self._server,
            }
            if status is not None:
                found["http.response.status_code"] = status
            if error is not None:
                found["error.type"] = error
            self._kept[key] = found
        return found

    def held(self, operation: Operation, reason: str) -> None:
        """Count an attempt that was held back."""
        if self.on:
            self._held.add(1, {"url.template": operation.route, "error.type": reason, **self._server})

    def traceparent(self, span: Span | None) -> str | None:
        """Return the header that makes the provider's spans children of this attempt."""
        context = (span if span is not None else trace.get_current_span()).get_span_context()
        if not context.is_valid:
            return None
        sampled = _SAMPLED[context.trace_flags.sampled]
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{sampled}"


def _observe(meter: Meter, gate: Gate, labels: dict[str, str]) -> None:
    """Observe state without keeping a closed client's gate alive."""
    seen = weakref.ref(gate)

    def state(_: CallbackOptions) -> Iterable[Observation]:
        found = seen()
        if found is not None and found.breaker is not None:
            yield Observation(_STATES[found.breaker.state], labels)

    def left(_: CallbackOptions) -> Iterable[Observation]:
        found = seen()
        if found is not None and found.budget is not None:
            yield Observation(found.budget.left, labels)

    meter.create_observable_gauge(
        "galeproof.client.breaker.state", [state], description="0 closed, 1 half-open, 2 open."
    )
    meter.create_observable_gauge(
        "galeproof.client.retry_budget.left", [left], unit="{token}",
        description="Tokens left in the retry budget.",
    )  # fmt: skip


def observe_outbox(name: str, store: OutboxStore, meter_provider: MeterProvider | None) -> None:
    """Observe how many calls wait in an outbox and how many were given up, as its file says.

    Args:
        name: of the outbox, as an attribute.
        store: its file; it is not kept open by this.
        meter_provider: in place of the global one.
    """
    provider = meter_provider if meter_provider is not None else metrics.get_meter_provider()
    meter = provider.get_meter(_NAME, schema_url=_SCHEMA)
    seen = weakref.ref(store)
    for state in ("waiting", "dead"):

        def count(_: CallbackOptions, state: str = state) -> Iterable[Observation]:
            found = seen()
            counts = found.counts() if found is not None else None
            if counts is not None:  # the file is open
                yield Observation(counts.get(state, 0), {"galeproof.outbox": name})

        meter.create_observable_gauge(
            f"galeproof.client.outbox.{state}", [count], unit="{entry}",
            description=f"Calls in the outbox that are {state}.",
        )  # fmt: skip
