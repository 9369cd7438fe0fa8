"""The recording provider: scripted answers in phases, and the ledger of effects."""

from galeproof.origin.ledger import Ledger
from galeproof.origin.origin import Origin

__all__ = ["Ledger", "Origin"]
