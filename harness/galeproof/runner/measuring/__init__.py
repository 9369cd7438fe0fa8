"""A profile measured: short schedules on a subject, and what they showed of its policy."""

from galeproof.runner.measuring.compare import differences
from galeproof.runner.measuring.measure import measure
from galeproof.runner.measuring.reading import Measured, Value

__all__ = ["Measured", "Value", "differences", "measure"]
