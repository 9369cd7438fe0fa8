"""The audit log: every use, change and revocation of a credential, by name and never by value."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from galeproof.client.clock import Now

__all__ = ["AuditEvent", "AuditLog"]

_LOG = logging.getLogger("galeproof.client.audit")
Action = Literal[
    "use", "obtained", "changed", "refused", "revoked", "reload_failed", "store_failed", "scope_differs"
]
_QUIET = frozenset({"use", "obtained", "changed"})


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the audit log.

    Args:
        at: when (UTC).
        action: what happened.
        credential: the credential's name.
        generation: how many values it has had, this one included.
        dependency: whom it is for.
        correlation_id: of the operation that used it, or "-".
        detail: scopes or a reason, or "-"; never a value.
    """

    at: datetime
    action: Action
    credential: str
    generation: int
    dependency: str
    correlation_id: str = "-"
    detail: str = "-"


class AuditLog:
    """Writes to the logger `galeproof.client.audit`, and to a sink where one is given.

    Args:
        dependency: whom the credentials are for.
        clock: for the instants.
        sink: called with every event; what it raises is the caller's.
    """

    def __init__(
        self, dependency: str, clock: Now, sink: Callable[[AuditEvent], None] | None = None
    ) -> None:
        self._dependency = dependency
        self._clock = clock
        self._sink = sink

    def note(
        self,
        action: Action,
        credential: str,
        generation: int,
        *,
        correlation_id: str = "-",
        detail: str = "-",
    ) -> None:
        """Write one event."""
        level = logging.INFO if action in _QUIET else logging.WARNING
        heard = _LOG.isEnabledFor(level)
        if heard:
            _LOG.log(
                level,
                "action=%s credential=%s generation=%d dependency=%s correlation_id=%s detail=%s",
                action, credential, generation, self._dependency, correlation_id, detail,
            )  # fmt: skip
        if self._sink is not None:
            at = datetime.fromtimestamp(self._clock.wall(), UTC)
            self._sink(
                AuditEvent(
                    at, action, credential, generation, self._dependency, correlation_id, detail
                )
            )
