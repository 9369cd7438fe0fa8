"""HTTP/1.1 message boundaries: exact byte positions, bytes unchanged (RFC 9112).

What cannot be decided safely raises Opaque: such bytes are relayed, never parsed.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MAX_HEAD", "Body", "Head", "Opaque", "head_end", "looks_http", "parse_head",
           "request_body", "response_body"]

MAX_HEAD = 1 << 20
_METHOD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-")
_MAX_LINE = 65536


class Opaque(Exception):
    """These bytes are no HTTP/1 message that can be told apart safely."""


@dataclass(frozen=True, slots=True)
class Head:
    """A parsed message head: the three parts of its first line, and headers as sent."""

    first: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """Return the first value of a header (name in lower case), or None."""
        return next((v for n, v in self.headers if n.lower() == name), None)

    def all(self, name: str) -> list[str]:
        """Return every value of a header (name in lower case)."""
        return [v for n, v in self.headers if n.lower() == name]


def looks_http(data: bytes | bytearray) -> bool:
    """Tell whether these first bytes can still become an HTTP/1 request."""
    start = bytes(data[:24]).lstrip(b"\r\n")
    if start.startswith(b"PRI * HTTP/2"[: max(len(start), 1)]) and len(start) >= 12:
        return False
    return all(byte in _METHOD for byte in start.split(b" ", 1)[0])


def head_end(data: bytes | bytearray, seen: int = 0) -> int:
    """Return the position after the head's blank line, or -1.

    Args:
        data: Bytes from the head's first on.
        seen: How many of them were searched before.
    """
    at = data.find(b"\r\n\r\n", max(0, seen - 3))
    return at + 4 if at >= 0 else -1


def parse_head(raw: bytes) -> Head:
    """Parse a whole head, blank line included.

    Raises:
        Opaque: A bare LF, an obsolete fold, a line without a name, or a bad first line.
    """
    lines = raw[:-4].split(b"\r\n")
    first = tuple(part.decode("latin-1") for part in lines[0].split(b" ", 2))
    if len(first) < 2 or b"\n" in raw.replace(b"\r\n", b""):
        raise Opaque("first line or bare LF")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name or name[-1:] in b" \t" or name[:1] in b" \t":
            raise Opaque("header line")
        headers.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))
    return Head(first, tuple(headers))


class Body:
    """Counts where a message body ends. Modes: none, length, chunked, close.

    Attributes:
        spans: Where content stood in the bytes of the last ``feed`` (chunk framing is none).
    """

    __slots__ = ("_left", "_line", "_state", "done", "mode", "spans")

    def __init__(self, mode: str, length: int = 0) -> None:
        self.mode = mode
        self.done = mode == "none" or (mode == "length" and length == 0)
        self._left = length
        self._state = "size"
        self._line = b""
        self.spans: list[tuple[int, int]] = []

    def feed(self, data: bytes | bytearray) -> int:
        """Return how many of these bytes belong to the body; sets ``done`` at its end.

        Raises:
            Opaque: Broken chunk framing.
        """
        self.spans = []
        if self.done:
            return 0
        if self.mode == "close":
            self.spans.append((0, len(data)))
            return len(data)
        if self.mode == "length":
            taken = min(len(data), self._left)
            self._left -= taken
            self.done = self._left == 0
            self.spans.append((0, taken))
            return taken
        return self._chunked(data)

    def _chunked(self, data: bytes | bytearray) -> int:
        at, size = 0, len(data)
        while at < size and not self.done:
            if self._state == "data":
                taken = min(size - at, self._left)
                self.spans.append((at, at + taken))
                at += taken
                self._left -= taken
                if not self._left:
                    self._state = "crlf"
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += bytes(data[at:])
                at = size
                if len(self._line) > _MAX_LINE:
                    raise Opaque("chunk line too long")
                break
            line = self._line + bytes(data[at : end + 1])
            at, self._line = end + 1, b""
            if not line.endswith(b"\r\n"):
                raise Opaque("bare LF in chunk framing")
            self._framing(line[:-2])
        return at

    def _framing(self, line: bytes) -> None:
        if self._state == "crlf":
            if line:
                raise Opaque("chunk longer than its size")
            self._state = "size"
        elif self._state == "size":
            digits = line.split(b";")[0].rstrip(b" \t")
            if not digits or any(c not in b"0123456789abcdefABCDEF" for c in digits) or len(
                digits) > 16:
                raise Opaque("chunk size")
            self._left = int(digits, 16)
            self._state = "data" if self._left else "trailer"
        elif not line:
            self.done = True


def _framed(head: Head) -> Body | None:
    coding = head.all("transfer-encoding")
    lengths = head.all("content-length")
    if coding:
        if ",".join(coding).split(",")[-1].strip().lower() != "chunked":
            raise Opaque("transfer-encoding")
        if lengths:
            raise Opaque("length and chunked")
        return Body("chunked")
    if lengths:
        if len(set(lengths)) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise Opaque("content-length")
        return Body("length", int(lengths[0]))
    return None


def request_body(head: Head) -> Body:
    """Return the counter for a request's body.

    Raises:
        Opaque: Conflicting lengths, an unknown coding, or CONNECT.
    """
    if head.first[0] == "CONNECT":
        raise Opaque("CONNECT")
    return _framed(head) or Body("none")


def response_body(head: Head, method: str) -> Body:
    """Return the counter for a response's body (RFC 9112, 6.3).

    Raises:
        Opaque: Conflicting lengths or an unknown coding.
    """
    status = head.first[1]
    if method == "HEAD" or status in ("204", "304") or status[:1] == "1":
        return Body("none")
    return _framed(head) or Body("close")
