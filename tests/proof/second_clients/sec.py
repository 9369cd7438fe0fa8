"""SEC: secrets."""

import base64
import gzip
import json
import logging
import pathlib
import typing
import urllib.parse

from .policy import NOTHING, promise
from .transports import Waiting, WithAiohttp, WithHttpx, WithRequests

LOG = logging.getLogger("second")
PLAIN = promise()


class BasicInTheLog(WithHttpx):
    """Logs how the second attempt would be typed, with the credentials as Basic, at DEBUG."""

    PROFILE, EXPECT, INVARIANTS = PLAIN, frozenset({"SEC001"}), ("RTY001",)
    MAY = {"SEC002": "none"}

    def seen(self, op, answer, number):
        if answer.status == 503:
            pair = base64.b64encode(b"user:" + self.secret.reveal().encode()).decode()
            LOG.debug("curl -H 'Authorization: Basic %s' %s", pair, op["path"])


class NotesHowToRepeat(WithHttpx):
    """Adds a note to its error: how to repeat the request by hand."""

    PROFILE, EXPECT, INVARIANTS = PLAIN, frozenset({"SEC002"}), ("RTY001", "SEC002")
    MAY = {}

    def failure(self, op, answer):
        error = super().failure(op, answer)
        error.add_note(f"curl -H 'X-Api-Key: {self.secret.reveal()}' {op['path']}")
        return error


class HeadersInTheSpan(WithHttpx):
    """All headers of the request as attributes of a span."""

    PROFILE, EXPECT, INVARIANTS = PLAIN, frozenset({"SEC003"}), ("SEC003",)
    MAY = {"OBS002": "a span for each call"}

    def heads(self, op, number):
        from opentelemetry import trace

        heads = super().heads(op, number)
        with trace.get_tracer("second").start_as_current_span("GET", kind=trace.SpanKind.CLIENT) as span:
            for name, value in heads.items():
                span.set_attribute(f"http.request.header.{name.lower()}", [value])
        return heads


class Config(typing.NamedTuple):
    """Where, and with what."""

    url: str
    token: str


class ShowsItsConfig(WithAiohttp):
    """Keeps its settings in a named tuple."""

    PROFILE, EXPECT, INVARIANTS = PLAIN, frozenset({"SEC004"}), ("SEC004",)
    MAY = {}

    def opened(self):
        self.config = Config(self.base, self.secret.reveal())


class PacksACassette(WithHttpx):
    """Keeps what it asked in a packed file, to ask faster next time."""

    PROFILE, EXPECT, INVARIANTS = PLAIN, frozenset({"SEC005"}), ("SEC005",)
    MAY = {}

    def __init__(self, base_url, secrets, workdir):
        self.file = pathlib.Path(workdir) / "asked.json.gz"
        super().__init__(base_url, secrets)

    def heads(self, op, number):
        heads = super().heads(op, number)
        self.file.write_bytes(gzip.compress(json.dumps(heads).encode()))
        return heads


class Following(Waiting):
    """Follows redirects itself; what goes along is `kept`'s."""

    PROFILE, EXPECT, INVARIANTS, MAY = promise(max_redirects=5), NOTHING, ("SEC006", "ERR006"), {}

    def kept(self, heads, old, new):
        """The headers for another place: nothing of the caller's, whatever the case."""
        return heads if old[:2] == new[:2] else {k: v for k, v in heads.items() if k == "X-Request-Id"}

    async def talk(self, method, path, heads, body):
        now = urllib.parse.urlsplit(self.base + path)
        for _ in range(6):
            self.at = now
            got = await super().talk(method, now.path + ("?" + now.query if now.query else ""), heads, body)
            if got.status not in (301, 302, 303, 307, 308) or method != "GET":
                return got
            to = urllib.parse.urlsplit(urllib.parse.urljoin(now.geturl(), got.headers.get("location", "")))
            heads, now = self.kept(heads, now, to), to
        return got

    async def dial(self):
        import asyncio

        to = self.at
        if to.scheme == "https":
            import ssl

            context = ssl.create_default_context(cafile=getattr(self, "ca", None))
            return await asyncio.open_connection(
                to.hostname, to.port, ssl=context, server_hostname=to.hostname
            )
        return await asyncio.open_connection(to.hostname, to.port)


class CaseMatters(Following):
    """Takes `authorization` out before it leaves, and wrote `Authorization`."""

    EXPECT, INVARIANTS = frozenset({"SEC006"}), ("SEC006",)
    MAY = {"SEC007": "the same"}

    def kept(self, heads, old, new):
        if old[:2] == new[:2]:
            return heads
        return {k: v for k, v in heads.items() if k not in ("authorization", "cookie")}


class CookieGoesAlong(Following):
    """Strips Authorization; the session's cookie is the secret too, and goes along."""

    EXPECT, INVARIANTS = frozenset({"SEC006"}), ("SEC006",)
    MAY = {"SEC007": "the same"}

    def heads(self, op, number):
        return super().heads(op, number) | {
            "Cookie": "session=" + urllib.parse.quote(self.secret.reveal(), safe="")
        }

    def kept(self, heads, old, new):
        return heads if old[:2] == new[:2] else {k: v for k, v in heads.items() if k != "Authorization"}


class HostIsHost(Following):
    """Same host, same credentials; the scheme is not looked at."""

    EXPECT, INVARIANTS = frozenset({"SEC007"}), ("SEC007",)
    MAY = {"SEC006": "another port of the same host is another origin"}

    def __init__(self, base_url, secrets, ca_file=None):
        self.ca = ca_file
        super().__init__(base_url, secrets)

    def kept(self, heads, old, new):
        return (
            heads if old.hostname == new.hostname else {k: v for k, v in heads.items() if k == "X-Request-Id"}
        )


class DowngradesBare(HostIsHost):
    """Sound: follows to plain http, and takes nothing along."""

    EXPECT, INVARIANTS, MAY = NOTHING, ("SEC007",), {}

    def kept(self, heads, old, new):
        return Following.kept(self, heads, old, new)


class TellsWhereItCameFrom(WithHttpx):
    """Its Referer is a page of its own, with the token in it."""

    PROFILE, EXPECT, INVARIANTS = PLAIN, frozenset({"SEC008"}), ("SEC008",)
    MAY = {"SEC001": "none"}

    def heads(self, op, number):
        token = urllib.parse.quote(self.secret.reveal(), safe="")
        return super().heads(op, number) | {"Referer": f"https://shop.example/pay?token={token}"}


class Masked:
    """The request, as an error may hold it."""

    def __init__(self, heads):
        self.heads = {k: "***" if k in ("Authorization",) else v for k, v in heads.items()}

    def __repr__(self):
        return f"Masked({self.heads!r})"


class HoldsItsRequest(WithRequests):
    """Sound: its errors hold the request, masked; its log says `sig=REDACTED`."""

    PROFILE, EXPECT, INVARIANTS, MAY = PLAIN, NOTHING, ("SEC001", "SEC002", "SEC004", "SEC008"), {}

    def failure(self, op, answer):
        error = super().failure(op, answer)
        error.request = Masked(self.heads(op, 1))
        LOG.warning("failed: %s?sig=REDACTED, %r", op["path"], error.request)
        return error


class DropsAll(Waiting):
    """Sound: redirects are errors, and nothing is kept anywhere."""

    PROFILE, EXPECT, INVARIANTS, MAY = (
        PLAIN,
        NOTHING,
        ("SEC005", "SEC006"),
        {},
    )
