"""The door to pact-python: imported late, with its telemetry off and its log quiet."""

from __future__ import annotations

import importlib
import logging
import os
from types import ModuleType

from galeproof.contract.errors import ContractError

__all__ = ["load_pact"]


def load_pact() -> ModuleType:
    """Import pact-python.

    Telemetry is off unless `PACT_DO_NOT_TRACK` says otherwise. The library's log is held at
    WARNING unless the user set a level: at DEBUG it shows every header, secrets included, and
    the level is fixed when the library starts.

    Returns:
        The module `pact`.

    Raises:
        ContractError: The extra is not installed.
    """
    os.environ.setdefault("PACT_DO_NOT_TRACK", "true")
    log = logging.getLogger("pact.ffi")
    if log.level == logging.NOTSET:
        log.setLevel(logging.WARNING)
    try:
        return importlib.import_module("pact")
    except ModuleNotFoundError as error:
        raise ContractError(
            f"contracts need pact-python ({error}): pip install 'galeproof[pact]'"
        ) from None
