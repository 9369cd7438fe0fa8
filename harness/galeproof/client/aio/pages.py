"""Walking through pages by cursor, never for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from galeproof.client.errors import ErrorFacts, PayloadError

__all__ = ["Page", "walk_pages"]

T_co = TypeVar("T_co", covariant=True)


class Page(Protocol[T_co]):
    """One page: items, and where the next one begins."""

    @property
    def items(self) -> Sequence[T_co]:
        """What is on this page; it may be empty before the end."""
        ...

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the next page, None on the last."""
        ...


async def walk_pages(
    fetch: Callable[[str | None], Awaitable[Page[T_co]]], *, max_pages: int
) -> AsyncIterator[T_co]:
    """Yield the items of all pages, one page ahead of the caller at most.

    Args:
        fetch: reads the page at a cursor, None for the first.
        max_pages: how many pages there may be.

    Raises:
        PayloadError: the provider sends a cursor for the second time, or too many pages.
        ClientError: a page could not be read.
    """
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(max_pages):
        page = await fetch(cursor)
        for item in page.items:
            yield item
        cursor = page.next_cursor
        if not cursor:
            return
        if cursor in seen:
            raise PayloadError("the pages go round in a circle", ErrorFacts(code="cursor_repeated"))
        seen.add(cursor)
    raise PayloadError(f"more than {max_pages} pages", ErrorFacts(code="too_many_pages"))
