"""Where a subject's coroutines run: on the harness's loop, or on a loop of another library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

__all__ = ["Home", "here", "through"]


class Home(Protocol):
    """Runs an async function where the subject is at home."""

    async def __call__(self, function: Callable[[], Awaitable[Any]]) -> Any:
        """Run it to its end and return its value."""


async def here(function: Callable[[], Awaitable[Any]]) -> Any:
    """Run it on this loop."""
    return await function()


def through(portal: BlockingPortal) -> Home:
    """Return a home on the loop behind a portal (trio's, say); this loop goes on meanwhile."""

    async def run(function: Callable[[], Awaitable[Any]]) -> Any:
        return await asyncio.wrap_future(portal.start_task_soon(function))

    return run
