"""Verifying a provider, with a guard of our own: what is not seen verified is never green."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from galeproof.contract.errors import ContractError
from galeproof.contract.evidence import arrived
from galeproof.contract.library import load_pact
from galeproof.contract.reading import PactFile, read_pact, states_of
from galeproof.contract.rules import lax
from galeproof.contract.witness import CALM, Seen, Weather, Witness

__all__ = ["InteractionResult", "choose", "verify_pact", "verify_provider"]

_CHILD = Path(__file__).with_name("_child.py")
_START_S = 30.0
# obeyed even for localhost: another program would answer for the provider
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
_TRACEBACK = re.compile(r'answered 422 application/json: \{"traceback": (\d+)')
Errors = Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class InteractionResult:
    """What one interaction's verification showed.

    Attributes:
        description: The interaction's.
        states: Names of its provider states.
        passed: Whether it was verified, once, and held.
        reasons: Why not; empty when it passed.
        output: What the verifier printed.
        seen: What went over the wire in front of the provider.
        number: Its position among the pact's interactions over HTTP; None where it is not over HTTP.
    """

    description: str
    states: tuple[str, ...]
    passed: bool
    reasons: tuple[str, ...] = ()
    output: str = ""
    seen: tuple[Seen, ...] = ()
    number: int | None = None

    @property
    def verified(self) -> bool:
        """Whether it could be verified at all."""
        return self.number is not None


def verify_provider(
    url: str,
    pact_path: Path,
    state_url: str | None = None,
    *,
    provider: str,
    only: str | None = None,
    timeout_s: float = 5.0,
    weather: Weather = CALM,
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
        weather: How the provider's answers travel.

    Returns:
        Exactly one result per interaction, in the pact's order; then those not over HTTP.

    Raises:
        ContractError: The pact is refused or for another provider, `only` names nothing, states
            cannot be set, or pact-python is not installed.
    """
    pact = read_pact(Path(pact_path))
    if pact.provider != provider:
        raise ContractError(f"{pact.path}: is for provider {pact.provider!r}, not {provider!r}")
    return verify_pact(pact, choose(pact, only), url, state_url, timeout_s=timeout_s, weather=weather)


def choose(pact: PactFile, only: str | None = None, state: str | None = None) -> list[int]:
    """Return the positions of the interactions over HTTP that must be verified.

    Args:
        pact: The pact.
        only: A description; the others are left out.
        state: The name of a state; interactions without it are left out.

    Raises:
        ContractError: Nothing is left.
    """
    chosen = [
        n for n, item in enumerate(pact.interactions) if only in (None, item["description"])
        and (state is None or any(found["name"] == state for found in states_of(item)))
    ]
    if not chosen and (pact.interactions or only or state):
        names = ", ".join(repr(item["description"]) for item in pact.interactions)
        wanted = " in state ".join(repr(word) for word in (only, state) if word)
        raise ContractError(f"{pact.path}: no interaction {wanted}; there are {names}")
    return chosen


def verify_pact(
    pact: PactFile, chosen: Sequence[int], url: str, state_url: str | None = None, *,
    timeout_s: float = 5.0, weather: Weather = CALM, errors: Errors = lambda: (),
) -> list[InteractionResult]:
    """Verify chosen interactions of a pact that was read; see `verify_provider`.

    Args:
        errors: Gives the tracebacks of our own state endpoint, so far.

    Raises:
        ContractError: See `verify_provider`.
    """
    for where in filter(None, (url, state_url)):
        if not _absolute(where):
            raise ContractError(f"{where}: must be an absolute http URL")
    if state_url is None and any(states_of(pact.interactions[n]) for n in chosen):
        raise ContractError(f"{pact.path}: has provider states, and nothing sets them (state_url)")
    load_pact()
    with contextlib.ExitStack() as stack:
        witnesses = [stack.enter_context(Witness(url, weather)) for _ in chosen]
        lines = _run(pact, chosen, [w.url for w in witnesses], state_url, timeout_s)
    results = [
        _judge(pact, n, line, witness, url)
        for n, line, witness in zip(chosen, lines, witnesses, strict=True)
    ]
    return _with_tracebacks(results, errors()) + [
        InteractionResult(name, (), False, (f"not verified: {why}",)) for name, why in pact.others]


def _absolute(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _with_tracebacks(results: list[InteractionResult], errors: Sequence[str]) -> list[InteractionResult]:
    """Show what a state handler raised beside the interaction that it failed."""
    shown = []
    for result in results:
        named = [int(n) for reason in result.reasons[:1] for n in _TRACEBACK.findall(reason)]
        shown.append(_replaced(result, [*result.reasons, *(errors[n] for n in named if n < len(errors))]))
    return shown


def _replaced(result: InteractionResult, reasons: Sequence[str]) -> InteractionResult:
    return InteractionResult(result.description, result.states, result.passed, tuple(reasons), result.output,
                             result.seen, result.number)


def _run(
    pact: PactFile,
    chosen: Sequence[int],
    urls: Sequence[str],
    state_url: str | None,
    timeout_s: float,
) -> list[Mapping[str, Any]]:
    """Run the verifier's process and return one report per chosen interaction.

    A panic ends the process: the interaction that made it has failed, the others go on in a new one.
    """
    with tempfile.TemporaryDirectory(prefix="galeproof-verify-") as name:
        folder = Path(name)
        jobs: list[dict[str, Any]] = []
        for n, url in zip(chosen, urls, strict=True):
            single = folder / f"{n}.json"
            single.write_text(pact.single(n), "utf-8")
            item = pact.interactions[n]
            jobs.append({"pact": str(single), "url": url, "states": states_of(item),
                         "values": "ProviderState" in json.dumps(
                             [item["request"].get("generators"), item["response"].get("generators")])})
        lines: list[Mapping[str, Any]] = []
        while len(lines) < len(jobs):
            report = folder / f"report-{len(lines)}.jsonl"
            left = jobs[len(lines):]
            order = {"provider": pact.provider, "state_url": state_url, "report": str(report), "jobs": left,
                     "timeout_ms": max(1, round(timeout_s * 1000))}
            calls = sum(1 + 2 * len(job["states"]) for job in left)
            ended = _spawn(order, _START_S + 2 * calls * timeout_s)
            told = report.read_text("utf-8").splitlines() if report.exists() else []
            lines += [json.loads(line) for line in told]
            if len(told) < len(left):
                lines.append({"error": f"the verifier ended: {ended[-500:]}", "results": None, "output": "",
                              "values": {}})
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
            env=clean,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not done after {limit_s:.0f} s"
    return f"exit code {done.returncode}: {done.stdout}"


def _judge(
    pact: PactFile, number: int, line: Mapping[str, Any], witness: Witness, url: str
) -> InteractionResult:
    """Hold what the verifier says, and what the provider saw and answered, against the interaction."""
    item = pact.interactions[number]
    seen = tuple(witness.exchanges())
    reasons = _told(item, line)
    if witness.unreachable:
        reasons.insert(0, f"the provider cannot be reached: {witness.unreachable}")
    if not reasons:
        reasons += arrived(item, pact.version, url, seen, line["values"])
    if not reasons:
        reasons += lax(item["response"], pact.version, seen[0].status, seen[0].answer,
                       seen[0].answer_header("Content-Type"))
    states = tuple(state["name"] for state in states_of(item))
    return InteractionResult(item["description"], states, not reasons, tuple(reasons), str(line["output"]),
                             seen, number)


def _told(item: Mapping[str, Any], line: Mapping[str, Any]) -> list[str]:
    """Return why the verifier's own word is no success."""
    results = line["results"] if isinstance(line["results"], Mapping) else {}
    told = results.get("interactionResults") or []
    reasons = []
    for one in told:
        if one.get("result") != "OK":
            reasons += _mismatches(one.get("mismatch"))
    if line["error"] and not reasons:
        reasons.append(str(line["error"]))
    names = [one.get("interactionDescription", one.get("description")) for one in told]
    if not line["error"] and names != [item["description"]]:
        reasons.append(f"the verifier reports {names}, not this one interaction")
    if not line["error"] and results.get("result") is not True:
        reasons.append("the verifier does not report success")
    return reasons


def _mismatches(value: Any) -> list[str]:
    """Return the texts of one failed result."""
    if not isinstance(value, Mapping):
        return ["failed without a reason"]
    texts = [str(one.get("mismatch", one)) for one in value.get("mismatches") or ()]
    return texts or [str(value.get("message") or "failed without a reason")]
