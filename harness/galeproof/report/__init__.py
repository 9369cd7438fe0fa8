"""Verdicts for people and programs: table and JSON. Reads histories and verdicts only."""

from galeproof.report.exitcode import exit_code
from galeproof.report.table import table_lines
from galeproof.report.wire import wire_lines

__all__ = ["exit_code", "table_lines", "wire_lines"]
