"""Many seeds over a night: planned, kept in a database, compared with the nights before."""

from galeproof.runner.nightly.night import Night, run_night
from galeproof.runner.nightly.store import Store
from galeproof.runner.nightly.trend import Trend, trends

__all__ = ["Night", "Store", "Trend", "run_night", "trends"]
