"""The head of an answer, read as it passes."""

from __future__ import annotations

from dataclasses import dataclass, field

from galeproof.kernel.wire import Opaque, head_end, parse_head

__all__ = ["AnswerHead"]

_KEPT_VALUE = 8192  # of an answer's header: huge ones are a fault of ours


@dataclass(slots=True)
class AnswerHead:
    """Takes an answer's bytes until its final head is whole, or they are no head.

    Attributes:
        interim: Statuses of the 1xx that came with the last bytes.
        status: The final one, once it is known.
        headers: Those of the final head.
    """

    interim: list[int] = field(default_factory=list)
    status: int | None = None
    headers: list[list[str]] = field(default_factory=list)
    _bytes: bytes | None = b""

    def feed(self, data: bytes) -> bool:
        """Take bytes; tell whether the final head is whole with these."""
        self.interim = []
        if self._bytes is None:
            return False
        self._bytes += data
        while (end := head_end(self._bytes)) > 0:
            try:
                head = parse_head(self._bytes[:end])
                status = int(head.first[1])
            except (Opaque, ValueError):
                self._bytes = None
                return False
            if 100 <= status < 200 and status != 101:
                self.interim.append(status)
                self._bytes = self._bytes[end:]
                continue
            self.status = status
            self.headers = [[name, value[:_KEPT_VALUE]] for name, value in head.headers]
            self._bytes = None
            return True
        return False

    def skip(self) -> None:
        """Read no head: these bytes are relayed, not parsed."""
        self._bytes = None
