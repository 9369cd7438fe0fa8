"""The invariants: pure functions from a history and a profile to a verdict.

Imports ``model`` only; reads no clock, draws no chance, does no I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case
from galeproof.invariants.idm.no_unkeyed_ambiguous_retry import IDM001
from galeproof.invariants.idm.same_key_every_attempt import IDM002
from galeproof.invariants.raf.retry_after_seconds import RAF001
from galeproof.invariants.rty.retry_cap import RTY001
from galeproof.invariants.rty.retry_recovers import RTY003
from galeproof.invariants.sec.logs import SEC001
from galeproof.invariants.tmo.deadline_covers_retries import TMO006
from galeproof.invariants.tmo.response_timeout import TMO002
from galeproof.model import History, Profile, Verdict

__all__ = ["INVARIANTS", "Invariant", "judge"]

INVARIANTS: Mapping[str, Invariant] = MappingProxyType({
    i.code: i for i in (IDM001, IDM002, RAF001, RTY001, RTY003, SEC001, TMO002, TMO006)})


def judge(history: History, profile: Profile,
          codes: Collection[str] | None = None) -> list[Verdict]:
    """Judge one history by all invariants built, or by the given codes.

    Args:
        history: The record of one run.
        profile: What the client's owner declares.
        codes: Which invariants; all if None.

    Returns:
        A verdict for each, in the order of the codes.
    """
    case = Case.of(history, profile)
    return [i.check(case) for i in INVARIANTS.values() if codes is None or i.code in codes]
