"""Three settings of one popular client, for ``galeproof demo``: the defaults, and two steps on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import urllib3
from urllib3.util import Retry

from galeproof import read

__all__ = ["CLIENTS", "Backoff", "BackoffAndJitter", "Defaults"]


class Defaults:
    """urllib3 with Retry(3) and the default ``backoff_factor=0``."""

    settings: Mapping[str, Any] = {}

    def __init__(self, base_url: str, secrets: Mapping[str, str]) -> None:
        self._url = base_url
        retry = Retry(3, status_forcelist=[503], **self.settings)
        self._http = urllib3.PoolManager(
            maxsize=60, timeout=urllib3.Timeout(connect=1.0, read=1.0), retries=retry,
            headers={"Authorization": f"Bearer {secrets['api_key']}"})

    @read(answer={"id": "{ref}"})
    def fetch(self, ref: str) -> Any:
        """Get one payment."""
        return self._http.request("GET", f"{self._url}/payments/{ref}").json()

    def close(self) -> None:
        """Close the pool."""
        self._http.clear()


class Backoff(Defaults):
    """urllib3 with ``backoff_factor=0.3``."""

    settings: Mapping[str, Any] = {"backoff_factor": 0.3}


class BackoffAndJitter(Defaults):
    """urllib3 with ``backoff_factor=0.3, backoff_jitter=0.3``."""

    settings: Mapping[str, Any] = {"backoff_factor": 0.3, "backoff_jitter": 0.3}


CLIENTS = (Defaults, Backoff, BackoffAndJitter)
