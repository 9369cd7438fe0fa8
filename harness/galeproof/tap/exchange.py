"""One exchange in flight: a request of the subject and the answer that comes back."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from galeproof.kernel.wire import Body
from galeproof.tap.reading import AnswerHead

if TYPE_CHECKING:
    from galeproof.tap.client import ClientConnection
    from galeproof.tap.upstream import Upstream

__all__ = ["KEPT_BODY", "Ending", "Exchange"]

KEPT_BODY = 65536


@dataclass(slots=True)
class Ending:
    """How the origin says this answer ends: after ``total`` bytes, by keep, fin or rst."""

    total: int
    close: str


@dataclass(slots=True)
class Exchange:
    """State of one exchange; ``number`` is unique in a world's run."""

    number: int
    client: ClientConnection
    marker: str | None
    attempt: int
    step: Mapping[str, Any]
    lane: str
    method: str = ""
    request: Body = field(default_factory=lambda: Body("none"))
    upstream: Upstream | None = None
    queue: list[bytes] = field(default_factory=list)
    up: int = 0
    down: int = 0
    sent: int = 0
    answer: AnswerHead = field(default_factory=AnswerHead)
    ending: Ending | None = None
    kept: bool = False
    over: bool = False
    lane_closed: str | None = None
    coding: str = ""
    body_size: int = 0
    body: bytearray = field(default_factory=bytearray)
    digest: Any = field(default_factory=hashlib.sha256)

    def said(self) -> str:
        """The body as far as it was kept, unpacked where gzip or deflate packed it."""
        kept = bytes(self.body)
        if self.coding in ("gzip", "x-gzip", "deflate"):
            with contextlib.suppress(zlib.error):
                kept = zlib.decompressobj(47).decompress(kept, KEPT_BODY)
        return kept.decode("latin-1")

    def take_body(self, data: bytes) -> None:
        """Record a request's body as it passes, chunk framing left out."""
        self.body_size += len(data)
        self.digest.update(data)
        if len(self.body) < KEPT_BODY:
            self.body += data[: KEPT_BODY - len(self.body)]
