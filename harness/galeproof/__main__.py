"""``python -m galeproof``."""

import sys

__all__ = ["run"]


def run() -> None:
    """Run the command line and exit with its code."""
    try:
        from galeproof.cli import main  # here, so that Ctrl-C during the import is no traceback

        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    run()
