"""A toxic as the control API knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from galeproof.faults.toxics import OWN_TOXICS, TOXICS, ToxicType

__all__ = ["FIRST_CONNECTIONS", "KINDS", "Toxic"]

FIRST_CONNECTIONS = "first_connections"
"""An attribute of ours, of every type: how many connections get the toxic; 0 is all."""

KINDS: Mapping[str, ToxicType] = {**TOXICS, **OWN_TOXICS}


@dataclass(slots=True, eq=False)
class Toxic:
    """One toxic; shared by all links of its proxy.

    Attributes:
        name: Unique in its proxy.
        kind: Its type.
        stream: The direction as it was typed.
        toxicity: The share of links that it acts on.
        attributes: Of its type, all of them; `FIRST_CONNECTIONS` too where it is not 0.
        admitted: How many connections have begun under it.
    """

    name: str
    kind: ToxicType
    stream: str
    toxicity: float
    attributes: Mapping[str, int]
    admitted: int = 0

    @property
    def limited(self) -> bool:
        """True if only the first connections get it."""
        return self.attributes.get(FIRST_CONNECTIONS, 0) > 0

    def admit(self) -> bool:
        """Count a new connection; True if it gets the toxic."""
        if self.limited and self.admitted >= self.attributes[FIRST_CONNECTIONS]:
            return False
        self.admitted += 1
        return True
