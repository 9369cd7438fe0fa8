"""Verifying a provider, with a guard of our own: what is not seen verified is never green."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from galeproof.contract.errors import ContractError
from galeproof.contract.library import load_pact
from galeproof.contract.pactfile import PactFile, read_pact
from galeproof.contract.witness import Witness, asked, expected_request

__all__ = ["InteractionResult", "verify_provider"]

_CHILD = Path(__file__).with_name("_child.py")
_START_S = 30.0
# obeyed even for localhost: another program would answer for the provider
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


@dataclass(frozen=True, slots=True)
class InteractionResult:
    """What one interaction's verification showed.

    Attributes:
        description: The interaction's.
        states: Names of its provider states.
        passed: Whether it was verified, once, and held.
        reasons: Why not; empty when it passed.
        output: What the verifier printed.
    """

    description: str
    states: tuple[str, ...]
    passed: bool
    reasons: tuple[str, ...] = ()
    output: str = ""


def verify_provider(
    url: str,
    pact_path: Path,
    state_url: str | None = None,
    *,
    provider: str,
    only: str | None = None,
    timeout_s: float = 5.0,
) -> list[InteractionResult]:
    """Verify a running provider against a pact, each interaction alone. Blocks.

    Args:
        url: The provider's base URL.
        pact_path: The pact file.
        state_url: Where states are set (`POST {"action", "state", "params"}`, answered 204 or
            with JSON), or None when no interaction has a state.
        provider: The name that the pact must be for.
        only: A description; the other interactions are left out.
        timeout_s: Longest wait for an answer of the provider, in seconds.

    Returns:
        Exactly one result per interaction, in the pact's order.

    Raises:
        ContractError: The pact is refused or for another provider, `only` names nothing, states
            cannot be set, pact-python is not installed, or the verifier's process failed.
    """
    pact = read_pact(Path(pact_path))
    chosen = _choose(pact, provider, only, url, state_url)
    load_pact()
    with contextlib.ExitStack() as stack:
        witnesses = [stack.enter_context(Witness(url)) for _ in chosen]
        lines = _run(pact, chosen, [w.url for w in witnesses], state_url, timeout_s)
    return [
        _judge(pact.interactions[n], line, witness, url)
        for n, line, witness in zip(chosen, lines, witnesses, strict=True)
    ]


def _choose(
    pact: PactFile, provider: str, only: str | None, url: str, state_url: str | None
) -> list[int]:
    """Return the positions of the interactions that must be verified; refuse what cannot be."""
    if pact.provider != provider:
        raise ContractError(f"{pact.path}: is for provider {pact.provider!r}, not {provider!r}")
    chosen = [
        n for n, item in enumerate(pact.interactions) if only in (None, item["description"])
    ]
    if not chosen:
        names = ", ".join(repr(item["description"]) for item in pact.interactions)
        raise ContractError(f"{pact.path}: no interaction {only!r}; there are {names}")
    for where in filter(None, (url, state_url)):
        if urlsplit(where).scheme != "http" or not urlsplit(where).hostname:
            raise ContractError(f"{where}: must be an absolute http URL")
    if state_url is None and any(pact.interactions[n].get("providerStates") for n in chosen):
        raise ContractError(f"{pact.path}: has provider states, and no state_url sets them")
    return chosen


def _run(
    pact: PactFile,
    chosen: Sequence[int],
    urls: Sequence[str],
    state_url: str | None,
    timeout_s: float,
) -> list[Mapping[str, Any]]:
    """Run the verifier's process and return one report per chosen interaction."""
    with tempfile.TemporaryDirectory(prefix="galeproof-verify-") as name:
        folder = Path(name)
        jobs = []
        for n, url in zip(chosen, urls, strict=True):
            single = folder / f"{n}.json"
            single.write_text(pact.single(n), "utf-8")
            states = pact.interactions[n].get("providerStates", [])
            jobs.append({
                "pact": str(single),
                "url": url,
                "states": [{"name": s["name"], "params": s.get("params", {})} for s in states],
            })
        report = folder / "report.jsonl"
        order = {
            "provider": pact.provider, "state_url": state_url,
            "timeout_ms": max(1, round(timeout_s * 1000)), "report": str(report), "jobs": jobs,
        }
        calls = sum(1 + 2 * len(job["states"]) for job in jobs)
        ended = _spawn(order, _START_S + 2 * calls * timeout_s)
        text = report.read_text("utf-8") if report.exists() else ""
    lines: list[Mapping[str, Any]] = [json.loads(line) for line in text.splitlines()]
    if len(lines) != len(chosen):
        raise ContractError(
            f"{pact.path}: {len(lines)} of {len(chosen)} interactions were verified, then the "
            f"verifier ended: {ended[-500:]}"
        )
    return lines


def _spawn(order: Mapping[str, Any], limit_s: float) -> str:
    """Run the child to its end and return what it printed."""
    clean = {key: value for key, value in os.environ.items() if key.lower() not in _PROXIES}
    try:
        done = subprocess.run(
            # -P: a folder of the user's with a pact.py in it must not win
            [sys.executable, "-P", str(_CHILD)],
            input=json.dumps(order),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**clean, "NO_PROXY": "*"},
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {limit_s:.0f} s"
    return f"exit code {done.returncode}: {done.stdout}"


def _judge(
    item: Mapping[str, Any], line: Mapping[str, Any], witness: Witness, url: str
) -> InteractionResult:
    """Hold what the verifier says, and what the provider saw, against the interaction."""
    states = tuple(state["name"] for state in item.get("providerStates", ()))
    results = line["results"] if isinstance(line["results"], Mapping) else {}
    seen = results.get("interactionResults") or []
    reasons = []
    for one in seen:
        if one.get("result") != "OK":
            reasons += _mismatches(one.get("mismatch"))
    if line["error"] and not reasons:
        reasons.append(str(line["error"]))
    names = [one.get("interactionDescription", one.get("description")) for one in seen]
    if not line["error"] and names != [item["description"]]:
        reasons.append(f"the verifier reports {names}, not this one interaction")
    if not line["error"] and results.get("result") is not True:
        reasons.append("the verifier does not report success")
    if witness.unreachable:
        reasons.insert(0, f"the provider cannot be reached: {witness.unreachable}")
    expected, seen_there = expected_request(item, url), [asked(one) for one in witness.exchanges()]
    if not reasons and seen_there != [expected]:
        reasons.append(f"the provider saw {seen_there}, not this one request: {expected}")
    return InteractionResult(
        item["description"], states, not reasons, tuple(reasons), str(line["output"])
    )


def _mismatches(value: Any) -> list[str]:
    """Return the texts of one failed result."""
    if not isinstance(value, Mapping):
        return ["failed without a reason"]
    texts = [str(one.get("mismatch", one)) for one in value.get("mismatches") or ()]
    return texts or [str(value.get("message") or "failed without a reason")]
