"""The blocking twin of `galeproof.client.aio`, generated from it by ci/unasync."""

from __future__ import annotations

__all__: list[str] = []
