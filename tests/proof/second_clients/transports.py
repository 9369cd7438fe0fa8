"""Five ways in which the second set's clients carry a policy out: threads with http.client, requests or urllib3; asyncio with its own
streams, httpx or aiohttp."""

import asyncio
import http.client
import time
import urllib.parse

from galeproof import read, write

from .policy import JSON, MADE, Answer, Policy


class Blocking(Policy):
    """Carries a policy out in the caller's thread; opens a connection for each call (http.client)."""

    def exchange(self, method, path, heads, body, span):
        """One attempt."""
        place = urllib.parse.urlsplit(self.base)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=span)
        try:
            connection.connect()
        except TimeoutError:
            return Answer(fault="timeout")
        except OSError:
            return Answer(fault="connect")
        try:
            connection.request(method, path, body, heads)
            got = connection.getresponse()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, self.body(got))
        except TimeoutError:
            return Answer(fault="timeout")
        except http.client.IncompleteRead:
            return Answer(fault="truncated")
        except (OSError, http.client.HTTPException):
            return Answer(fault="reset")
        finally:
            connection.close()

    def body(self, got):
        """Read the body."""
        return got.read()

    def call(self, method, path, body=None, key=None):
        """One operation."""
        steps, sent = self.steps(self.op(method, path, body, key)), None
        while True:
            try:
                what = steps.send(sent)
            except StopIteration as end:
                value, error = end.value
                break
            sent = None
            if what[0] == "sleep":
                time.sleep(what[1])
            else:
                sent = self.exchange(*what[1:])
            what = None
        if error is not None:
            raise error
        return value

    @read(answer=JSON)
    def fetch(self, ref):
        return self.call("GET", f"/items/{ref}")

    @write(answer=MADE, status=201)
    def create(self, ref, amount):
        return self.call("POST", f"/items/{ref}", {"amount": amount})


class Waiting(Policy):
    """Carries a policy out in asyncio; asyncio's own streams, a connection for each call."""

    async def exchange(self, method, path, heads, body, span):
        """One attempt, in `span` seconds as a whole."""
        try:
            async with asyncio.timeout(span):
                return await self.talk(method, path, heads, body)
        except TimeoutError:
            return Answer(fault="timeout")

    async def dial(self):
        """Open a connection."""
        place = urllib.parse.urlsplit(self.base)
        return await asyncio.open_connection(place.hostname, place.port)

    async def talk(self, method, path, heads, body):
        """Send and read, over a raw connection."""
        try:
            reader, writer = await self.dial()
        except OSError:
            return Answer(fault="connect")
        place = urllib.parse.urlsplit(self.base)
        try:
            lines = [f"{method} {path} HTTP/1.1", f"Host: {place.netloc}", "Connection: close"]
            lines += [f"{k}: {v}" for k, v in heads.items()]
            if body is not None:
                lines.append(f"Content-Length: {len(body)}")
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b""))
            await writer.drain()
            return await self.heard(reader)
        except asyncio.IncompleteReadError:
            return Answer(fault="reset")
        except (OSError, ValueError, IndexError, asyncio.LimitOverrunError):
            return Answer(fault="reset")
        finally:
            writer.close()

    async def heard(self, reader):
        """Read an answer; interim ones are skipped."""
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ")[1])
            if status >= 200:
                break
        heads = {
            k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)
        }
        try:
            return Answer(status, heads, await self.body_of(reader, heads, status))
        except (asyncio.IncompleteReadError, ConnectionError):
            return Answer(fault="truncated")

    async def body_of(self, reader, heads, status):
        """Read a body, counted, chunked or until the end; what is packed is refused."""
        if heads.get("content-encoding", "identity") != "identity":
            return b"packed"
        if status in (204, 304):
            return b""
        if "chunked" in heads.get("transfer-encoding", ""):
            parts, total = [], 0
            while size := int((await reader.readline()).split(b";")[0] or b"x", 16):
                total += size
                if total > 1_000_000:
                    return b"too long"
                parts.append(await reader.readexactly(size))
                await reader.readexactly(2)
            return b"".join(parts)
        if "content-length" in heads:
            size = int(heads["content-length"])
            return b"too long" if size > 1_000_000 else await reader.readexactly(size)
        return await reader.read(1_000_000)

    async def drive(self, op):
        """Carry out the steps of an operation."""
        steps, sent = self.steps(op), None
        while True:
            try:
                what = steps.send(sent)
            except StopIteration as end:
                return end.value
            sent = None
            if what[0] == "sleep":
                await asyncio.sleep(what[1])
            else:
                sent = await self.exchange(*what[1:])
            what = None

    async def call(self, method, path, body=None, key=None):
        """One operation."""
        value, error = await self.drive(self.op(method, path, body, key))
        if error is not None:
            raise error
        return value

    @read(answer=JSON)
    async def fetch(self, ref):
        return await self.call("GET", f"/items/{ref}")

    @write(answer=MADE, status=201)
    async def create(self, ref, amount):
        return await self.call("POST", f"/items/{ref}", {"amount": amount})


class WithRequests(Blocking):
    """The same over a requests session."""

    def opened(self):
        import requests

        self.session = requests.Session()
        self.session.trust_env = False

    def exchange(self, method, path, heads, body, span):
        import requests
        from requests import exceptions as wrong

        try:
            got = self.session.request(
                method, self.base + path, headers=heads, data=body, timeout=span, allow_redirects=False
            )
            return Answer(got.status_code, {k.lower(): v for k, v in got.headers.items()}, got.content)
        except wrong.ConnectTimeout:
            return Answer(fault="timeout")
        except wrong.Timeout:
            return Answer(fault="timeout")
        except wrong.ChunkedEncodingError:
            return Answer(fault="truncated")
        except wrong.ConnectionError as error:
            if "timed out" in str(error):
                return Answer(fault="timeout")
            return Answer(fault="connect" if "NewConnectionError" in str(error) else "reset")
        except requests.RequestException:
            return Answer(fault="truncated")

    def close(self):
        self.session.close()


class WithUrllib3(Blocking):
    """The same over a urllib3 pool, its own retries off."""

    POOL = 50

    def opened(self):
        import urllib3

        self.pool = urllib3.PoolManager(maxsize=self.POOL, retries=False)

    def exchange(self, method, path, heads, body, span):
        import urllib3
        from urllib3 import exceptions as wrong

        try:
            got = self.pool.request(
                method,
                self.base + path,
                headers=heads,
                body=body,
                redirect=False,
                timeout=urllib3.Timeout(connect=span, read=span),
                retries=False,
            )
            return Answer(got.status, {k.lower(): v for k, v in got.headers.items()}, got.data)
        except wrong.TimeoutError:
            return Answer(fault="timeout")
        except wrong.NewConnectionError:
            return Answer(fault="connect")
        except (wrong.IncompleteRead, wrong.DecodeError):
            return Answer(fault="truncated")
        except wrong.ProtocolError as error:
            return Answer(fault="truncated" if "IncompleteRead" in str(error) else "reset")
        except wrong.HTTPError:
            return Answer(fault="reset")

    def close(self):
        self.pool.clear()


class WithHttpx(Waiting):
    """The same over an httpx client."""

    def opened(self):
        import httpx

        self.client = httpx.AsyncClient(
            timeout=None,
            trust_env=False,
            limits=httpx.Limits(max_connections=300, max_keepalive_connections=50),
        )

    async def talk(self, method, path, heads, body):
        import httpx

        try:
            got = await self.client.request(method, self.base + path, headers=heads, content=body)
            return Answer(got.status_code, {k.lower(): v for k, v in got.headers.items()}, got.content)
        except httpx.ConnectError:
            return Answer(fault="connect")
        except httpx.DecodingError:
            return Answer(fault="truncated")
        except httpx.RemoteProtocolError as error:
            return Answer(fault="truncated" if "complete message" in str(error) else "reset")
        except httpx.HTTPError:
            return Answer(fault="reset")

    async def close(self):
        await self.client.aclose()


class WithAiohttp(Waiting):
    """The same over an aiohttp session."""

    session = None
    LIMIT = 0

    async def talk(self, method, path, heads, body):
        import aiohttp

        if self.session is None:
            self.session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                connector=aiohttp.TCPConnector(limit=self.LIMIT),
            )
        try:
            async with self.session.request(
                method, self.base + path, headers=heads, data=body, allow_redirects=False
            ) as got:
                return Answer(got.status, {k.lower(): v for k, v in got.headers.items()}, await got.read())
        except aiohttp.ClientConnectorError:
            return Answer(fault="connect")
        except aiohttp.ClientPayloadError:
            return Answer(fault="truncated")
        except (aiohttp.ClientError, OSError):
            return Answer(fault="reset")

    async def close(self):
        if self.session is not None:
            await self.session.close()
