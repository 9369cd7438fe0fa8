"""The world: tap, lanes and origin in one child process, and the handle on it."""

from galeproof.world.handle import World, start_world

__all__ = ["World", "start_world"]
