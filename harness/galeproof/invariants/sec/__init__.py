"""SEC: secrets."""

from galeproof.invariants.sec._canary import find_canary

__all__ = ["find_canary"]
