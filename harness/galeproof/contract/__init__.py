"""Pact contracts: one mock server per interaction, pact files, guarded verification.

It needs the extra `pact`, which is imported when first used. It imports `errors` and `kernel` of galeproof,
and knows nothing of taps, lanes and storms.
"""

from __future__ import annotations

from galeproof.contract.answers import answer_of
from galeproof.contract.baseline import run_baseline
from galeproof.contract.errors import ContractError
from galeproof.contract.interaction import (
    Interaction,
    Request,
    Response,
    State,
    check_definition,
    check_interactions,
    example,
    same_contract,
)
from galeproof.contract.library import load_pact
from galeproof.contract.mock import Fragment, MockProvider, serve
from galeproof.contract.pactfile import (
    merge_documents,
    pact_name,
    render_pact,
    write_pact,
)
from galeproof.contract.reading import PactFile, read_pact
from galeproof.contract.secrets import PLACEHOLDER, find_secrets
from galeproof.contract.state_server import StateServer, load_states, state
from galeproof.contract.verify import InteractionResult, verify_provider
from galeproof.contract.witness import Witness, strange

__all__ = [
    "PLACEHOLDER",
    "ContractError",
    "Fragment",
    "Interaction",
    "InteractionResult",
    "MockProvider",
    "PactFile",
    "Request",
    "Response",
    "State",
    "StateServer",
    "Witness",
    "answer_of",
    "check_definition",
    "check_interactions",
    "example",
    "find_secrets",
    "load_pact",
    "load_states",
    "merge_documents",
    "pact_name",
    "read_pact",
    "render_pact",
    "run_baseline",
    "same_contract",
    "serve",
    "state",
    "strange",
    "verify_provider",
    "write_pact",
]
