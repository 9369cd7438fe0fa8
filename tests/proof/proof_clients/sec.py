"""Mutants and traps: secrets."""

from __future__ import annotations

import hashlib
import json
import logging

from proof_clients.sound import LOG, Sound

# -- SEC001 ------------------------------------------------------------------------------------------

class LogsHeaders(Sound):
    """log.debug("headers=%s", headers)."""

    INVARIANTS, EXPECT = ("SEC001",), frozenset({"SEC001"})

    def say(self, headers):
        LOG.debug("headers=%s", headers)


class RedactsOneSpelling(Sound):
    """A redactor that knows `Authorization` and not `authorization`; its logger is its own."""

    INVARIANTS, EXPECT = ("SEC001",), frozenset({"SEC001"})

    def say(self, headers):
        lower = {name.lower(): value for name, value in headers.items()}
        shown = {n: "***" if n == "Authorization" else v for n, v in lower.items()}
        quiet = logging.getLogger("proof.quiet")
        quiet.propagate = False
        quiet.warning("sending %s", json.dumps(shown))


class MasksAndHashes(Sound):
    """Trap: logs `Bearer ****abcd` and a SHA-256 prefix."""

    INVARIANTS = ("SEC001",)

    def say(self, headers):
        digest = hashlib.sha256(self.key.encode()).hexdigest()[:12]
        LOG.info("Authorization: Bearer ****%s sha256=%s", self.key[-4:], digest)
