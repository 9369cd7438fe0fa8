"""The body of /metrics: Prometheus text, series and names as Toxiproxy has them, and ours."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from galeproof.toxiproxy.embedded._proxy import Proxy
from galeproof.toxiproxy.embedded._traffic import Ledger, Series

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Metrics:
    """What /metrics shows.

    Args:
        ledger: The totals of the server.
        proxy: Show proxies.
        runtime: Show this process.
    """

    def __init__(self, ledger: Ledger, *, proxy: bool, runtime: bool) -> None:
        self._ledger = ledger
        self._proxy = proxy
        self._runtime = runtime
        self._started_s = time.time()

    @property
    def enabled(self) -> bool:
        """True if there is anything to show."""
        return self._proxy or self._runtime

    def text(self, proxies: Iterable[Proxy]) -> str:
        """Everything, in order of name."""
        families: list[tuple[str, str, str, Iterable[str]]] = [
            ("promhttp_metric_handler_errors_total", "counter",
             "Total number of internal errors encountered by the promhttp metric handler.",
             ('{cause="encoding"} 0', '{cause="gathering"} 0')),
        ]
        if self._proxy:
            families += self._of_proxies(proxies)
        if self._runtime:
            families += self._of_process()
        return "".join(_family(*family) for family in sorted(families, key=lambda f: f[0]))

    def _of_proxies(self, proxies: Iterable[Proxy]) -> Iterator[tuple[str, str, str, Iterable[str]]]:
        ledger = self._ledger
        gauge = {Series(p.name, p.listen, p.upstream): p.open for p in proxies}
        for name, kind, text, totals in (
            ("galeproof_proxy_connections_total", "counter", "Connections that clients opened.",
             ledger.connections),
            ("galeproof_proxy_open_connections", "gauge", "Connections open now.", gauge),
            ("galeproof_proxy_refused_total", "counter",
             "Connections whose upstream could not be reached.", ledger.refused),
            ("toxiproxy_proxy_received_bytes_total", "counter", "", ledger.received),
            ("toxiproxy_proxy_sent_bytes_total", "counter", "", ledger.sent),
        ):
            if totals:
                yield name, kind, text, sorted(_series(totals))

    def _of_process(self) -> Iterator[tuple[str, str, str, Iterable[str]]]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        figures: dict[str, tuple[str, str, float]] = {
            "cpu_seconds_total": ("counter", "Total user and system CPU time spent in seconds.",
                                  used.ru_utime + used.ru_stime),
            "max_fds": ("gauge", "Maximum number of open file descriptors.",
                        resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
            "start_time_seconds": ("gauge", "Start time of the process since unix epoch in seconds.",
                                   self._started_s),
        }
        with contextlib.suppress(OSError):  # Linux only
            pages = Path("/proc/self/statm").read_text().split()
            size = os.sysconf("SC_PAGE_SIZE")
            figures["open_fds"] = ("gauge", "Number of open file descriptors.",
                                   len(os.listdir("/proc/self/fd")))
            figures["virtual_memory_bytes"] = ("gauge", "Virtual memory size in bytes.",
                                               int(pages[0]) * size)
            figures["resident_memory_bytes"] = ("gauge", "Resident memory size in bytes.",
                                                int(pages[1]) * size)
        for name, (kind, text, value) in figures.items():
            yield f"process_{name}", kind, text, (f" {value:.10g}",)


def _family(name: str, kind: str, text: str, lines: Iterable[str]) -> str:
    body = "".join(f"{name}{line}\n" for line in lines)
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{body}"


def _series(totals: Mapping[Series, int]) -> Iterator[str]:
    for series, value in totals.items():
        labels = {"direction": series.direction, "listener": series.listener,
                  "proxy": series.proxy, "upstream": series.upstream}
        inside = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels.items() if text)
        yield f"{{{inside}}} {value}"
