"""The command line. Exit codes: see ``report.exitcode``; 2 usage, 130 interrupted."""

from galeproof.cli.app import main

__all__ = ["main"]
