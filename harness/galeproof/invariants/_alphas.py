"""How often each invariant may fail a sound client by chance; what is not named here counts and compares.

A timing FAIL takes three runs of three. None of 400 sound timeouts overshot by 0.25 s on a starved
machine, so that one does in less than 0.75 % (95 % sure), three in less than 4.3e-7, and a FAIL begins
at 1 s. Jitter: the union bound over all windows for the narrowest jitter that is accepted (a tenth
either way). RTY005: none in 500,000 draws of full jitter. RTY006, RAF002, RAF003, IDM008: half of the
delays of full jitter below 5 ms, a tenth of which are, in three runs of three. A canary of 32
characters of 62 does not turn up by chance in any text that a machine can hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from galeproof.model import Outcome, Verdict

__all__ = ["ALPHAS", "false_alarm_bound"]

_THREE_OF_THREE = 4.3e-7
ALPHAS: Mapping[str, float] = MappingProxyType({
    **dict.fromkeys(("TMO001", "TMO002", "TMO003", "TMO004", "TMO005", "TMO006", "TMO007", "TMO008",
                     "RAF002", "RAF003", "RAF004", "IDM008", "RTY006", "CBK003", "CON002"),
                    _THREE_OF_THREE),
    "RTY005": 6e-6, "JIT001": 4e-8, "JIT002": 4e-8, "JIT003": 4e-8, "JIT004": 6e-9,
    **dict.fromkeys(("SEC001", "SEC002", "SEC003", "SEC004", "SEC005", "SEC006", "SEC007", "SEC008"), 1e-40)})


def false_alarm_bound(verdicts: Iterable[Verdict]) -> float:
    """Return the sum of the false alarm probabilities of all invariants that were decided: no more than this
    share of runs of a sound client shows a FAIL by chance."""
    return sum(ALPHAS.get(v.code, 0.0) for v in verdicts if v.outcome is not Outcome.UNKNOWN)
