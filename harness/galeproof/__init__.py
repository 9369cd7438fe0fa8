"""galeproof blows storms at an HTTP API client and gives verdicts that are true."""

__all__ = ["__version__"]

__version__ = "0.1.0"
