"""``galeproof profile --timeouts FILE``: timeouts from what was measured."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from galeproof.cli.durations import read_durations
from galeproof.model.quantiles import needed, quantile_of
from galeproof.report.plain import one_line

__all__ = ["Advice", "advise", "timeouts_command"]

SHARE, CONFIDENCE = 0.999, 0.95
# below this a pause of the caller's own machine would look like a slow provider
LEAST_S = 0.1


@dataclass(frozen=True, slots=True)
class Advice:
    """What is known of an endpoint, in seconds, and what follows from it.

    Attributes:
        samples: How many durations there are.
        needed: How many the interval of p99.9 takes.
        lower_s, upper_s: The interval of p99.9; None where the sample is too small for that bound.
        timeout_s: The advice.
        firm: Whether it rests on the interval; else it is the longest that was seen, for the time being.
        beyond: How many of the durations are longer than the advice.
        note: What to know about it.
    """

    endpoint: str
    samples: int
    needed: int
    p50_s: float
    p99_s: float
    p999_s: float
    lower_s: float | None
    upper_s: float | None
    longest_s: float
    timeout_s: float
    firm: bool
    beyond: int
    note: str


def advise(endpoint: str, durations: list[float]) -> Advice:
    """Recommend a timeout for one endpoint.

    The advice is the upper bound of p99.9's interval, rounded up to two figures. Where the sample is
    too small to have one, it is the longest that was seen, and says that it is for the time being.

    Args:
        endpoint: its name.
        durations: of its sound answers, in seconds, at least one.
    """
    ordered = sorted(durations)
    enough = needed(SHARE, CONFIDENCE)
    p999 = quantile_of(ordered, SHARE, CONFIDENCE)
    firm = p999.upper is not None
    basis = ordered[-1] if p999.upper is None else p999.upper
    timeout_s = max(LEAST_S, _rounded_up(basis))
    beyond = sum(value > timeout_s for value in ordered)
    notes = []
    if not firm:
        notes.append(f"too small for p99.9: {len(ordered)} durations, {enough} would do; "
                     "for the time being the longest that was seen")
    if beyond:
        notes.append(f"{beyond} of {len(ordered)} sound answers took longer, up to {_shown(ordered[-1])}")
    if timeout_s == LEAST_S and basis < LEAST_S:
        notes.append(f"not below {LEAST_S:g} s: a pause of the caller's own machine is no failure")
    return Advice(
        endpoint, len(ordered), enough, quantile_of(ordered, 0.5, CONFIDENCE).estimate,
        quantile_of(ordered, 0.99, CONFIDENCE).estimate, p999.estimate, p999.lower, p999.upper,
        ordered[-1], timeout_s, firm, beyond, "; ".join(notes))


def timeouts_command(path: Path, as_json: bool) -> int:
    """Print the advice for every endpoint of a file.

    Raises:
        UsageError: The file cannot be read; names file and line.
    """
    found, left_out = read_durations(path)
    advice = [advise(endpoint, found[endpoint]) for endpoint in sorted(found)]
    if as_json:
        print(json.dumps({"schema": 1, "file": str(path), "quantile": SHARE, "confidence": CONFIDENCE,
                          "left_out": left_out, "endpoints": [asdict(one) for one in advice]}))
        return 0
    for line in _table(advice):
        print(line)
    if left_out:
        print(f"\n{left_out} attempts left out: they met a fault, or were refused for a passing reason.")
    return 0


def _table(advice: list[Advice]) -> list[str]:
    names = {one.endpoint: one_line(one.endpoint, 80) for one in advice}
    wide = max(len("endpoint"), *(len(name) for name in names.values()))
    lines = [f"{'endpoint':<{wide}}  {'answers':>8}  {'p50':>9}  {'p99':>9}  {'p99.9':>9}  "
             f"{'95 % interval':<21}  {'longest':>9}  timeout"]
    for one in advice:
        bounds = [("?" if bound is None else _shown(bound)) for bound in (one.lower_s, one.upper_s)]
        lines.append(
            f"{names[one.endpoint]:<{wide}}  {one.samples:>8}  {_shown(one.p50_s):>9}  "
            f"{_shown(one.p99_s):>9}  {_shown(one.p999_s):>9}  {' to '.join(bounds):<21}  "
            f"{_shown(one.longest_s):>9}  {one.timeout_s:g} s{'' if one.firm else '?'}")
    lines += [f"{names[one.endpoint]}: {one.note}" for one in advice if one.note]
    return lines


def _shown(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _rounded_up(seconds: float) -> float:
    """Round up to two significant figures."""
    step: float = 10.0 ** (math.floor(math.log10(seconds)) - 1)
    up = math.ceil(seconds / step - 1e-9) * step
    return float(f"{up if up >= seconds else up + step:.6g}")
