"""One client instance that serves many operations: what every kind of subject offers a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from galeproof.subject.capture import Captured
from galeproof.subject.description import SubjectDescription
from galeproof.subject.outcome import Outcome

__all__ = ["Instance", "patience_s"]

_CLOSE_S = 5.0
_INTERRUPTED_S = 0.7


class Instance(Protocol):
    """One client instance, opened against one base URL."""

    timezone: str | None
    given: Mapping[str, str]  # further arguments of its constructor: other_url, token_url, ca_file
    ended: str | None  # why it is gone although nobody closed it
    channels: tuple[str, ...]  # where what it says is listened to
    environment: dict[str, str]  # given to its process, if it has one

    @property
    def pid(self) -> int | None:
        """The process that it runs in; None where each operation has its own."""

    @property
    def description(self) -> SubjectDescription:
        """Its operations; of a foreign process known once it is open."""

    async def open(self, base_url: str, secrets: Mapping[str, str]) -> None:
        """Build the client."""

    async def call(self, operation: str, args: Mapping[str, Any]) -> Outcome:
        """Do one operation; a failure of the client is an outcome, not an exception."""

    async def rotate(self, name: str, value: str) -> bool:
        """Put another secret into the file that it was given; False where it asked for none."""

    async def close(self) -> tuple[list[Captured], list[dict[str, Any]]]:
        """Close the client; return what was captured, and the probes."""


def patience_s() -> float:
    """How long a close may take: not long where Ctrl-C was pressed."""
    task = asyncio.current_task()
    return _INTERRUPTED_S if task and task.cancelling() else _CLOSE_S
