"""A process that puts payments into an outbox and makes them, for tests that kill it.

`python tests/provider/outbox_worker.py FILE URL COUNT [--put]`: the API key is read from stdin. With
`--put` it stores COUNT entries first. It says `ready` and then makes what is due until killed, or
until nothing waits.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from galeproof.client import ClientSettings, Outbox, PaymentsClient

__all__ = ["main"]


async def main(path: Path, url: str, count: int, put: bool, key: SecretStr) -> None:
    """Work until nothing waits; one more entry is a refund that the provider refuses for good."""
    settings = ClientSettings(base_url=url, api_key=key, trust_env=False)
    async with PaymentsClient(settings) as client:

        async def pay(payload: Mapping[str, Any], idempotency_key: str) -> None:
            await client.create_payment(
                payload["amount"], "EUR", payload["reference"], idempotency_key=idempotency_key)

        async def refund(payload: Mapping[str, Any], idempotency_key: str) -> None:
            await client.refund("pay_none", payload["amount"], idempotency_key=idempotency_key)

        async with Outbox(path, {"pay": pay, "refund": refund}, lease_s=0.2, tries=50, base_s=0.05,
                          cap_s=0.2) as box:
            if put:
                for n in range(count):
                    await box.put("pay", {"amount": 5, "reference": f"r{n}"}, key=f"box-{n}")
                await box.put("refund", {"amount": 5}, key="box-dead")
            print("ready", flush=True)
            while await box.waiting():
                await box.drain()
                await asyncio.sleep(0.05)
            print("done", *(f"{e.key}={e.last_error}" for e in await box.dead_letter()), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=1, stream=sys.stderr)
    secret = SecretStr(sys.stdin.readline().strip())
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), "--put" in sys.argv, secret))
