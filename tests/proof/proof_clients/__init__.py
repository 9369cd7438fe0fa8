"""Clients that must fail an invariant (mutants) and sound ones that must not (traps).

Each commits INVARIANTS (codes that must be decided over their own schedules), EXPECT (codes that it
must fail) and MAY (codes that it may fail, with the reason). Most change one thing of one small
sound client; a family has a file.
"""

import importlib
import pkgutil

CLIENTS = {
    name: found
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__))
    for name, found in vars(importlib.import_module(f"{__name__}.{module}")).items()
    if isinstance(found, type) and hasattr(found, "EXPECT") and found.__module__ == f"{__name__}.{module}"
}
