"""What a scenario gives a run beside its schedule: secrets, a trust store, an authority for tokens."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from galeproof.faults.steps import Schedule
from galeproof.kernel.chance import canary_of, stream
from galeproof.origin.origin import TOKEN_ROUTE
from galeproof.runner.subjects import Subject
from galeproof.scenario import Scenario
from galeproof.subject.description import SubjectDescription
from galeproof.world import WorldRun

__all__ = ["authority_of", "given_of", "secrets_of", "trust_file", "words_of"]


def secrets_of(subject: Subject, scenario: Scenario, seed: int) -> dict[str, str]:
    """Draw the canaries: the subject's, a refresh token where there are tokens, and the successor of
    each secret that is rotated; in about half of the scenarios full of symbols."""
    names = list(subject.foreign.secrets if subject.foreign else ("api_key",))
    names += ["refresh_token"] if scenario.tokens else []
    names += [f"{group.rotate}_next" for group in scenario.operations if group.rotate]
    return {name: canary_of(stream(seed, f"{scenario.name}/secret" + (
        "" if name == "api_key" else f"/{name}")), scenario.name) for name in names}


@contextlib.contextmanager
def trust_file(room: WorldRun) -> Iterator[str | None]:
    """Yield the path of a file with the certificate that a client must trust, where TLS is spoken."""
    if room.trust is None:
        yield None
        return
    with tempfile.NamedTemporaryFile("w", prefix="galeproof-ca-", suffix=".pem") as file:
        file.write(room.trust)
        file.flush()
        yield file.name


def given_of(room: WorldRun, ca_file: str | None) -> dict[str, str]:
    """Return the further arguments of an adapter's constructor."""
    given = {"other_url": room.places["other"], "token_url": room.base_url + TOKEN_ROUTE.split(" ")[1]}
    return given | ({"ca_file": ca_file} if ca_file is not None else {})


def authority_of(scenario: Scenario, told: SubjectDescription,
                 secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return the routes outside operations; and tokens, where the subject asks for a ``token_url``
    and does not say itself what is answered there."""
    routes = dict(told.routes)
    if "token_url" not in told.wants or (TOKEN_ROUTE in routes and not scenario.tokens):
        return {"routes": routes}
    storm = scenario.tokens.model_dump() if scenario.tokens else None
    # an adapter that asks for a secret that the run did not foresee is given the first one; a token
    # that is this very canary lets secrets be judged
    first = next(iter(secrets.values()), "")
    refresh, fixed = secrets.get("refresh_token") or first, "" if storm else first
    return {"routes": routes | {TOKEN_ROUTE: {}},
            "tokens": {"refresh": refresh, "fixed": fixed, "storm": storm}}


def words_of(scenario: Scenario, schedule: Schedule) -> list[str]:
    """Return the label of each step; tokens and secrets that are refused are no step of an attempt."""
    words = [step.word for step in schedule.steps]
    words += ["tokens refused"] if scenario.tokens else []
    return words + ["secret rotated"] * any(group.rotate for group in scenario.operations)
