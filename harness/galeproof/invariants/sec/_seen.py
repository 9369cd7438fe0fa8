"""What every secrets invariant needs before it may pass: the canary on the wire, probes found."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from galeproof.invariants._case import Case
from galeproof.invariants.sec._canary import Sighting, find_canary
from galeproof.model import Event

__all__ = ["LEAK", "blind", "probes", "secrets_of", "sightings"]

LEAK = 12  # characters: fewer are told, and no leak


def secrets_of(case: Case) -> dict[str, str]:
    """The run's canaries by name."""
    return dict(case.history.header.get("secrets") or {})


def sightings(case: Case, text: str) -> list[tuple[str, Sighting]]:
    """Return each secret that stands in a text, with its worst sighting."""
    found = [(name, _find(secret, text)) for name, secret in secrets_of(case).items()]
    return [(name, seen) for name, seen in found if seen is not None]


# what many operations say alike is searched once
_find = lru_cache(maxsize=512)(find_canary)


def probes(case: Case) -> list[Event]:
    """The planted probes, each with its channel and whether it was found."""
    return list(case.history.of("probe"))


def blind(case: Case, channels: Collection[str]) -> tuple[str, str] | None:
    """Say why silence proves nothing: (reason, note); None where we would have seen a secret.

    Args:
        case: What is judged.
        channels: Where a probe must have been planted and found.
    """
    secrets = secrets_of(case)
    if secrets and not any(True for _ in case.history.of("head", "opaque")):
        return case.doubt(), "no request came through"
    if not secrets or not _sent(case, secrets):
        return "capture_missing", ("the canary never went over the wire: give secrets[...] to your "
                                   "client")
    found = {str(e.data["channel"]) for e in probes(case) if e.data.get("found")}
    missing = [channel for channel in channels if channel not in found]
    return ("capture_missing", f"not captured: {', '.join(missing)}") if missing else None


def _sent(case: Case, secrets: dict[str, str]) -> bool:
    exchanges = [*case.attribution.exchanges, *case.attribution.strays,
                 *case.attribution.ambiguous]
    for exchange in exchanges:
        text = "\n".join([exchange.target, exchange.body, *(v for _, v in exchange.headers)])
        if any((s := find_canary(secret, text)) and s.whole for secret in secrets.values()):
            return True
    return False
