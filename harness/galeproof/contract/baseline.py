"""The fault-free baseline: the real client against one mock server after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from galeproof.contract.errors import ContractError
from galeproof.contract.interaction import Interaction, check_interactions
from galeproof.contract.mock import Fragment, serve

__all__ = ["run_baseline"]


async def run_baseline(
    interactions: Sequence[Interaction],
    exercise: Callable[[Interaction, str], Awaitable[None]],
) -> list[Fragment]:
    """Exercise a client against every interaction, with nothing between the two.

    Only this makes pacts: a storm must never change the contract.

    Args:
        interactions: All of one contract.
        exercise: Runs the client for an interaction against a base URL, and raises if what the
            client returned is not right.

    Returns:
        One fragment per interaction, ready for `write_pact`.

    Raises:
        ContractError: The interactions are refused, or one did not match.
        Exception: Whatever `exercise` raises of an interaction that did match.
    """
    check_interactions(interactions)
    fragments = []
    for interaction in interactions:
        with serve(interaction) as mock:
            try:
                await exercise(interaction, mock.url)
            except Exception as error:
                # the mock answers a mismatch with 500: without its reasons the error misleads
                if mock.matched():
                    raise
                raise ContractError(
                    f"interaction {interaction.description!r} did not match: "
                    f"{'; '.join(mock.mismatches())}"
                ) from error
            fragments.append(mock.fragment())
    return fragments
