"""The harness judges itself first: a sound client and a defective one, of which every answer is known."""

from galeproof.runner.selfcheck.checking import SelfCheck, self_check

__all__ = ["SelfCheck", "self_check"]
