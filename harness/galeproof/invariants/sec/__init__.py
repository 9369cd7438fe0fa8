"""SEC: secrets."""

from galeproof.invariants.sec._canary import find_canary, shows

__all__ = ["find_canary", "shows"]
