"""RTY004 no-nested-retries."""

from __future__ import annotations

import math
from collections.abc import Sequence

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller, transient
from galeproof.invariants.rty._gaps import Gap, gaps_of
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["RTY004"]

_TELL = Teller("RTY004", "no-nested-retries", "major", "attempts")
_UNDECLARED = 5
_SCALES = 2.0  # the gap between bursts is so many times longer than every gap within them
_ALPHA = 1e-4
_MEND = ("let one layer retry: switch the library's own retries off (urllib3: Retry(0); httpx: "
         "HTTPTransport(retries=0); openai and stripe: max_retries=0) or drop the loop around it")


def check(case: Case) -> Verdict:
    """RTY004 no-nested-retries.

    What it does: looks at the gaps between the attempts of each operation through a lasting
    outage. Bursts of short gaps between long ones, the same pattern in every operation, are one
    layer of retries inside another.

    Why it is bad: three tries around four are twelve. Each further layer multiplies the load on a
    provider that is down already, and nobody has decided on that number.

    Example: ``@retry(stop=stop_after_attempt(3))`` around a ``requests.Session`` that is mounted
    with ``Retry(3)``: 12 attempts.

    Use instead: retries at one layer, all others switched off.

    When it is unknown: no operation failed twice (not_exercised); no cap is declared and there
    were no more than 5 attempts, or there were more than the cap with one scale of gaps: the
    product alone is arithmetic, and belongs to RTY001 (undeclared; declare max_attempts or layers).

    References: AWS REL05-BP03 ("several layers of the stack"); AWS Builders' Library.
    """
    storms = [(o, gaps) for o in case.sound() if (gaps := _gaps(o))]
    cap, layers = case.profile.max_attempts, case.profile.layers
    if not storms or cap == 1:
        return _TELL.unknown(case, case.doubt(), limit=cap)
    most = max(len(gaps) + 1 for _, gaps in storms)
    if layers and len(layers) > 1 and most == math.prod(layers) and min(layers) > 1:
        said = " x ".join(map(str, layers))
        findings = [Finding(o.ref, _evidence(gaps), f"{most} attempts: {said}, as declared a layer",
                            _MEND) for o, gaps in storms if len(gaps) + 1 == most]
        return _TELL.failed(case, findings, observed=most, limit=max(layers))
    burst = _burst(storms)
    if cap is not None and most <= cap:
        note = "bursts of gaps, but no more attempts than declared" if burst else ""
        return _TELL.passed(case, len(storms), observed=most, limit=cap, note=note)
    if burst:
        findings = [Finding(o.ref, _evidence(gaps), _told(gaps, burst), _MEND)
                    for o, gaps in storms if len(gaps) >= burst]
        return _TELL.failed(case, findings, observed=most, limit=cap)
    note = ("one scale of gaps; to judge: layers = [...]" if most > (cap or _UNDECLARED)
            else f"{most} attempts at most; to judge: max_attempts = ...")
    return _TELL.unknown(case, "undeclared", note, observed=most, limit=cap)


def _gaps(operation: Operation) -> list[Gap]:
    """The gaps of an operation that failed to the end, no wait of the provider's among them."""
    if not all(map(transient, operation.attempts)) or operation.cancel is not None or any(
            a.answer_header("retry-after") for a in operation.attempts):
        return []
    return gaps_of(operation)


def _burst(storms: Sequence[tuple[Operation, list[Gap]]]) -> int | None:
    """The attempts of a burst, where every operation shows the same two scales; else None.

    A single layer with jitter shows the pattern by chance too: where n gaps are of one kind, k given
    ones are the longest (or the shortest) in 1 of C(n, k). All operations together must be rarer
    than alpha over the patterns tried.
    """
    gaps = [[gap.hi_s for gap in found] for _, found in storms]
    sizes = range(2, max(map(len, gaps)) // 2 + 2)
    for size in sizes:
        judged = [g for g in gaps if len(g) > size]  # a burst, the gap after it, and one more
        if 2 * len(judged) < len(gaps) or not any(len(g) >= 2 * size - 1 for g in judged):
            continue
        for scales in (_long_between, _short_at_first):
            chance = math.prod(scales(g, size) for g in judged)
            if chance <= _ALPHA / (2 * len(sizes)):
                return size
    return None


def _long_between(gaps: Sequence[float], size: int) -> float:
    """The chance that each gap between bursts is far longer than all within (infinite: not shown)."""
    between = [g for at, g in enumerate(gaps, 1) if at % size == 0]
    within = [g for at, g in enumerate(gaps, 1) if at % size]
    shown = min(between) > _SCALES * max(within)
    return 1 / math.comb(len(gaps), len(between)) if shown else math.inf


def _short_at_first(gaps: Sequence[float], size: int) -> float:
    """The chance that each burst begins with a gap far shorter than all others (the inner backoff
    begins anew) (infinite: not shown)."""
    first = [g for at, g in enumerate(gaps, 1) if at % size == 1]
    others = [g for at, g in enumerate(gaps, 1) if at % size != 1]
    shown = _SCALES * max(first) < min(others)
    return 1 / math.comb(len(gaps), len(first)) if shown else math.inf


def _told(gaps: Sequence[Gap], size: int) -> str:
    parts = []
    for at, gap in enumerate(gaps, 1):
        parts.append(f"| {gap.hi_s:.2f} |" if at % size == 0 else f"{gap.hi_s:.2f}")
    rounds = math.ceil((len(gaps) + 1) / size)
    return f"gaps {' '.join(parts)}: two layers, {rounds} x {size}"


def _evidence(gaps: Sequence[Gap]) -> tuple[int, ...]:
    return (gaps[0].before.evidence[0], *(gap.after.evidence[0] for gap in gaps))


RTY004 = Invariant("RTY004", "no-nested-retries", "RTY", "major", check)
