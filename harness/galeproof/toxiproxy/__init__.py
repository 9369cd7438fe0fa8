"""Toxiproxy as this harness uses it: the server, its control plane, an embedded twin.

May import `galeproof.errors` and `galeproof.faults`. Only `control` imports the
library toxiproxy-python, and only when a control plane is made.
"""

from __future__ import annotations

__all__: list[str] = []
