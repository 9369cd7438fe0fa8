"""One socket of a connection, on the loop's readers and writers: no transport between.

A transport costs a call and a copy more on each read, and cannot tell how it was closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol

from galeproof.faults.toxics import End
from galeproof.toxiproxy.embedded._kernel import Pipe, Room, make_resetting, unacknowledged

__all__ = ["Endpoint"]

_CHUNK_MAX = 32 * 1024
_BULK_MIN = 64 * 1024
_DISCARD_MAX = 16
_LINGER_S = 5.0


class _Link(Protocol):
    """What carries this socket's bytes away, or brings it bytes."""

    toxic: bool

    def passed(self, count: int) -> None: ...
    def feed(self, data: bytes) -> None: ...
    def source_ended(self, how: End) -> None: ...
    def sink_lost(self) -> None: ...
    def sink_has_room(self) -> None: ...


class Endpoint:
    """One socket of a connection; not read before `attach`."""

    __slots__ = ("_bulk", "_closing", "_fd", "_give_up", "_held", "_incoming", "_loop", "_other",
                 "_outgoing", "_pending", "_pipe", "_read_ended", "_reader", "_resets", "_room", "_sock",
                 "_wait_s", "_watched", "congested", "lost", "on_lost")

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop, room: Room) -> None:
        self.congested = False
        self.lost = False
        self.on_lost: Callable[[], None] | None = None
        self._sock = sock
        self._fd = sock.fileno()
        self._loop = loop
        self._room = room
        self._outgoing: _Link
        self._incoming: _Link
        self._other: Endpoint
        self._pending: deque[bytes] = deque()
        self._pipe: Pipe | None = None
        self._bulk = False
        self._reader = self._readable
        self._held = True
        self._watched = False
        self._read_ended = False
        self._resets = False
        self._closing: Callable[[], None] | None = None
        self._give_up = 0.0
        self._wait_s = 0.001
        with contextlib.suppress(OSError):  # a peer that is gone already
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def read_ended(self) -> bool:
        """True once nothing more can come from the peer."""
        return self._read_ended or self.lost

    def attach(self, outgoing: _Link, incoming: _Link, other: Endpoint) -> None:
        """Set the links; `hold(False)` then begins to read."""
        self._outgoing, self._incoming, self._other = outgoing, incoming, other

    def hold(self, held: bool) -> None:
        """Stop or resume reading."""
        if held is self._held:
            return
        self._held = held
        self._watch()

    # -- in -------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Make the loop watch for bytes if they are wanted."""
        wanted = not (self._held or self.lost or self._read_ended)
        if wanted is self._watched:
            return
        self._watched = wanted
        if wanted:
            self._loop.add_reader(self._fd, self._reader)
        else:
            self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        link = self._outgoing
        try:
            if link.toxic:  # one read is one chunk
                data = self._sock.recv(_CHUNK_MAX)
                if data:
                    link.feed(data)
                    return
            elif self._bulk:
                if self._spliced():
                    return
            else:
                buffer = self._room.buffer
                count = self._sock.recv_into(buffer)
                if count:
                    self._bulk = count >= _BULK_MIN
                    self._other.write(buffer[:count])
                    link.passed(count)
                    return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lose()
            return
        self._read_ended = True
        self._watch()
        link.source_ended(End.CLOSE)

    def _spliced(self) -> bool:
        """Move bytes on inside the kernel; False at the end of the stream."""
        other = self._other
        pipe = None if other.congested or other.lost else self._room.pipes.take()
        if pipe is None:
            self._bulk = False
            return True
        try:
            count = os.splice(self._fd, pipe.write_fd, pipe.size, flags=os.SPLICE_F_NONBLOCK)
        except OSError as error:
            self._room.pipes.give_back(pipe)
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EPERM):
                raise
            self._room.pipes.disable()  # a sandbox that knows no splice
            self._bulk = False
            return True
        pipe.held = count
        self._bulk = count >= _BULK_MIN
        if count:
            other.write_from(pipe)
            self._outgoing.passed(count)
        else:
            self._room.pipes.give_back(pipe)
        return count > 0

    def _discard(self) -> None:
        """Read what came and forget it: close() with unread bytes would send RST, not FIN."""
        buffer = self._room.buffer
        with contextlib.suppress(OSError):
            for _ in range(_DISCARD_MAX):  # a peer that never stops must not hold up the rest
                if not self._sock.recv_into(buffer):
                    self._read_ended = True
                    self._watch()
                    return

    # -- out ------------------------------------------------------------------------------

    def write(self, data: bytes | memoryview) -> None:
        """Send in one write, later if the peer is not ready; a lost socket swallows."""
        if self.lost:
            return
        if self.congested:
            self._pending.append(bytes(data))
            return
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._lose()
            return
        if sent < len(data):
            self._pending.append(bytes(data[sent:]))
            self._congest()

    def write_from(self, pipe: Pipe) -> None:
        """Send what a pipe holds; nothing may be waiting before it."""
        self._pipe = pipe
        if not self._drain_pipe():
            self._congest()

    def _congest(self) -> None:
        if not self.lost:
            self.congested = True
            self._loop.add_writer(self._fd, self._writable)

    def _drain_pipe(self) -> bool:
        pipe = self._pipe
        if pipe is None:
            return True
        try:
            while pipe.held:
                pipe.held -= os.splice(pipe.read_fd, self._fd, pipe.held,
                                       flags=os.SPLICE_F_NONBLOCK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            self._lose()
            return True
        self._pipe = None
        self._room.pipes.give_back(pipe)
        return True

    def _writable(self) -> None:
        if not self._drain_pipe() or self.lost:
            return
        pending = self._pending
        try:
            while pending:
                data = pending[0]
                sent = self._sock.send(data)
                if sent < len(data):
                    pending[0] = data[sent:]
                    return
                pending.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lose()
            return
        self.congested = False
        self._loop.remove_writer(self._fd)
        if self._closing is not None:
            self._closing()
        else:
            self._incoming.sink_has_room()

    # -- the end --------------------------------------------------------------------------

    def reset_on_close(self) -> None:
        """Make every later close of this socket a RST."""
        self._resets = True
        make_resetting(self._sock)

    def end_writing(self) -> None:
        """Half-close once everything is written; reading goes on."""
        self._when_flushed(self._shut)

    def close_after_flush(self) -> None:
        """Close both directions once everything written has reached the peer."""
        if not self.lost and self._closing != self._finish:
            self._give_up = self._loop.time() + _LINGER_S
            self._held, self._reader = False, self._discard
            if self._watched:
                self._loop.add_reader(self._fd, self._discard)
            else:
                self._watch()
            self._when_flushed(self._finish)

    def drop(self) -> None:
        """Close at once; what was not sent is lost."""
        if not self.lost:
            self._discard()
            self._lose()

    def _when_flushed(self, act: Callable[[], None]) -> None:
        self._closing = act
        if not self.congested:
            act()

    def _shut(self) -> None:
        # Not closing any more: the peer may still send, and its end must be seen.
        self._closing = None
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def _finish(self) -> None:
        if not self._resets:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)
        self._close_when_received()

    def _close_when_received(self) -> None:
        if self.lost:
            return
        # 1: a FIN in the queue counts as one byte.
        allowed = 0 if self._resets else 1
        if unacknowledged(self._fd) > allowed and self._loop.time() < self._give_up:
            self._loop.call_later(self._wait_s, self._close_when_received)
            self._wait_s = min(0.05, self._wait_s * 2)
            return
        self.drop()

    def _lose(self) -> None:
        """The socket is gone: closed by us, or reset by the peer."""
        if self.lost:
            return
        self.lost = True
        self._watch()
        if self.congested:
            self._loop.remove_writer(self._fd)
        if self._pipe is not None:
            self._room.pipes.give_back(self._pipe)
            self._pipe = None
        self._pending.clear()
        self.congested = False
        self._sock.close()
        # Later, so that nobody up the stack finds the links changed under it.
        self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._incoming.sink_lost()
        self._outgoing.source_ended(End.LOST)
        if self.on_lost is not None:
            self.on_lost()
