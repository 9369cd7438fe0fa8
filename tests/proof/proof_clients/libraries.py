"""The small sound client on another library."""

from __future__ import annotations

import httpx
import requests
from requests.adapters import HTTPAdapter

from proof_clients.sound import Sound


class SoundOnRequests(Sound):
    """Trap: the sound client on requests."""

    INVARIANTS = ("JIT001", "RAF002", "RAF004", "IDM003", "IDM004", "IDM005", "IDM007", "SEC002", "SEC004")
    MAY = {"TMO004": "requests bounds each read, not the whole answer",
           "TMO008": "a dripping answer outlives the operation"}

    def make_http(self):
        session = requests.Session()
        session.max_redirects = 10  # its own limit is 30
        session.mount("http://", HTTPAdapter(pool_maxsize=100))
        return session

    def send(self, method, path, ref, body, key, attempt, until):
        headers = {"Authorization": f"Bearer {self.key}", "X-Request-Id": ref}
        if method == "POST" and key:
            headers |= self.key_headers(self.attempt_key(key, attempt), attempt)
        try:
            return self.exchange(method, path, headers, body, self.attempt_timeout(until))
        except requests.RequestException as error:
            name = type(error).__name__
            kind = httpx.ReadError if isinstance(error, requests.ConnectionError) else httpx.ReadTimeout
        raise kind(name)  # outside the except block: no context, no headers in its frames

    def exchange(self, method, path, headers, body, timeout):
        return self.http.request(method, self.base + path, json=body, headers=headers, timeout=timeout)
