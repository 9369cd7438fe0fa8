"""Credentials as the client uses them: a static secret, or one that a token endpoint gives."""

from __future__ import annotations

from typing import Protocol

from galeproof.client.audit import AuditLog
from galeproof.client.errors import CredentialUnavailable
from galeproof.client.gate import Refusal
from galeproof.client.secret import StaticSecret, Token

__all__ = ["Credential", "StaticCredential"]

REVOKED = Refusal("credential_revoked", "the credential was revoked", CredentialUnavailable)


class Credential(Protocol):
    """Where the client's bearer tokens come from."""

    async def token(self, scope: str, correlation_id: str) -> Token | Refusal:
        """Return what to send now, or why there is nothing."""
        ...

    async def renewed(self, used: Token, scope: str) -> bool:
        """Take note that `used` was refused; True when there is another one to try."""
        ...

    async def revoke(self) -> None:
        """Never send it again, and tell the authority where there is one."""
        ...

    async def close(self) -> None:
        """End what is under way."""
        ...


class StaticCredential:
    """A secret that is sent as it is.

    Args:
        secret: the secret and its source.
        audit: where each use is written.
    """

    def __init__(self, secret: StaticSecret, audit: AuditLog) -> None:
        self._secret = secret
        self._audit = audit

    async def token(self, scope: str, correlation_id: str) -> Token | Refusal:
        """Return the value in force."""
        token = self._secret.current()
        if self._secret.revoked:
            return REVOKED
        self._audit.note("use", self._secret.name, token.generation, correlation_id=correlation_id)
        return token

    async def renewed(self, used: Token, scope: str) -> bool:
        """Read the source again: True when the value is another one than that refused."""
        self._audit.note("refused", self._secret.name, used.generation)
        current = self._secret.current()
        return current.generation != used.generation or self._secret.reload()

    async def revoke(self) -> None:
        """Never send the value again; its issuer must be told by other means."""
        self._secret.revoke()

    async def close(self) -> None:
        """Do nothing: nothing is under way."""
