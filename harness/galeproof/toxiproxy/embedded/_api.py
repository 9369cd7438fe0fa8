"""The control API: requests in, answers out; no sockets of its own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from urllib.parse import unquote

from galeproof.faults.toxics import TOXICS
from galeproof.toxiproxy.embedded import _json as go
from galeproof.toxiproxy.embedded._address import AddressError
from galeproof.toxiproxy.embedded._proxy import Proxy
from galeproof.toxiproxy.embedded._stage import Toxic

__all__ = ["Answer", "Api"]

_VERSION = "2.12.0"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and the headers that matter."""

    status: int
    body: str = ""
    content_type: str | None = "application/json"
    headers: tuple[tuple[str, str], ...] = field(default=())
    matched: bool = True


class _ApiError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def body(self) -> str:
        return f'{{"error":{go.write(str(self))},"status":{self.status}}}'


_Handler = Callable[..., Awaitable[Answer]]


class Api:
    """The registry of proxies and the routes on it."""

    def __init__(self, rng_of: Callable[[str, int], Random]) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._rng_of = rng_of
        name = "([^/]+)"
        routes: list[tuple[str, dict[str, _Handler]]] = [
            ("/version", {"GET": self._version}),
            ("/proxies", {"GET": self._list, "POST": self._create}),
            ("/populate", {"POST": self._populate}),
            ("/reset", {"POST": self._reset}),
            (f"/proxies/{name}", {"GET": self._show, "POST": self._update, "PATCH": self._update,
                                  "DELETE": self._delete}),
            (f"/proxies/{name}/toxics", {"GET": self._toxics, "POST": self._add_toxic}),
            (f"/proxies/{name}/toxics/{name}", {
                "GET": self._toxic, "POST": self._update_toxic, "PATCH": self._update_toxic,
                "DELETE": self._delete_toxic}),
        ]
        self._routes = [(re.compile(path), handlers) for path, handlers in routes]

    async def answer(self, method: str, target: str, user_agent: str, body: bytes) -> Answer:
        """Answer one request; a failure is an answer too."""
        path = target.partition("?")[0]
        if "//" in path:
            clean = (("Location", re.sub("//+", "/", path)),)
            return Answer(301, content_type=None, headers=clean, matched=False)
        path = unquote(path)
        for pattern, handlers in self._routes:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if method not in handlers:
                return Answer(405, content_type=None, matched=False)
            if user_agent.startswith("Mozilla/"):
                return _plain(403, "User agent not allowed\n")
            try:
                return await handlers[method](body, *match.groups())
            except go.BadBody as error:
                return _failure(_ApiError(400, f"bad request body: {error}"))
            except AddressError as error:
                return _failure(_ApiError(500, str(error)))
            except _ApiError as error:
                return _failure(error)
        return _plain(404, "404 page not found\n", matched=False)

    async def _version(self, body: bytes) -> Answer:
        return Answer(200, f'{{"version": "{_VERSION}"}}\n', "application/json;charset=utf-8")

    async def _list(self, body: bytes) -> Answer:
        items = (f"{go.write(n)}:{go.proxy_text(p)}" for n, p in sorted(self.proxies.items()))
        return Answer(200, f"{{{','.join(items)}}}")

    async def _create(self, body: bytes) -> Answer:
        name, listen, upstream, enabled = _entry(go.decode(body))
        for key, value in (("name", name), ("upstream", upstream)):
            if not value:
                raise _ApiError(400, f"missing required field: {key}")
        if name in self.proxies:
            raise _ApiError(409, "proxy already exists")
        proxy = Proxy(name, listen, upstream, self._rng_of)
        self.proxies[name] = proxy
        try:
            if enabled:
                await proxy.start()
        except AddressError:
            del self.proxies[name]
            raise
        return Answer(201, go.proxy_text(proxy))

    async def _populate(self, body: bytes) -> Answer:
        try:
            value = go.decode(body)
            if value is not None and not isinstance(value, list):
                raise go.BadBody("json: cannot unmarshal object into an array")
            entries = [_entry(item) for item in value or []]
        except go.BadBody as error:
            return _populate_failure(400, f"bad request body: {error}", [])
        for number, entry in enumerate(entries, 1):
            for key, text in (("name", entry[0]), ("upstream", entry[2])):
                if not text:
                    message = f"missing required field: {key} at proxy {number}"
                    return _populate_failure(400, message, [])
        done: list[Proxy] = []
        for entry in entries:
            try:
                done.append(await self._put(*entry))
            except AddressError as error:
                return _populate_failure(500, str(error), done)
        return Answer(201, f"{{{_proxies(done)}}}")

    async def _put(self, name: str, listen: str, upstream: str, enabled: bool) -> Proxy:
        existing = self.proxies.get(name)
        if existing is not None:
            if not await existing.differs(listen, upstream):
                return existing
            existing.stop()
        proxy = Proxy(name, listen, upstream, self._rng_of)
        if enabled:
            await proxy.start()
        self.proxies[name] = proxy
        return proxy

    async def _reset(self, body: bytes) -> Answer:
        for proxy in list(self.proxies.values()):
            await proxy.start()
            for toxic in proxy.all_toxics():
                proxy.remove(toxic)
        return Answer(204, content_type=None)

    async def _show(self, body: bytes, name: str) -> Answer:
        return Answer(200, go.proxy_text(self._proxy(name)))

    async def _update(self, body: bytes, name: str) -> Answer:
        proxy = self._proxy(name)
        members = go.fields(go.decode(body))
        await proxy.update(
            go.text(members, "listen", proxy.listen),
            go.text(members, "upstream", proxy.upstream),
            go.boolean(members, "enabled", proxy.enabled),
        )
        return Answer(200, go.proxy_text(proxy))

    async def _delete(self, body: bytes, name: str) -> Answer:
        self._proxy(name).stop()
        del self.proxies[name]
        return Answer(204, content_type=None)

    async def _toxics(self, body: bytes, name: str) -> Answer:
        return Answer(200, go.toxics_text(self._proxy(name).all_toxics()))

    async def _add_toxic(self, body: bytes, name: str) -> Answer:
        proxy = self._proxy(name)
        members = go.fields(go.decode(body))
        stream = go.text(members, "stream", "downstream")
        type_name = go.text(members, "type", "")
        toxic_name = go.text(members, "name", "") or f"{type_name}_{stream}"
        toxicity = go.number(members, "toxicity", 1.0)
        if stream.lower() not in ("upstream", "downstream"):
            raise _ApiError(400, "stream was invalid, can be either upstream or downstream")
        kind = TOXICS.get(type_name)
        if kind is None:
            raise _ApiError(400, "invalid toxic type")
        if proxy.find(toxic_name) is not None:
            raise _ApiError(409, "toxic already exists")
        toxic = Toxic(toxic_name, kind, stream, toxicity, dict.fromkeys(kind.fields, 0))
        toxic.attributes = _merged(toxic, members)
        proxy.add(toxic)
        return Answer(200, go.toxic_text(toxic))

    async def _toxic(self, body: bytes, name: str, toxic_name: str) -> Answer:
        return Answer(200, go.toxic_text(self._find(name, toxic_name)[1]))

    async def _update_toxic(self, body: bytes, name: str, toxic_name: str) -> Answer:
        proxy, toxic = self._find(name, toxic_name)
        members = go.fields(go.decode(body))
        # All is checked before anything is changed, unlike Toxiproxy.
        attributes = _merged(toxic, members)
        toxic.toxicity = go.number(members, "toxicity", toxic.toxicity)
        toxic.attributes = attributes
        proxy.changed(toxic)
        return Answer(200, go.toxic_text(toxic))

    async def _delete_toxic(self, body: bytes, name: str, toxic_name: str) -> Answer:
        proxy, toxic = self._find(name, toxic_name)
        proxy.remove(toxic)
        return Answer(204, content_type=None)

    def _proxy(self, name: str) -> Proxy:
        if name not in self.proxies:
            raise _ApiError(404, "proxy not found")
        return self.proxies[name]

    def _find(self, name: str, toxic_name: str) -> tuple[Proxy, Toxic]:
        proxy = self._proxy(name)
        toxic = proxy.find(toxic_name)
        if toxic is None:
            raise _ApiError(404, "toxic not found")
        return proxy, toxic


def _entry(value: object) -> tuple[str, str, str, bool]:
    members = go.fields(value)
    return (
        go.text(members, "name", ""),
        go.text(members, "listen", ""),
        go.text(members, "upstream", ""),
        go.boolean(members, "enabled", True),
    )


def _merged(toxic: Toxic, members: Mapping[str, object]) -> dict[str, int]:
    given = go.integers(go.fields(members.get("attributes")), toxic.kind.fields)
    attributes = {**toxic.attributes, **given}
    wrong = toxic.kind.validate(attributes)
    if wrong is not None:
        raise _ApiError(400, f"bad request body: {wrong}")
    return attributes


def _proxies(proxies: list[Proxy]) -> str:
    listed = f"[{','.join(map(go.proxy_text, proxies))}]" if proxies else "null"
    return f'"proxies":{listed}'


def _populate_failure(status: int, message: str, done: list[Proxy]) -> Answer:
    return Answer(status, f"{_ApiError(status, message).body[:-1]},{_proxies(done)}}}")


def _plain(status: int, body: str, matched: bool = True) -> Answer:
    return Answer(status, body, _TEXT, (("X-Content-Type-Options", "nosniff"),), matched)


def _failure(error: _ApiError) -> Answer:
    return _plain(error.status, error.body + "\n")
