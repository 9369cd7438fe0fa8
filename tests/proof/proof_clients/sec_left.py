"""Mutants and traps: what a client leaves behind."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

from proof_clients.libraries import SoundOnRequests
from proof_clients.sound import Sound

_PLACE = Path(tempfile.gettempdir())

# -- SEC005 ------------------------------------------------------------------------------------------

class RecordsACassette(Sound):
    """Headers are recorded without a filter."""

    INVARIANTS, EXPECT = ("SEC005",), frozenset({"SEC005"})

    def say(self, headers):
        (_PLACE / "proof-cassette.json").write_text(json.dumps(self.shown(headers)))

    def shown(self, headers):
        return headers


class PacksACassette(RecordsACassette):
    """The same, packed."""

    def say(self, headers):
        with gzip.open(_PLACE / "proof-cassette.json.gz", "wt") as file:
            json.dump(self.shown(headers), file)


class GivesAChildTheHeader(SoundOnRequests):
    """A child gets the credentials as an argument, on requests."""

    INVARIANTS, EXPECT = ("SEC005",), frozenset({"SEC005"})
    started = False

    def send(self, method, path, *args):
        if not self.started:
            self.started = True
            subprocess.run([shutil.which("true") or sys.executable, self.argument()], check=False)
        return super().send(method, path, *args)

    def argument(self):
        return f"--header=Authorization: Bearer {self.key}"


class GivesAChildAName(GivesAChildTheHeader):
    """Trap: the child gets the name of a variable, and the secret in its environment."""

    EXPECT = frozenset()

    def argument(self):
        return "--header-from=API_KEY"


class FiltersItsCassette(RecordsACassette):
    """Trap: the value itself is taken out of what is recorded."""

    EXPECT = frozenset()

    def shown(self, headers):
        return {name: value.replace(self.key, "REDACTED") for name, value in headers.items()}


class EncryptedCache(SoundOnRequests):
    """Trap: an encrypted cache of the token that only its owner may read."""

    INVARIANTS = ("SEC005",)
    sealer = Fernet(Fernet.generate_key())

    def make_http(self):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(_PLACE / "proof-token-cache", flags, 0o600), "wb") as file:
            file.write(self.sealer.encrypt(self.key.encode()))
        return super().make_http()
