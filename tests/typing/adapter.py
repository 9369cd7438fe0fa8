"""An adapter as users type it: marked methods keep their own types."""

from typing import Any, assert_type

import httpx

from galeproof import read, write


class Billing:
    """A class is one client instance, marked methods are operations."""

    def __init__(self, base_url: str, secrets: dict[str, str]) -> None:
        self.http = httpx.Client(base_url=base_url, headers={"X-Api-Key": secrets["api_key"]})

    @read(answer={"id": "{ref}", "amount": 1250})
    def fetch(self, ref: str) -> dict[str, Any]:
        return dict(self.http.get(f"/payments/{ref}").json())

    @write(answer={"id": "{effect}"}, status=201, headers={"X-Kind": "payment"})
    async def create(self, ref: str, amount: int) -> str:
        return f"{ref}-{amount}"

    @read
    def plain(self, ref: str) -> int:
        return len(ref)

    def close(self) -> None:
        self.http.close()


async def use(billing: Billing) -> None:
    """A mark changes nothing of a method's signature."""
    assert_type(billing.fetch("a"), dict[str, Any])
    assert_type(await billing.create("a", amount=1), str)
    assert_type(billing.plain("a"), int)
    billing.plain(1)  # pyright: ignore[reportArgumentType]
    write(status="201")  # pyright: ignore[reportArgumentType]
