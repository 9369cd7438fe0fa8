"""Clients that must fail an invariant (mutants) and sound ones that must not (traps).

Each commits INVARIANTS (codes that must be decided over their own schedules), EXPECT (codes that it
must fail) and MAY (codes that it may fail, with the reason). Most change one thing of one small
sound client; a family has a file.
"""

import importlib
import pkgutil

CLIENTS = {}
for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    for _name, _found in vars(importlib.import_module(f"{__name__}.{_module}")).items():
        if not hasattr(_found, "EXPECT") or _found.__module__ != f"{__name__}.{_module}":
            continue
        if _name in CLIENTS:  # it would be run in the place of the other, and nobody would know
            raise NameError(f"two proof clients are called {_name}")
        CLIENTS[_name] = _found
