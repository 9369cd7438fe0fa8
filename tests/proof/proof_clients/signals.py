"""Mutants and traps: what a client measures of itself."""

from __future__ import annotations

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import Sound

# -- SEC003 ------------------------------------------------------------------------------------------


class Measured(Sound):
    """Trap: spans and a histogram after the conventions, whose labels are templates."""

    INVARIANTS = ("SEC003",)

    def __init__(self, base_url, secrets):
        super().__init__(base_url, secrets)
        self.tracer = trace.get_tracer("proof")
        self.duration = metrics.get_meter("proof").create_histogram("http.client.request.duration", unit="s")

    def labels(self, method, path):
        return {"http.request.method": method, "url.template": "/payments/{id}" if method == "GET" else path}

    def noted(self, span):
        """Say something more of an attempt."""

    def send(self, method, path, ref, body, key, attempt, until):
        labels, status = self.labels(method, path), {}
        resent = {"http.request.resend_count": attempt - 1} if attempt > 1 else {}
        with self.tracer.start_as_current_span(method, kind=SpanKind.CLIENT, record_exception=False,
                                               attributes={**labels, **resent}) as span:
            self.noted(span)
            try:
                response = super().send(method, path, ref, body, key, attempt, until)
                status = {"http.response.status_code": response.status_code}
                span.set_attributes(status)
                return response
            finally:
                self.counted(attempt, {**labels, **status})

    def counted(self, attempt, labels):
        self.duration.record(0.1, labels)


class MeasuredOnRequests(Measured, SoundOnRequests):
    """Trap: the same on requests, with a redacted URL as an attribute."""

    def noted(self, span):
        span.set_attribute("url.full", f"{self.base}/payments?sig=REDACTED")


class RawUrlAsALabel(Measured):
    """The raw URL is a label, its key in the query."""

    EXPECT = frozenset({"SEC003"})
    MAY = {"OBS002": "a label for each secret"}

    def labels(self, method, path):
        return {"http.request.method": method, "url": f"{self.base}{path.split('/p')[0]}?api_key={self.key}"}


class HeadersInAnEvent(MeasuredOnRequests):
    """A span's event has the headers, on requests."""

    EXPECT = frozenset({"SEC003"})

    def noted(self, span):
        span.add_event("sent", {"headers": f"Authorization: Bearer {self.key}"})


# -- OBS002 ------------------------------------------------------------------------------------------

class CountsEachAttempt(Measured):
    """Trap: one span and one measurement an attempt."""

    INVARIANTS = ("OBS002",)


class CountsEachAttemptOnRequests(MeasuredOnRequests):
    """Trap: the same on requests."""

    INVARIANTS = ("OBS002",)


class CountsNoRetries(MeasuredOnRequests):
    """Only the first attempt is measured, on requests."""

    INVARIANTS, EXPECT = ("OBS002",), frozenset({"OBS002"})

    def counted(self, attempt, labels):
        if attempt == 1:
            super().counted(attempt, labels)


class LabelsWithThePath(Measured):
    """The raw path is a label."""

    INVARIANTS, EXPECT = ("OBS002",), frozenset({"OBS002"})

    def labels(self, method, path):
        return {"http.request.method": method, "url.path": path}
