"""The tap: the recording hop in front. It relays bytes unchanged and makes the close kinds."""

from galeproof.tap.tap import Tap

__all__ = ["Tap"]
