"""Everything that a client's process shows: log records at any level, metrics, spans, errors, reprs."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

__all__ = ["Seen", "seeing"]


class Seen(logging.Handler):
    """Collects what is shown, as text."""

    def __init__(self) -> None:
        super().__init__(0)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self._texts: list[str] = []
        self.loggers: set[str] = set()
        self._reader, self._spans = InMemoryMetricReader(), InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.options: dict[str, Any] = {
            "meter_provider": MeterProvider([self._reader]), "tracer_provider": tracers,
            "audit": lambda event: self._texts.append(repr(event)),
        }

    def emit(self, record: logging.LogRecord) -> None:
        self.loggers.add(record.name.partition(".")[0])
        self._texts += [self.format(record), repr(record.args), repr(record.__dict__)]

    def take(self, thing: object) -> None:
        """Look at an object of the client; at an error with its whole traceback, locals included."""
        self._texts += [repr(thing), str(thing)]
        if isinstance(thing, BaseException):
            shown = traceback.TracebackException.from_exception(thing, capture_locals=True)
            self._texts += [*shown.format(), repr(getattr(thing, "facts", ""))]
        else:
            self._texts.append(repr(getattr(thing, "__dict__", "")))

    def signals(self) -> str:
        """Return metrics and spans as they would be exported."""
        data = self._reader.get_metrics_data()
        spans = "".join(span.to_json() for span in self._spans.get_finished_spans())
        return (data.to_json() if data else "") + spans

    def showing(self, *secrets: str) -> list[str]:
        """Return those secrets that are shown anywhere, plain or encoded."""
        everything = "\n".join(self._texts) + self.signals()
        forms = {s: (s, quote(s, safe=""), base64.b64encode(s.encode()).decode()) for s in secrets}
        return [secret for secret, ways in forms.items() if any(way in everything for way in ways)]


@contextmanager
def seeing() -> Iterator[Seen]:
    """Listen to every logger of this process at every level."""
    seen = Seen()
    names = ["", "httpx", "httpcore", "httpx2", "httpcore2", "galeproof", "asyncio"]
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(1)
    logging.getLogger().addHandler(seen)
    try:
        yield seen
    finally:
        logging.getLogger().removeHandler(seen)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
