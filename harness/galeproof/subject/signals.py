"""What a process measures of itself: OpenTelemetry's spans and metrics, taken in memory.

Nothing is installed before the subject has imported the API, nor where it has set a provider of its own
(whose spans are taken all the same). Counts are told by periods: one ends at each of the first calls, so
that the control's are apart from the storm's.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from galeproof.invariants.sec import shows
from galeproof.kernel.clock import now_ns

__all__ = ["Signals"]

_PROBE = "galeproof-probe-7f3a"
_MOST = 5_000  # different signals
_TEXT = 4096
_Signal = tuple[str, str, str, str]  # signal, kind, name, attributes as JSON


class Signals:
    """Takes signals from ``look`` on.

    Args:
        secrets: A text in which one of these stands is kept whole.
        calls: How many of the first calls end a period.
    """

    def __init__(self, secrets: Collection[str], calls: int) -> None:
        self._secrets = tuple(secrets)
        self._calls = calls
        self._spans: Counter[_Signal] = Counter()
        self._told: list[tuple[int, _Signal, int]] = []
        self._since_ns = now_ns()
        self._reader: Any = None
        self._undo = contextlib.ExitStack()
        self._on = False

    def look(self) -> None:
        """Begin as soon as there is something to listen to; end a period, at one of the first calls."""
        if not self._on and "opentelemetry.trace" in sys.modules:
            self._on = True
            with contextlib.suppress(ImportError, AttributeError):  # the API without its SDK
                self._install()
        if self._on and self._calls >= 0:
            self._calls -= 1
            self._end_period()

    def _install(self) -> None:
        trace, metrics = (importlib.import_module(f"opentelemetry.{n}") for n in ("trace", "metrics"))
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        measured = importlib.import_module("opentelemetry.sdk.metrics")
        export = importlib.import_module("opentelemetry.sdk.metrics.export")
        processor = type("_Taken", (sdk.SpanProcessor,), {"on_end": lambda _, span: self._take(span)})()
        inner = importlib.import_module("opentelemetry.metrics._internal")
        if getattr(trace, "_TRACER_PROVIDER", None) is None:
            provider = sdk.TracerProvider()
            provider.add_span_processor(processor)
            trace.set_tracer_provider(provider)
            self._undo.callback(_unset, trace, "_TRACER_PROVIDER")
        else:
            trace.get_tracer_provider().add_span_processor(processor)
        if getattr(inner, "_METER_PROVIDER", None) is None:
            delta = export.AggregationTemporality.DELTA
            kinds = (measured.Counter, measured.Histogram, measured.UpDownCounter)
            self._reader = export.InMemoryMetricReader(preferred_temporality=dict.fromkeys(kinds, delta))
            metrics.set_meter_provider(measured.MeterProvider([self._reader], shutdown_on_exit=False))
            self._undo.callback(_unset, inner, "_METER_PROVIDER")
            self._undo.callback(setattr, inner._PROXY_METER_PROVIDER, "_real_meter_provider", None)

    def _take(self, span: Any) -> None:
        """Count one span that has ended."""
        more: list[Any] = [[e.name, dict(e.attributes or {})] for e in span.events]
        more += [dict(link.attributes or {}) for link in span.links]
        said = dict(span.attributes or {})
        if more or span.status.description:
            said["galeproof.more"] = json.dumps([*more, span.status.description], default=str)
        key = ("span", span.kind.name.lower(), span.name, json.dumps(said, default=str, sort_keys=True))
        if key in self._spans or len(self._spans) < _MOST:
            self._spans[key] += 1

    def _end_period(self) -> None:
        since, self._since_ns = self._since_ns, now_ns()
        taken, self._spans = self._spans, Counter()
        self._told += [(since, key, count) for key, count in [*taken.items(), *self._metrics()]]

    def _metrics(self) -> Iterator[tuple[_Signal, int]]:
        data = self._reader.get_metrics_data() if self._reader else None
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        text = json.dumps(dict(point.attributes or {}), default=str, sort_keys=True)
                        kind = type(metric.data).__name__.lower()
                        count = getattr(point, "count", None)
                        yield ("metric", kind, metric.name, text), int(
                            count if count is not None else getattr(point, "value", 0))

    def stop(self) -> tuple[list[tuple[int, dict[str, Any]]], list[dict[str, Any]]]:
        """End; return the signals (beginning of their period in ns, event data), and the probe."""
        if self._on:
            with contextlib.suppress(ImportError):
                self._plant()
            self._end_period()
        self._undo.close()
        probes = {key[0] for _, key, _ in self._told if _PROBE in key[3]}
        captured = [(since, {"channel": "telemetry", "level": None, "logger": name, "signal": signal,
                             "kind": kind, "count": count, "text": self._kept(text)})
                    for since, (signal, kind, name, text), count in self._told[:2 * _MOST]
                    if _PROBE not in text]
        found = probes == {"span", "metric"} and len(self._told) < _MOST
        return captured, [{"channel": "telemetry", "found": found}]

    def _plant(self) -> None:
        trace, metrics = (importlib.import_module(f"opentelemetry.{n}") for n in ("trace", "metrics"))
        trace.get_tracer("galeproof.probe").start_span("probe", attributes={"probe": _PROBE}).end()
        metrics.get_meter("galeproof.probe").create_counter("probe").add(1, {"probe": _PROBE})

    def _kept(self, text: str) -> str:
        return text if shows(self._secrets, text) else text[:_TEXT]


def _unset(module: Any, name: str) -> None:
    """Forget a provider of ours: the API lets each be set once, and the next run has its own."""
    setattr(module, name, None)
    once = getattr(module, f"{name}_SET_ONCE")
    setattr(module, f"{name}_SET_ONCE", type(once)())
