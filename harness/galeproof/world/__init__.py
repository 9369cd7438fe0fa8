"""The world: taps, lanes and origins in one child process, and the handle on it."""

from galeproof.world.handle import World, WorldRun, start_world

__all__ = ["World", "WorldRun", "start_world"]
