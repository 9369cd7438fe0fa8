"""``python -m galeproof``."""

import sys

from galeproof.cli import main

__all__ = ["run"]


def run() -> None:
    """Run the command line and exit with its code."""
    sys.exit(main())


if __name__ == "__main__":
    run()
