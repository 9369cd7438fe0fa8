"""An adapter for a client as it stands: what is looked at, and the file that is written."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from galeproof.errors import UsageError

__all__ = ["Client", "adapter_text", "look"]

_URLS = ("base_url", "url", "api_url", "api_base", "base", "host", "endpoint", "root_url", "server",
         "baseurl", "service_url")
_SECRETS = ("api_key", "apikey", "token", "key", "secret", "access_token", "auth", "password", "credentials",
            "bearer")
_INJECTED = ("client", "http", "http_client", "session", "transport", "httpx_client")
_TIMEOUTS = ("timeout", "timeout_s", "timeout_seconds", "read_timeout", "connect_timeout")
_REFS = ("ref", "reference", "id", "uid", "name", "order", "invoice", "payment", "charge", "customer", "user",
         "account", "order_id", "invoice_id", "payment_id", "charge_id", "customer_id", "user_id", "key",
         "request_id", "idempotency_key", "idempotency")
_AMOUNTS = ("amount", "total", "price", "sum", "cents", "value", "quantity", "amount_minor")
_READS = re.compile(
    "get|fetch|read|list|find|load|show|search|lookup|retrieve|describe|query|ping|status")
_WRITES = re.compile(
    "create|post|add|pay|charge|refund|update|delete|send|put|cancel|capture|make|submit|book|order|"
    "transfer|patch|insert|issue|write|place|register|remove|set")
_LIFE = frozenset({"close", "aclose", "open", "start", "stop", "connect", "disconnect", "login", "logout"})


@dataclass(frozen=True, slots=True)
class Client:
    """What was seen of a client.

    Attributes:
        target: ``module:attribute``, or ``module``.
        shape: ``class``, ``injected`` (it is given an HTTP client) or ``module`` (functions and a constant).
        module, name: Where it is, and what it is called.
        constructor: Its arguments as the adapter gives them, in source.
        constant: The module's constant with the base URL, or None.
        secret_constant: The module's constant with the secret, or None.
        operations: ``(name, kind, call arguments in source, is async)``.
        closer: ``close``, ``aclose`` (of a class that has it), or None.
        injected: For the shape ``injected``: ``httpx.Client``, ``httpx.AsyncClient`` or
            ``requests.Session``.
    """

    target: str
    shape: str
    module: str
    name: str
    constructor: tuple[str, ...] = ()
    constant: str | None = None
    secret_constant: str | None = None
    operations: tuple[tuple[str, str, tuple[str, ...], bool], ...] = ()
    closer: str | None = None
    injected: str | None = None


def look(target: str) -> Client:
    """Import a client and look at it.

    Args:
        target: ``module:Class``, or ``module``.

    Raises:
        UsageError: It cannot be imported, or there is nothing in it to call.
    """
    module_name, _, attribute = target.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise UsageError(f"--client {target}: cannot import {module_name}: {type(error).__name__}: "
                         f"{error}") from None
    if not attribute:
        return _of_module(target, module)
    found = getattr(module, attribute, None)
    if not inspect.isclass(found):
        raise UsageError(f"--client {target}: {module_name} has no class {attribute!r}; it has "
                         f"{', '.join(_classes(module)) or 'none'}")
    return _of_class(target, module_name, found)


def _classes(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items()
            if inspect.isclass(value) and value.__module__ == module.__name__]


def _of_class(target: str, module: str, found: type) -> Client:
    given: list[str] = []
    shape, injected = "class", None
    for parameter in _parameters(found):
        source, role = _constructor(parameter)
        if role == "injected":
            shape, injected = "injected", _injected(found, parameter)
        if source is not None:
            given.append(source)
    operations = [
        (name, kind, _arguments(member), inspect.iscoroutinefunction(member))
        for name, member in inspect.getmembers(found, inspect.isfunction)
        if not name.startswith("_") and name not in _LIFE and (kind := _kind(name, member))]
    if not operations:
        raise UsageError(f"--client {target}: {found.__name__} has no public method to call")
    closer = next((name for name in ("close", "aclose") if hasattr(found, name)), None)
    return Client(target, shape, module, found.__name__, tuple(given), operations=tuple(operations),
                  closer=closer, injected=injected)


def _of_module(target: str, module: ModuleType) -> Client:
    operations = [
        (name, kind, _arguments(member), inspect.iscoroutinefunction(member))
        for name, member in inspect.getmembers(module, inspect.isfunction)
        if member.__module__ == module.__name__ and not name.startswith("_") and name not in _LIFE
        and (kind := _kind(name, member))]
    texts = {name: value for name, value in vars(module).items()
             if isinstance(value, str) and not name.startswith("__")}
    constant = next((n for n, v in texts.items() if re.match(r"https?://", v)), None)
    if not operations or constant is None:
        lacks = "a function to call" if not operations else "a constant with the provider's URL"
        classes = ", ".join(_classes(module))
        more = f"; classes: {classes} (--client {target}:NAME)" if classes else ""
        raise UsageError(f"--client {target}: the module has not {lacks}{more}")
    secret = next((n for n in texts if any(word in n.lower() for word in ("key", "token", "secret"))
                   and n != constant), None)
    return Client(target, "module", module.__name__, module.__name__.rpartition(".")[2].title(),
                  constant=constant, secret_constant=secret, operations=tuple(operations))


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    return [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _constructor(parameter: inspect.Parameter) -> tuple[str | None, str]:
    """The argument's source, and what it is."""
    name = parameter.name.lower().strip("_")
    if name in _URLS:
        return f"{parameter.name}=base_url", "url"
    if name in _SECRETS:
        return f'{parameter.name}=secrets["api_key"]', "secret"
    if name in _INJECTED:
        return f"{parameter.name}=self.http", "injected"
    if name in _TIMEOUTS:
        return f"{parameter.name}=1.0", "timeout"
    if parameter.default is not parameter.empty:
        return None, "default"
    return f"{parameter.name}={_guess(parameter)}", "unknown"


def _injected(found: type, parameter: inspect.Parameter) -> str:
    """Which HTTP client: by annotation, else by the module's imports, else by its methods."""
    said = str(parameter.annotation)
    for word, kind in (("AsyncClient", "httpx.AsyncClient"), ("Session", "requests.Session"),
                       ("Client", "httpx.Client")):
        if word in said:
            return kind
    names = vars(sys.modules[found.__module__])
    asynchronous = any(inspect.iscoroutinefunction(m) for _, m in inspect.getmembers(found))
    if asynchronous:
        return "httpx.AsyncClient"
    return "requests.Session" if "requests" in names and "httpx" not in names else "httpx.Client"


def _kind(name: str, member: Callable[..., Any]) -> str | None:
    if _READS.match(name):
        return "read"
    if _WRITES.match(name):
        return "write"
    wanted = {p.name for p in _parameters(member)}
    return "write" if wanted & set(_AMOUNTS) else "read"


def _arguments(member: Callable[..., Any]) -> tuple[str, ...]:
    """The call's arguments in source: all that have no default, and those that carry a reference."""
    made = []
    for parameter in _parameters(member):
        if parameter.name in ("self", "cls"):
            continue
        name = parameter.name.lower()
        is_ref = name in _REFS or name.endswith(("_id", "_ref", "_key", "_reference"))
        if parameter.default is not parameter.empty and not is_ref:
            continue
        value = "ref" if is_ref else "amount" if name in _AMOUNTS else _guess(parameter)
        made.append(value if parameter.kind is parameter.POSITIONAL_ONLY else f"{parameter.name}={value}")
    return tuple(made)


def _guess(parameter: inspect.Parameter) -> str:
    said = str(parameter.annotation)
    if "int" in said or "float" in said or "Decimal" in said:
        return "1"
    if "dict" in said or "Mapping" in said:
        return '{"reference": ref}' if parameter.default is parameter.empty else "{}"
    return '"EUR"' if "currency" in parameter.name.lower() else '"test"'


def adapter_text(client: Client, name: str) -> str:
    """Return the adapter file's text."""
    marks = ", ".join(sorted({kind for _, kind, *_ in client.operations}))
    lines = [f'"""All that galeproof needs to know of {client.target}."""', "",
             f"from galeproof import {marks}"]
    if client.injected:
        lines.append(f"import {client.injected.partition('.')[0]}")
    lines.append(f"import {client.module}" if client.shape == "module"
                 else f"from {client.module} import {client.name}")
    lines += ["", "", f"class {name}:", "    def __init__(self, base_url, secrets):", *_built(client)]
    for operation in client.operations:
        lines += _method(client, *operation)
    lines += _closed(client)
    return "\n".join(lines) + "\n"


def _built(client: Client) -> list[str]:
    if client.shape == "module":
        lines = [f"        {client.module}.{client.constant} = base_url"]
        if client.secret_constant:
            lines.append(f'        {client.module}.{client.secret_constant} = secrets["api_key"]')
        else:
            lines.append('        # secrets["api_key"] is the canary: give it to your client')
        return lines
    lines = []
    if client.injected and client.injected.startswith("httpx"):
        lines += [f"        self.http = {client.injected}(",
                  '            base_url=base_url, timeout=1.0,',
                  '            headers={"Authorization": "Bearer " + secrets["api_key"]})']
    elif client.injected:
        lines += ["        self.http = requests.Session()",
                  '        self.http.headers["Authorization"] = "Bearer " + secrets["api_key"]']
    return [*lines, f"        self.client = {client.name}({', '.join(client.constructor)})"]


def _method(client: Client, name: str, kind: str, arguments: tuple[str, ...],
            asynchronous: bool) -> list[str]:
    text = ", ".join(arguments)
    words = [word for word in ("ref", "amount")
             if re.search(rf"\b{word}\b", text.replace(f"{word}=", ""))]
    takes = ["ref", *[word for word in words if word != "ref"]]
    owner = client.module if client.shape == "module" else "self.client"
    note = [] if "ref" in words else [
        "        # ref must reach the wire: pass it in the path, a header or the body"]
    define, wait = ("async def", "await ") if asynchronous else ("def", "")
    return ["", f"    @{kind}", f"    {define} {name}(self, {', '.join(takes)}):", *note,
            f"        return {wait}{owner}.{name}({text})"]


def _closed(client: Client) -> list[str]:
    target = "self.http" if client.injected else "self.client" if client.closer else None
    if target is None:
        return []
    closer = client.closer if not client.injected else (
        "aclose" if client.injected == "httpx.AsyncClient" else "close")
    if closer == "aclose":
        return ["", "    async def close(self):", f"        await {target}.aclose()"]
    return ["", "    def close(self):", f"        {target}.{closer}()"]
