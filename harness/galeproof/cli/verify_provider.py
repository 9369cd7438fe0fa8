"""``galeproof verify-provider``: a provider held against its consumers' pacts, and beyond them."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from galeproof.cli.versions import Version
from galeproof.contract import ContractError
from galeproof.contract.broker import Broker
from galeproof.contract.checks import CheckResult, check_answers
from galeproof.contract.effects import check_effects
from galeproof.contract.reading import PactFile
from galeproof.contract.sources import for_provider, read_pacts
from galeproof.contract.state_server import StateServer, load_states
from galeproof.contract.verify import InteractionResult, choose, verify_pact
from galeproof.contract.witness import CALM, SLOW
from galeproof.errors import UsageError
from galeproof.report.plain import one_line, plain

__all__ = ["Wanted", "verify_provider_command"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    url: str
    provider: str
    pacts: Path | None = None
    broker: str | None = None
    consumer: str | None = None
    states: Path | None = None
    state_url: str | None = None
    only: str | None = None
    state: str | None = None
    network: str = "calm"
    checks: bool = True
    publish: bool = False
    timeout_s: float = 5.0
    as_json: bool = False


def verify_provider_command(wanted: Wanted) -> int:
    """Verify, check, print, and publish where it is asked for.

    Returns:
        0; 1 where an interaction or a check fails; 5 where something could not be verified at all.

    Raises:
        ContractError: Nothing trustworthy could be verified.
        UsageError: Options that contradict each other.
    """
    _agree(wanted)
    version = Version.of_here() if wanted.publish else None
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Broker(wanted.broker)) if wanted.broker else None
        pacts = for_provider(_pacts(wanted, broker), wanted.provider, wanted.consumer)
        server = _states(wanted, stack)
        state_url = server.url if server else wanted.state_url
        began_s = time.monotonic()
        runs = [(pact, _verified(wanted, pact, state_url, server)) for pact in _chosen(wanted, pacts)]
        checks = [check for pact, results in runs for check in _checked(wanted, pact, results, state_url)]
        code = _code([r for _, results in runs for r in results], checks)
        published = []
        if broker is not None and version is not None:
            published = [{"pact": str(pact.path), "success": broker.publish_result(
                pact, results, version.number, version.branch)} for pact, results in runs]
    _print(wanted, runs, checks, published, code, time.monotonic() - began_s)
    return code


def _agree(wanted: Wanted) -> None:
    if (wanted.pacts is None) == (wanted.broker is None):
        raise UsageError("verify-provider: expected --pacts or --broker, one of them")
    if wanted.states is not None and wanted.state_url is not None:
        raise UsageError("verify-provider: --states or --state-url, one of them")
    if wanted.network not in ("calm", "slow"):
        raise UsageError(f"--network {wanted.network!r}; allowed: calm, slow")
    if wanted.publish and (wanted.only or wanted.state or wanted.consumer):
        raise UsageError("--publish: what a filter leaves over is not published; verify without it")
    if wanted.publish and wanted.broker is None:
        raise UsageError("--publish: needs --broker")


def _pacts(wanted: Wanted, broker: Broker | None) -> list[PactFile]:
    if broker is not None:
        return broker.pacts(wanted.provider)
    assert wanted.pacts is not None
    return read_pacts(wanted.pacts)


def _states(wanted: Wanted, stack: contextlib.ExitStack) -> StateServer | None:
    if wanted.states is None:
        return None
    handlers = load_states(wanted.states)
    count = handlers.pop("count effects", None)
    return stack.enter_context(StateServer(handlers, count))


def _chosen(wanted: Wanted, pacts: Sequence[PactFile]) -> list[PactFile]:
    """Leave out pacts in which a filter finds nothing; it must find something in one."""
    if wanted.only is None and wanted.state is None:
        return list(pacts)
    kept, errors = [], []
    for pact in pacts:
        try:
            choose(pact, wanted.only, wanted.state)
            kept.append(pact)
        except ContractError as error:
            errors.append(error)
    if not kept:
        raise errors[0]
    return kept


def _verified(wanted: Wanted, pact: PactFile, state_url: str | None, server: StateServer | None
              ) -> list[InteractionResult]:
    chosen = choose(pact, wanted.only, wanted.state)
    return verify_pact(
        pact, chosen, wanted.url, state_url, timeout_s=wanted.timeout_s,
        weather=SLOW if wanted.network == "slow" else CALM,
        errors=lambda: server.errors if server else ())


def _checked(wanted: Wanted, pact: PactFile, results: Sequence[InteractionResult], state_url: str | None
             ) -> list[CheckResult]:
    if not wanted.checks:
        return []
    found = check_answers(pact, results)
    if wanted.only or wanted.state:
        return found
    return found + check_effects(pact, wanted.url, state_url, timeout_s=wanted.timeout_s)


def _code(results: Sequence[InteractionResult], checks: Sequence[CheckResult]) -> int:
    if any(not r.passed for r in results if r.verified) or any(c.passed is False for c in checks):
        return 1
    return 5 if any(not r.verified for r in results) or not results else 0


def _print(wanted: Wanted, runs: Sequence[tuple[PactFile, Sequence[InteractionResult]]],
           checks: Sequence[CheckResult], published: Sequence[Any], code: int, took_s: float) -> None:
    if wanted.as_json:
        print(json.dumps({
            "schema": 1, "provider": wanted.provider, "exit": code, "published": list(published),
            "interactions": [
                {"pact": str(pact.path), "consumer": pact.consumer, "description": r.description,
                 "states": list(r.states), "outcome": _word(r), "reasons": list(r.reasons)}
                for pact, results in runs for r in results],
            "checks": [{"name": c.name, "passed": c.passed, "why": c.why} for c in checks]}))
        return
    for pact, results in runs:
        print(one_line(f"{pact.consumer} -> {pact.provider}   {pact.path}"))
        for r in results:
            print(f"  {_word(r):<12} {one_line(r.description)}")
            for reason in r.reasons:
                print("\n".join(f"               {line}" for line in plain(reason).strip().split("\n")))
    for check in checks:
        word = {True: "PASS", False: "FAIL", None: "UNKNOWN"}[check.passed]
        print(f"  {word:<12} {one_line(check.name)}{': ' if check.why else ''}{one_line(check.why)}")
    for one in published:
        print(f"  published    {one['pact']}: {'success' if one['success'] else 'failure'}")
    flat = [r for _, results in runs for r in results]
    held = sum(r.passed for r in flat)
    print(f"{held} of {len(flat)} interactions verified in {took_s:.1f} s")


def _word(result: InteractionResult) -> str:
    if not result.verified:
        return "NOT VERIFIED"
    return "PASS" if result.passed else "FAIL"
