"""TMO: timeouts and deadlines."""

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.parse

from .policy import ERRORS, NOTHING, Answer, promise
from .transports import Blocking, Waiting, WithAiohttp, WithHttpx, WithRequests

BARE = {"max_attempts": 1, "connect_timeout_s": 0.5, "read_timeout_s": 0.5}


class TimeoutAfterConnect(Blocking):
    """Connects first, sets the socket's timeout afterwards."""

    PROFILE, EXPECT, INVARIANTS = BARE, frozenset({"TMO001"}), ("TMO001", "TMO002", "TMO003")
    MAY = {}
    ATTEMPTS = 1

    def exchange(self, method, path, heads, body, span):
        place = urllib.parse.urlsplit(self.base)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=None)
        try:
            connection.connect()
            connection.sock.settimeout(span)
            connection.request(method, path, body, heads)
            got = connection.getresponse()
            return Answer(got.status, {}, got.read())
        except TimeoutError:
            return Answer(fault="timeout")
        except (OSError, http.client.HTTPException):
            return Answer(fault="reset")
        finally:
            connection.close()


class PatientPoller(Waiting):
    """Asks every half second whether the head is there, and never stops asking."""

    PROFILE, EXPECT, INVARIANTS = BARE, frozenset({"TMO002"}), ("TMO002", "TMO001")
    MAY = {"TMO004": "no deadline is promised", "TMO006": "the same wait"}
    ATTEMPTS = 1

    async def exchange(self, method, path, heads, body, span):
        try:
            async with asyncio.timeout(span):
                opened = await self.dial()
        except TimeoutError:
            return Answer(fault="timeout")
        except OSError:
            return Answer(fault="connect")
        self.dialled = opened
        talk = asyncio.ensure_future(self.talk_over(opened, method, path, heads, body))
        while not talk.done():
            await asyncio.wait({talk}, timeout=span)
        return talk.result()

    async def talk_over(self, opened, method, path, heads, body):
        reader, writer = opened
        try:
            text = "".join(f"{k}: {v}\r\n" for k, v in heads.items())
            writer.write(
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{text}"
                f"Content-Length: {len(body or b'')}\r\n\r\n".encode()
                + (body or b"")
            )
            return await self.heard(reader)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            return Answer(fault="reset")
        finally:
            writer.close()


class HeadInTime(WithAiohttp):
    """Waits half a second for the head; the body has all the time there is."""

    PROFILE, EXPECT, INVARIANTS = BARE, frozenset({"TMO003"}), ("TMO003", "TMO002")
    MAY = {"TMO004": "a drip is waited out too"}
    ATTEMPTS = 1

    async def exchange(self, method, path, heads, body, span):
        import aiohttp

        if self.session is None:
            self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        try:
            got = await asyncio.wait_for(
                self.session.request(method, self.base + path, headers=heads, data=body), span
            )
            return Answer(got.status, {}, await got.read())
        except TimeoutError:
            return Answer(fault="timeout")
        except aiohttp.ClientError:
            return Answer(fault="reset")


class IdleClock(WithAiohttp):
    """Calls it a deadline, and winds it up with every byte that comes."""

    PROFILE = BARE | {"deadline_s": 1.5}
    EXPECT, INVARIANTS = frozenset({"TMO004"}), ("TMO004", "TMO002", "TMO003")
    MAY = {"ERR005": "an endless body is read for ever", "TMO006": "one attempt is longer than all"}
    ATTEMPTS = 1

    async def exchange(self, method, path, heads, body, span):
        import aiohttp

        if self.session is None:
            self.session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_read=0.5, sock_connect=0.5)
            )
        return await self.talk(method, path, heads, body)


class ColdHandshake(Blocking):
    """Takes the timeout away for the handshake, for certificates may be slow."""

    PROFILE, EXPECT, INVARIANTS = BARE, frozenset({"TMO005"}), ("TMO005",)
    MAY = {}
    ATTEMPTS = 1

    def __init__(self, base_url, secrets, ca_file=None):
        super().__init__(base_url, secrets)
        self.ca = ca_file

    def exchange(self, method, path, heads, body, span):
        place = urllib.parse.urlsplit(self.base)
        made = http.client.HTTPConnection(place.hostname, place.port, timeout=span)
        try:
            made.connect()
            if place.scheme == "https":
                made.sock.settimeout(None)
                context = ssl.create_default_context(cafile=self.ca)
                made.sock = context.wrap_socket(made.sock, server_hostname=place.hostname)
                made.sock.settimeout(span)
            made.request(method, path, body, heads)
            got = made.getresponse()
            return Answer(got.status, {}, got.read())
        except TimeoutError:
            return Answer(fault="timeout")
        except (OSError, http.client.HTTPException):
            return Answer(fault="reset")
        finally:
            made.close()


class SleepIsFree(Waiting):
    """Its deadline counts what attempts take, and no sleep between them."""

    PROFILE = promise(
        max_attempts=7, deadline_s=1.5, backoff={"base_s": 0.6, "cap_s": 0.9, "factor": 2, "jitter": 0.2}
    )
    EXPECT, INVARIANTS = frozenset({"TMO006"}), ("TMO006", "RTY001")
    MAY = {"RAF004": "the same clock", "TMO004": "the same clock", "TMO007": "the same clock"}
    ATTEMPTS, DEADLINE = 7, 1.5

    def delay(self, number):
        return min(0.9, 0.6 * 2 ** (number - 1)) * (0.8 + 0.0004 * (time.time_ns() % 1000))

    def left(self, op):
        return self.DEADLINE - op.get("spent", 0.0)

    def steps(self, op):
        inner = super().steps(op)
        sent = None
        while True:
            try:
                what = inner.send(sent)
            except StopIteration as end:
                return end.value
            began = time.monotonic()
            sent = yield what
            if what[0] == "send":
                op["spent"] = op.get("spent", 0.0) + time.monotonic() - began


class ProcessorTime(WithHttpx):
    """Tells the provider what remains, by the clock of the processor, which stands still in sleep."""

    PROFILE = promise(max_attempts=4, deadline_s=2.0, read_timeout_s=1.4, deadline_header="X-Deadline-Ms")
    EXPECT, INVARIANTS = frozenset({"TMO007"}), ("TMO007", "TMO006")
    MAY = {"TMO004": "httpx answers in time all the same"}
    ATTEMPTS, DEADLINE, TIMEOUT = 4, 2.0, 1.4

    def heads(self, op, number):
        op.setdefault("cpu", time.process_time())
        spent = time.process_time() - op["cpu"]
        return super().heads(op, number) | {"X-Deadline-Ms": str(int((self.DEADLINE - spent) * 1000))}


class TellsTheCallerOnly(Waiting):
    """At the deadline the caller is told, and the task is left to itself with its retries."""

    PROFILE = promise(
        max_attempts=9, deadline_s=1.0, backoff={"base_s": 0.2, "cap_s": 0.2, "factor": 1, "jitter": 0.5}
    )
    EXPECT, INVARIANTS = frozenset({"TMO008"}), ("TMO008", "TMO002")
    MAY = {
        "TMO006": "attempts start after the deadline",
        "TMO007": "the last attempt has its own time",
        "RTY001": "what goes on is over the cap",
        "CON002": "a cancelled call goes on as well (added after the first score)",
    }
    ATTEMPTS, CAP, BASE = 9, 0.2, 0.2

    async def drive(self, op):
        task = asyncio.ensure_future(super().drive(op))
        done, _ = await asyncio.wait({task}, timeout=1.0)
        return task.result() if done else (None, self.failure(op, Answer(fault="timeout")))


class Watchdog(Blocking):
    """http.client, and a thread that shuts the socket when the time is over: drips end too."""

    PROFILE = BARE | {"deadline_s": 1.5, "errors": ERRORS}
    EXPECT, INVARIANTS = NOTHING, ("TMO001", "TMO002", "TMO003", "TMO004")
    MAY = {}
    ATTEMPTS, DEADLINE = 1, 1.5

    def exchange(self, method, path, heads, body, span):
        place, bitten = urllib.parse.urlsplit(self.base), []
        made = http.client.HTTPConnection(place.hostname, place.port, timeout=span)

        def bite():
            bitten.append(True)
            if made.sock is not None:
                with contextlib.suppress(OSError):
                    made.sock.shutdown(socket.SHUT_RDWR)

        dog = threading.Timer(1.3, bite)
        dog.daemon = True
        dog.start()
        try:
            made.connect()
            made.request(method, path, body, {**heads, "Connection": "keep-alive"})
            got = made.getresponse()
            data = got.read(1_000_000)
            return (
                Answer(fault="timeout")
                if bitten or (not got.isclosed() and got.length)
                else Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, data)
            )
        except TimeoutError:
            return Answer(fault="timeout")
        except (OSError, http.client.HTTPException, AttributeError, ValueError):
            return Answer(fault="timeout" if bitten else "reset")
        finally:
            dog.cancel()
            made.close()


class AllInOneTimeout(Waiting):
    """Streams of asyncio under one timeout over the whole operation, sleeps and all."""

    PROFILE = promise(deadline_s=2.5, errors=ERRORS)
    EXPECT, INVARIANTS = NOTHING, ("TMO001", "TMO002", "TMO003", "TMO004", "TMO006", "TMO008")
    MAY = {}
    DEADLINE = 2.5

    async def drive(self, op):
        try:
            async with asyncio.timeout(2.5):
                return await super().drive(op)
        except TimeoutError:
            pass
        return None, self.failure(op, Answer(fault="timeout"))


class HurriedReader(WithAiohttp):
    """Gives up early: whoever sends slower than the least that it takes is told so after 0.3 s."""

    PROFILE = BARE | {"deadline_s": 2.0}
    EXPECT, INVARIANTS = NOTHING, ("TMO004", "TMO003")
    MAY = {}
    ATTEMPTS, TIMEOUT = 1, 0.3


class SlowButPromised(WithRequests):
    """A long-poll client: three seconds for each read, as promised, and no word of retries."""

    PROFILE = {"max_attempts": 1, "read_timeout_s": 3.0, "connect_timeout_s": 3.0}
    EXPECT, INVARIANTS = NOTHING, ("TMO002",)
    MAY = {}
    ATTEMPTS, TIMEOUT = 1, 3.0


class CertificateFirst(WithHttpx):
    """Does not know the harness's authority: a fast error in the handshake, and that is right."""

    PROFILE = promise(max_attempts=1)
    EXPECT, INVARIANTS = NOTHING, ("TMO005",)
    MAY = {}
    ATTEMPTS = 1

    def __init__(self, base_url, secrets, ca_file=None):
        self.ca = ca_file
        super().__init__(base_url, secrets)

    def opened(self):
        import httpx

        self.client = httpx.AsyncClient(
            timeout=None,
            trust_env=False,
            verify=ssl.create_default_context(cafile=self.ca) if self.ca else True,
        )
