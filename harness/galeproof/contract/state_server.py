"""Our own endpoint for provider states: handlers in Python, sync or async, with their own tracebacks.

A function handler of pact-python that raises costs two minutes of calls again, an async one never runs, and
what a handler returns is dropped. Here a handler is called once, on one loop that lasts as long as the
verification, and what it raises is shown.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from galeproof.contract.errors import ContractError

__all__ = ["StateServer", "load_states", "state"]

_NAME = "__galeproof_state__"
Handler = Callable[..., Any]
F = TypeVar("F", bound=Handler)
_marked: list[Handler] = []


def state(name: str) -> Callable[[F], F]:
    """Mark a handler of one provider state.

    It takes the state's parameters by name, may be async, and may return a mapping of values. A generator
    (sync or async) sets up before its `yield` and tears down after it.

    Args:
        name: The state, as in the pact. `"*"` is called as `handler(name, **params)` for any other.
    """

    def mark(handler: F) -> F:
        setattr(handler, _NAME, name)
        _marked.append(handler)
        return handler

    return mark


def load_states(path: Path) -> dict[str, Handler]:
    """Return the handlers of a Python file, by state.

    Raises:
        ContractError: The file cannot be run, has no handler, or two for one state.
    """
    spec = importlib.util.spec_from_file_location(f"galeproof_states_{path.stem}", path)
    try:
        if spec is None or spec.loader is None:
            raise ImportError("not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        sys.path.insert(0, str(path.resolve().parent))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(path.resolve().parent))
    except (Exception, SystemExit) as error:
        raise ContractError(f"{path}: no state handlers: {type(error).__name__}: {error}") from error
    found: dict[str, Handler] = {}
    # one that a second function of the same name replaced is in no namespace any more
    hidden = [handler for handler in _marked if handler.__module__ == spec.name]
    _marked.clear()
    for value in [*vars(module).values(), *hidden]:
        name = getattr(value, _NAME, None)
        if isinstance(name, str):
            if name in found and found[name] is not value:
                raise ContractError(f"{path}: two handlers of state {name!r}")
            found[name] = value
    if not found:
        raise ContractError(f"{path}: no handler is marked with @state(NAME)")
    return found


class StateServer:
    """Serves handlers; use it as `with StateServer(handlers) as states`.

    Args:
        handlers: By state. `"count"` in `extra` is no state: see `count`.
        count: Returns the number of effects so far, or None.

    Attributes:
        url: Where states are set.
        errors: The tracebacks of handlers that raised; an answer 422 names its own by number.
    """

    def __init__(self, handlers: Mapping[str, Handler], count: Handler | None = None) -> None:
        self._handlers, self._count = dict(handlers), count
        self._open: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self.errors: list[str] = []
        answer = self._answer

        class Served(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status, document = answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                body = json.dumps(document, default=str).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._threads = [threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True),
                         threading.Thread(target=self._loop.run_forever, daemon=True)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        for thread in self._threads:
            thread.join(5)
        if not self._loop.is_running():  # a handler that hangs holds it
            self._loop.close()

    def _answer(self, body: bytes) -> tuple[int, Any]:
        try:
            order = json.loads(body)
            action, name, params = order["action"], order.get("state"), order.get("params") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            return 400, {"error": "expected an object with action, state and params"}
        work = self._counted() if action == "count" else self._change(action, name, params)
        try:
            return asyncio.run_coroutine_threadsafe(_kept(work), self._loop).result()
        except BaseException as error:  # pytest.fail is no Exception
            # 4xx: a 5xx would be asked again by Pact's own callers
            text = "".join(traceback.format_exception(error))
            self.errors.append(text)
            return 422, {"traceback": len(self.errors) - 1, "error": f"{type(error).__name__}: {error}"}

    async def _counted(self) -> tuple[int, Any]:
        if self._count is None:
            return 404, {"error": "nobody counts effects"}
        found = self._count()
        return 200, {"effects": int(await found if inspect.isawaitable(found) else found)}

    async def _change(self, action: str, name: str, params: Mapping[str, Any]) -> tuple[int, Any]:
        if action == "teardown":
            return 200, await self._finish(name)
        handler = self._handlers.get(name)
        if handler is None and "*" in self._handlers:
            handler, params = self._handlers["*"], {**params, "name": name}
        if handler is None:
            known = ", ".join(map(repr, sorted(self._handlers)))
            return 404, {"error": f"no handler for state {name!r}; there are {known}"}
        made = handler(**params)
        if inspect.isawaitable(made):
            made = await made
        elif inspect.isasyncgen(made):
            self._open.append((name, made))
            made = await anext(made)
        elif inspect.isgenerator(made):
            self._open.append((name, made))
            made = next(made)
        return 200, dict(made) if isinstance(made, Mapping) else {}

    async def _finish(self, name: str) -> dict[str, Any]:
        for at in reversed(range(len(self._open))):
            if self._open[at][0] == name:
                made = self._open.pop(at)[1]
                if inspect.isasyncgen(made):
                    await anext(made, None)
                else:
                    next(made, None)
                break
        return {}


async def _kept(work: Coroutine[Any, Any, tuple[int, Any]]) -> tuple[int, Any]:
    """Await it; what would end the loop becomes an error like any other."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
