"""The one error of contract work.

    HarnessError
    `-- ContractError       a contract, a pact file or its verification cannot be trusted

A provider that breaks its contract is no exception: it is an `InteractionResult`.
"""

from __future__ import annotations

from galeproof.errors import HarnessError

__all__ = ["ContractError"]


class ContractError(HarnessError):
    """A contract or pact file is wrong, or nothing trustworthy could be verified with it."""
