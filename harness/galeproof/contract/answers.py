"""Healthy answers for scenarios, taken from a pact: a storm's provider says what the contract says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from galeproof.contract.errors import ContractError
from galeproof.contract.reading import read_pact, states_of
from galeproof.contract.rules import body_of

__all__ = ["answer_of"]


def answer_of(path: Path | str, description: str, state: str | None = None, **members: Any) -> dict[str, Any]:
    """Return what the provider answers in one interaction, for `@read(**...)`, `@write(**...)` and
    `gale.operation(name, **...)`.

    Args:
        path: The pact file.
        description: The interaction's.
        state: One of its provider states, where two interactions have that description.
        members: Placeholders in place of the contract's examples, `id="{effect}"`: a success is proved by
            a value that only this run has.

    Returns:
        `answer` (the body as a JSON template), `status`, and `headers` where the contract has further ones.

    Raises:
        ContractError: The pact is refused, no or two interactions are meant, the body is no JSON object, or
            it lacks a member.
    """
    pact = read_pact(Path(path))
    found = [item for item in pact.interactions if item["description"] == description
             and (state is None or any(told["name"] == state for told in states_of(item)))]
    if len(found) != 1:
        raise ContractError(f"{path}: {len(found)} interactions {description!r}, expected one; there are "
                            f"{', '.join(repr(item['description']) for item in pact.interactions)}")
    response = found[0]["response"]
    _, body = body_of(response, pact.version)
    if not isinstance(body, dict):
        raise ContractError(f"{path}: {description!r}: the answer is no JSON object")
    if lacking := sorted(set(members) - set(body)):
        raise ContractError(f"{path}: {description!r}: the answer has no member {lacking[0]!r}")
    headers = {name: ", ".join(value) if isinstance(value, list) else str(value)
               for name, value in (response.get("headers") or {}).items() if name.lower() != "content-type"}
    made: dict[str, Any] = {"answer": {**body, **members}, "status": response["status"]}
    return {**made, "headers": headers} if headers else made
