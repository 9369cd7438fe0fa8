"""The reference provider of the payments API, an application of its own.

Run it: `python contracts/provider/app.py [--database URL] [--port N] [--states]`; it prints its URL
as the first line. Everything else is told by PAYMENTS_API_* variables (`settings.py`). `--states`
adds the endpoint by which a verifier sets provider states: for tests only.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])

import uvicorn
from contracts.provider.problems import problem
from contracts.provider.routes import PaymentsApi
from contracts.provider.settings import ProviderSettings
from contracts.provider.states import States
from contracts.provider.store import Store
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["create_app", "serve"]


def create_app(
    settings: ProviderSettings | None = None, *, store: Store | None = None, states: bool = False,
    **clocks: Any,
) -> Starlette:
    """Make the application.

    Args:
        settings: from the environment by default.
        store: the database; the one of the settings by default.
        states: Whether `POST /_pact/states` is there.
        clocks: `now` and `monotonic`, in place of the machine's.
    """
    settings = settings if settings is not None else ProviderSettings()
    held = store if store is not None else Store(settings.database_url)

    @contextlib.asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        yield
        if store is None:
            held.close()

    api = PaymentsApi(settings, held, **clocks)
    routes = api.routes()
    if states:
        told = States(held, api.rates, api.once)

        async def set_state(request: Request) -> Response:
            return await run_in_threadpool(told.change, await request.body())

        routes.append(Route("/_pact/states", set_state, methods=["POST"]))
    return Starlette(routes=routes, lifespan=lifespan,
                     exception_handlers={HTTPException: _refused, Exception: _broken})


async def _refused(request: Request, error: Exception) -> Response:
    """What the router itself refuses is a problem document, too."""
    assert isinstance(error, HTTPException)
    code = {404: "route-unknown", 405: "method-not-allowed"}.get(error.status_code, "refused")
    return problem(error.status_code, code, "the API has no such operation", error.headers)


async def _broken(request: Request, error: Exception) -> Response:
    return problem(500, "internal", "the provider has a defect")


def serve(app: Any, port: int = 0, **config: Any) -> None:
    """Serve on loopback until killed; the URL is the first line of stdout.

    Args:
        app: an ASGI application.
        port: 0 for any free one.
        config: further arguments of `uvicorn.Config`.
    """
    with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
        # the socket listens already: who reads this line can connect
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", **config)).run(sockets=[listener])


def main() -> None:
    """Serve on loopback until killed."""
    parser = argparse.ArgumentParser(description="The reference provider of the payments API.")
    parser.add_argument("--database", help="SQLAlchemy's URL; in memory by default")
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--states", action="store_true", help="with POST /_pact/states")
    options = parser.parse_args()
    given = {} if options.database is None else {"database_url": options.database}
    try:
        app = create_app(ProviderSettings(**given), states=options.states)
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors())
        parser.error("; ".join(wrong))
    except SQLAlchemyError as error:
        # its text may hold the URL, and that a password
        parser.error(f"database_url: the database cannot be used ({type(error).__name__})")
    serve(app, options.port)


if __name__ == "__main__":
    main()
