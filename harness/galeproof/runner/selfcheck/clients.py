"""What the self-check drives: a sound client on the standard library, and one with a defect of every
family that shows within seconds."""

from __future__ import annotations

import http.client
import json
import logging
import random
import threading
import time
import urllib.parse
import uuid
from collections.abc import Mapping
from typing import Any

from galeproof import read, write

__all__ = ["Defective", "DefectiveBearer", "Failed", "Sound", "SoundBearer", "StaleAfterARest"]

_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_LOG = logging.getLogger("galeproof.selfcheck")


class Failed(Exception):
    """The one error of both."""


class Sound:
    """Three attempts, full jitter, Retry-After obeyed, one key and one id an operation."""

    attempts, timeout_s, base_s = 3, 0.3, 0.5

    def __init__(self, base_url: str, secrets: Mapping[str, str]) -> None:
        self._url = urllib.parse.urlsplit(base_url)
        self._secret = secrets["api_key"]
        self._kept = threading.local()

    @read(answer={"id": "{ref}"})
    def fetch(self, ref: str) -> Any:
        """Get one payment."""
        return self._operation("GET", f"/payments/{ref}", ref, None)

    @write(answer={"id": "{effect}", "amount": "{amount}", "reference": "{ref}"}, status=201)
    def create(self, ref: str, amount: int) -> Any:
        """Make one payment."""
        return self._operation("POST", "/payments", ref, {"reference": ref, "amount": amount})

    def close(self) -> None:
        """Nothing is shared between threads."""

    def bearer(self) -> str:
        """Return what goes into Authorization."""
        return self._secret

    def again(self, ref: str) -> str:
        """Return the id of one more attempt of an operation: the same."""
        return ref

    def wait_s(self, asked_s: float) -> float:
        """Return how long to wait before the next attempt."""
        return max(asked_s, random.uniform(0, self.base_s))

    def body(self, answer: http.client.HTTPResponse) -> bytes:
        """Read an answer's body, all of it or not at all."""
        return answer.read()

    def retries_hang(self) -> bool:
        """Whether a lost answer is asked for again."""
        return True

    def _operation(self, method: str, path: str, ref: str, payload: object) -> Any:
        key, told = str(uuid.uuid4()), ref
        for attempt in range(1, self.attempts + 1):
            status, asked_s, body = self._once(method, path, told, key, payload)
            if status is not None and status not in _TRANSIENT:
                return self.result(status, body, ref)
            if attempt == self.attempts or (status is None and not self.retries_hang()):
                break
            time.sleep(self.wait_s(asked_s))
            if (fresh := self.again(ref)) != told:
                told, key = fresh, str(uuid.uuid4())
        raise Failed(f"no answer but {status}")

    def result(self, status: int, body: bytes, ref: str) -> Any:
        """Make the caller's value of a final answer."""
        if status >= 300:
            raise Failed(f"status {status}")
        return json.loads(body)

    def _once(self, method: str, path: str, told: str, key: str, payload: object
              ) -> tuple[int | None, float, bytes]:
        headers = {"Authorization": f"Bearer {self.bearer()}", "X-Request-Id": told,
                   "Content-Type": "application/json"}
        if method == "POST":
            headers["Idempotency-Key"] = key
        body = json.dumps(payload) if payload is not None else None
        connection = getattr(self._kept, "connection", None) or http.client.HTTPConnection(
            self._url.hostname or "", self._url.port, timeout=self.timeout_s)
        self._kept.connection = connection
        try:
            connection.request(method, self._url.path.rstrip("/") + path, body, headers)
            answer = connection.getresponse()
            asked = answer.getheader("Retry-After", "")
            return answer.status, float(asked) if asked.isdigit() else 0.0, self.body(answer)
        except (OSError, http.client.HTTPException):
            connection.close()
            return None, 0.0, b""


class Defective(Sound):
    """Four attempts, a fixed delay, Retry-After ignored, a key and an id an attempt, half a body taken
    for a whole one, a timeout five times as long, and the secret in a log."""

    attempts, timeout_s = 4, 1.5

    def again(self, ref: str) -> str:
        """Another one, in which the operation can be seen still."""
        return f"{ref}.{uuid.uuid4()}"

    def wait_s(self, asked_s: float) -> float:
        """Always the same."""
        return self.base_s

    def body(self, answer: http.client.HTTPResponse) -> bytes:
        """Whatever came."""
        _LOG.warning("answer to Bearer %s", self._secret)
        try:
            return answer.read()
        except http.client.IncompleteRead as error:
            return error.partial

    def retries_hang(self) -> bool:
        """A reset is tried again; so long a wait is not."""
        return time.monotonic() - self._asked_at < 1.0

    def result(self, status: int, body: bytes, ref: str) -> Any:
        """An answer that can't be read is a success all the same."""
        return {"id": ref, "answer": body.decode("utf-8", "replace")}

    def _once(self, method: str, path: str, told: str, key: str, payload: object
              ) -> tuple[int | None, float, bytes]:
        self._asked_at = time.monotonic()
        return super()._once(method, path, told, key, payload)

    @property
    def _asked_at(self) -> float:
        return float(getattr(self._kept, "asked_at", 0.0))

    @_asked_at.setter
    def _asked_at(self, value: float) -> None:
        self._kept.asked_at = value


class StaleAfterARest(Sound):
    """A timer that stays armed fires in the next call."""

    used_at = 0.0

    def _once(self, method: str, path: str, told: str, key: str, payload: object
              ) -> tuple[int | None, float, bytes]:
        rested_s, self.used_at = time.monotonic() - (self.used_at or time.monotonic()), time.monotonic()
        if rested_s > self.timeout_s:
            raise Failed("timed out")
        return super()._once(method, path, told, key, payload)


class SoundBearer(Sound):
    """A token from the authority; one caller asks for a new one, all others wait for it."""

    def __init__(self, base_url: str, secrets: Mapping[str, str], token_url: str) -> None:
        super().__init__(base_url, secrets)
        self._token_url, self._token = urllib.parse.urlsplit(token_url), ""
        self._refresh_token = secrets["refresh_token"]
        self._lock = threading.Lock()

    def bearer(self) -> str:
        """Return the token, the first one fetched here."""
        if not self._token:
            self.renew("")
        return self._token

    def renew(self, used: str) -> None:
        """Replace the token that was refused, unless another caller has."""
        with self._lock:
            if self._token == used:
                self.ask()

    def ask(self) -> None:
        """Ask the authority for a token."""
        form = urllib.parse.urlencode({"grant_type": "refresh_token",
                                       "refresh_token": self._refresh_token})
        connection = http.client.HTTPConnection(self._token_url.hostname or "", self._token_url.port,
                                                timeout=2.0)
        connection.request("POST", self._token_url.path, form,
                           {"Content-Type": "application/x-www-form-urlencoded"})
        told = json.loads(connection.getresponse().read())
        connection.close()
        self._token = told["access_token"]
        self._refresh_token = told.get("refresh_token", self._refresh_token)

    def _once(self, method: str, path: str, told: str, key: str, payload: object
              ) -> tuple[int | None, float, bytes]:
        used = self.bearer()
        found = super()._once(method, path, told, key, payload)
        if found[0] != 401:
            return found
        self.renew(used)
        return super()._once(method, path, told, key, payload)


class DefectiveBearer(SoundBearer):
    """Whoever sees a refusal asks anew."""

    def renew(self, used: str) -> None:
        """Ask, whatever the others do."""
        self.ask()
