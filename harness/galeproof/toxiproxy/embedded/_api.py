"""The control API: what each request does to the registry of proxies."""

from __future__ import annotations

from collections.abc import Mapping

from galeproof.toxiproxy.embedded._address import AddressError, Where, resolve
from galeproof.toxiproxy.embedded._answers import (
    Answer,
    failure,
    populate_failure,
    proxies_text,
    proxy_text,
    toxic_text,
    toxics_text,
    write,
)
from galeproof.toxiproxy.embedded._json import BadBody, Members, decode
from galeproof.toxiproxy.embedded._metrics import CONTENT_TYPE, Metrics
from galeproof.toxiproxy.embedded._proxy import Proxy, Shared
from galeproof.toxiproxy.embedded._toxic import FIRST_CONNECTIONS, KINDS, Toxic

__all__ = ["Api", "ApiError"]

_VERSION = "2.12.0"
_NOTHING = Answer(204, content_type=None)
_STREAM = "stream was invalid, can be either upstream or downstream"


class ApiError(Exception):
    """A refusal, and its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """The registry of proxies and what can be done to it.

    Only a lookup of a host name waits; whatever it was for is checked again after it. All
    else is done in one step of the loop: no lock, and nothing to be seen half done.

    Args:
        shared: What all proxies share.
        metrics: What /metrics shows.
    """

    def __init__(self, shared: Shared, metrics: Metrics) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._shared = shared
        self._metrics = metrics

    async def call(self, action: str, body: bytes, query: Mapping[str, str], *names: str) -> Answer:
        """Carry out one action; a refusal is an answer too."""
        try:
            match action, names:
                case "create_toxic", (name,):
                    return self._create_toxic(body, name)
                case "update_toxic", (name, toxic):
                    return self._update_toxic(body, name, toxic)
                case "delete_toxic", (name, toxic):
                    proxy, found = self._find(name, toxic)
                    proxy.remove(found)
                    return _NOTHING
                case "create", ():
                    return await self._create(body)
                case "update", (name,):
                    return await self._update(body, name)
                case "delete", (name,):
                    self._proxy(name).stop()
                    del self.proxies[name]
                    return _NOTHING
                case "populate", ():
                    return await self.populate(body)
                case "reset", ():
                    return await self._reset()
            return self._show(action, query.get("traffic") == "true", *names)
        except BadBody as error:
            return failure(400, f"bad request body: {error}")
        except AddressError as error:
            return failure(500, str(error))
        except ApiError as error:
            return failure(error.status, str(error))

    def _show(self, action: str, traffic: bool, *names: str) -> Answer:
        match action, names:
            case "list", ():
                shown = (f"{write(name)}:{proxy_text(self.proxies[name], traffic=traffic)}"
                         for name in sorted(self.proxies, key=lambda name: name.encode()))
                return Answer(200, f"{{{','.join(shown)}}}")
            case "show", (name,):
                return Answer(200, proxy_text(self._proxy(name), traffic=traffic))
            case "toxics", (name,):
                return Answer(200, toxics_text(self._proxy(name).all_toxics()))
            case "show_toxic", (name, toxic):
                return Answer(200, toxic_text(self._find(name, toxic)[1]))
            case "metrics", ():
                return Answer(200, self._metrics.text(self.proxies.values()), CONTENT_TYPE)
        return Answer(200, f'{{"version": "{_VERSION}"}}\n', "application/json;charset=utf-8")

    # -- proxies --------------------------------------------------------------------------

    async def _create(self, body: bytes) -> Answer:
        name, listen, upstream, enabled = _entry(decode(body))
        for key, value in (("name", name), ("upstream", upstream)):
            if not value:
                raise ApiError(400, f"missing required field: {key}")
        if name in self.proxies:
            raise ApiError(409, "proxy already exists")
        where = await _listenable(listen) if enabled else None
        if name in self.proxies:  # by another call, during the lookup
            raise ApiError(409, "proxy already exists")
        proxy = Proxy(name, listen, upstream, self._shared)
        if where is not None:
            proxy.start(where)
        self.proxies[name] = proxy
        return Answer(201, proxy_text(proxy))

    async def _update(self, body: bytes, name: str) -> Answer:
        proxy = self._proxy(name)
        _, given, upstream, enabled = _proxy_members(decode(body))
        while True:
            listen = proxy.listen if given is None else given
            where = await resolve(listen)
            proxy = self._proxy(name)
            if listen == (proxy.listen if given is None else given):
                break
        proxy.update(listen, where, proxy.upstream if upstream is None else upstream,
                     proxy.enabled if enabled is None else enabled)
        return Answer(200, proxy_text(proxy))

    async def populate(self, body: bytes) -> Answer:
        """Make the proxies of a JSON array, as POST /populate does."""
        try:
            value = decode(body)
            if value is not None and type(value) is not list:
                raise BadBody("json: cannot unmarshal value into Go value of type []struct")
            entries = [_entry(item) for item in value or []]
        except BadBody as error:
            return populate_failure(400, f"bad request body: {error}", ())
        for number, entry in enumerate(entries, 1):
            for key, text in (("name", entry[0]), ("upstream", entry[2])):
                if not text:
                    message = f"missing required field: {key} at proxy {number}"
                    return populate_failure(400, message, ())
        done: list[Proxy] = []
        for entry in entries:
            try:
                done.append(await self._put(*entry))
            except AddressError as error:
                return populate_failure(500, str(error), done)
        return Answer(201, f"{{{proxies_text(done)}}}")

    async def _put(self, name: str, listen: str, upstream: str, enabled: bool) -> Proxy:
        where = None
        if name in self.proxies:
            where = await resolve(listen)
        elif enabled:
            where = await _listenable(listen)
        existing = self.proxies.get(name)
        if existing is not None:
            where = where or await resolve(listen)
            if not existing.differs(where, upstream):
                return existing
            existing.stop()
        proxy = Proxy(name, listen, upstream, self._shared)
        if enabled and where is not None:
            proxy.start(where)
        self.proxies[name] = proxy
        return proxy

    async def _reset(self) -> Answer:
        for name, proxy in list(self.proxies.items()):
            if not proxy.enabled:
                where = await _listenable(proxy.listen)
                if self.proxies.get(name) is not proxy:
                    continue
                proxy.start(where)
            for toxic in proxy.all_toxics():
                proxy.remove(toxic)
        return _NOTHING

    # -- toxics ---------------------------------------------------------------------------

    def _create_toxic(self, body: bytes, name: str) -> Answer:
        proxy = self._proxy(name)
        members = Members(decode(body))
        given = members.text("stream")
        stream = "downstream" if given is None else given
        type_name = members.text("type") or ""
        toxic_name = members.text("name") or f"{type_name}_{stream}"
        toxicity = members.number("toxicity")
        members.objects("attributes")  # of the wrong kind, it is refused before all else
        if stream.lower() not in proxy.toxics:
            raise ApiError(400, _STREAM)
        kind = KINDS.get(type_name)
        if kind is None:
            raise ApiError(400, "invalid toxic type")
        if proxy.find(toxic_name) is not None:
            raise ApiError(409, "toxic already exists")
        toxic = Toxic(toxic_name, kind, stream, 1.0 if toxicity is None else toxicity,
                      dict.fromkeys(kind.fields, 0))
        toxic.attributes = _merged(toxic, members)
        proxy.add(toxic)
        return Answer(200, toxic_text(toxic))

    def _update_toxic(self, body: bytes, name: str, toxic_name: str) -> Answer:
        proxy, toxic = self._find(name, toxic_name)
        members = Members(decode(body))
        # All is checked before anything is changed, unlike Toxiproxy.
        attributes, toxicity = _merged(toxic, members), members.number("toxicity")
        toxic.attributes = attributes
        toxic.toxicity = toxic.toxicity if toxicity is None else toxicity
        proxy.changed(toxic)
        return Answer(200, toxic_text(toxic))

    def _proxy(self, name: str) -> Proxy:
        if name not in self.proxies:
            raise ApiError(404, "proxy not found")
        return self.proxies[name]

    def _find(self, name: str, toxic_name: str) -> tuple[Proxy, Toxic]:
        proxy = self._proxy(name)
        toxic = proxy.find(toxic_name)
        if toxic is None:
            raise ApiError(404, "toxic not found")
        return proxy, toxic


async def _listenable(listen: str) -> Where:
    try:
        return await resolve(listen)
    except AddressError as error:
        raise AddressError(f"listen tcp: {error}") from None


def _proxy_members(value: object) -> tuple[str | None, str | None, str | None, bool | None]:
    members = Members(value)
    members.objects("logger")  # a field of Toxiproxy's by accident; clients send it back
    return (members.text("name"), members.text("listen"), members.text("upstream"),
            members.boolean("enabled"))


def _entry(value: object) -> tuple[str, str, str, bool]:
    name, listen, upstream, enabled = _proxy_members(value)
    return name or "", listen or "", upstream or "", True if enabled is None else enabled


def _merged(toxic: Toxic, members: Members) -> dict[str, int]:
    attributes = dict(toxic.attributes)
    for given in members.objects("attributes"):
        attributes |= given.integers((*toxic.kind.fields, FIRST_CONNECTIONS))
    wrong = toxic.kind.validate(attributes)
    if attributes.get(FIRST_CONNECTIONS, 0) < 0:
        wrong = f"{FIRST_CONNECTIONS} must be 0 (all connections) or more"
    if wrong is not None:
        raise ApiError(400, f"bad request body: {wrong}")
    if not attributes.get(FIRST_CONNECTIONS):
        attributes.pop(FIRST_CONNECTIONS, None)  # old answers stay as they were
    return attributes
