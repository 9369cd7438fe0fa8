"""``python -m galeproof``."""

import os
import sys

__all__ = ["run"]


def run() -> None:
    """Run the command line and exit with its code."""
    try:
        from galeproof.cli import main  # here, so that Ctrl-C during the import is no traceback

        code = main()
    except KeyboardInterrupt:
        code = 130
    if code == 130:  # all blocks are left by now; what Python would still end, it would complain about
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    run()
