"""galeproof blows storms at an HTTP API client and gives verdicts that are true.

Import from here, ``galeproof.client`` and ``galeproof.strategies`` only. Names are loaded when
first used, so that the client and an unused plugin stay cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from galeproof.model import History as History
    from galeproof.model import Profile as Profile
    from galeproof.model import Verdict as Verdict
    from galeproof.model import read_history as read_history
    from galeproof.plugin.gale import Gale as Gale
    from galeproof.plugin.scope import OperationScope as OperationScope
    from galeproof.subject import read as read
    from galeproof.subject import write as write

__all__ = ["Gale", "History", "OperationScope", "Profile", "Verdict", "__version__", "read",
           "read_history", "write"]

__version__ = "0.1.0"

_HOMES = {
    "Gale": "galeproof.plugin.gale",
    "History": "galeproof.model",
    "OperationScope": "galeproof.plugin.scope",
    "Profile": "galeproof.model",
    "Verdict": "galeproof.model",
    "read": "galeproof.subject.marks",
    "read_history": "galeproof.model",
    "write": "galeproof.subject.marks",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'galeproof' has no attribute {name!r}")
