"""An OAuth authority: issues tokens, rotates refresh tokens, and knows which are good."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from galeproof.kernel.chance import ALPHABET
from galeproof.kernel.wire import Head

__all__ = ["Issued", "Issuer"]

_LIFE_S = 3600
_GRANTS = frozenset({"refresh_token", "client_credentials", "password"})


@dataclass(frozen=True, slots=True)
class Issued:
    """What the authority says to one request: status, body, and what is recorded of it."""

    status: int
    body: Mapping[str, Any]
    told: Mapping[str, Any]


@dataclass(slots=True)
class Issuer:
    """The authority of one run, its control included.

    Attributes:
        refresh: The refresh token in force; empty where the run has none.
        rotate: Whether each use of a refresh token gives another one (in a storm of tokens only: a
            subject that is started anew begins with the first one again).
        fixed: The access token that is given first: the run's canary, outside storms of tokens.
        guarded: Whether requests need a good token.
        refused: Whether even a fresh token is refused.
        status: What the token endpoint answers instead of a token, or None.
        delay_s: How long it takes to answer.
    """

    rng: random.Random
    refresh: str = ""
    rotate: bool = False
    fixed: str = ""
    guarded: bool = False
    refused: bool = False
    status: int | None = None
    delay_s: float = 0.0
    _good: set[str] = field(default_factory=set)

    def storm(self, spec: Mapping[str, Any]) -> None:
        """Begin the storm: what was issued until now is expired where ``expired`` says so."""
        self.guarded = True
        self.rotate = bool(spec.get("rotate", True))
        self.refused, self.status = bool(spec.get("refused")), spec.get("status")
        self.delay_s = float(spec.get("delay_s") or 0.0)
        if spec.get("expired", True):
            self._good.clear()

    def accepts(self, head: Head) -> bool:
        """Tell whether a request carries a good token."""
        kind, _, token = (head.get("authorization") or "").partition(" ")
        return not self.refused and kind.lower() == "bearer" and token in self._good

    def issue(self, body: bytes) -> Issued:
        """Answer one request for a token."""
        form = _form(body)
        grant = str(form.get("grant_type") or "client_credentials")
        presented = form.get("refresh_token")
        told = {"grant": grant, "presented": presented}
        if self.status is not None:
            error = "invalid_grant" if self.status == 400 else "temporarily_unavailable"
            return Issued(self.status, {"error": error}, told)
        if grant == "refresh_token" and presented != self.refresh:
            return Issued(400, {"error": "invalid_grant"}, {**told, "reused": True})
        if grant not in _GRANTS:
            return Issued(400, {"error": "unsupported_grant_type"}, told)
        access, self.fixed = self.fixed or self._new("at"), ""  # a renewed one must be another
        self._good.add(access)
        answer: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "expires_in": _LIFE_S}
        if grant == "refresh_token":
            self.refresh = self._new("rt") if self.rotate else self.refresh
            answer["refresh_token"] = self.refresh
        return Issued(200, answer, told)

    def _new(self, kind: str) -> str:
        return f"{kind}_" + "".join(self.rng.choices(ALPHABET, k=24))


def _form(body: bytes) -> Mapping[str, Any]:
    """The fields of a request, form-encoded or JSON."""
    try:
        found = json.loads(body)
    except ValueError:
        return {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
    return found if isinstance(found, dict) else {}
