"""One line in the log for each attempt, with the same fields always."""

from __future__ import annotations

import logging

from galeproof.client.operation import Operation

__all__ = ["write_line"]

_LOG = logging.getLogger("galeproof.client")


def write_line(
    operation: Operation, attempt: int, status: int | None, outcome: str, elapsed_s: float
) -> None:
    """Write the line of one attempt.

    The fields stand in the text and, for structured handlers, as `gale_*` on the record.

    Args:
        operation: gives method, route and correlation id.
        attempt: its number; that of the last one when nothing was sent.
        status: the HTTP status, or None.
        outcome: `ok`, `refused` (by the provider), or what went wrong.
        elapsed_s: how long it took.
    """
    level = logging.INFO if outcome == "ok" else logging.WARNING
    if not _LOG.isEnabledFor(level):
        return
    _LOG.log(
        level,
        "method=%s route=%s attempt=%d status=%s outcome=%s correlation_id=%s",
        operation.method,
        operation.route,
        attempt,
        "-" if status is None else status,
        outcome,
        operation.correlation_id,
        extra={
            "gale_method": operation.method,
            "gale_route": operation.route,
            "gale_attempt": attempt,
            "gale_status": status,
            "gale_outcome": outcome,
            "gale_correlation_id": operation.correlation_id,
            "gale_elapsed_s": round(elapsed_s, 6),
        },
    )
