"""CBK005 breaker-scope."""

from __future__ import annotations

from collections import Counter

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._outage import Outage, outage_of
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["CBK005"]

_TELL = Teller("CBK005", "breaker-scope", "minor", "share of the well provider's that succeeded")
_SHED, _LEAST = 0.5, 0.99
_ENOUGH = 20
_MEND = "keep a breaker for each host (or endpoint), not one for the whole program"


def check(case: Case) -> Verdict:
    """CBK005 breaker-scope.

    What it does: two providers are called side by side, and one falls ill for good. While the client
    holds requests to it back, 99 of 100 operations at the other must succeed.

    Why it is bad: one provider's outage becomes an outage of all that the program does.

    Example: a breaker in a module's global variable.

    Use instead: one breaker for each host; gRPC keeps its throttle for each server's name.

    When it is unknown: the subject calls one provider only, or nothing was held back from the one that is
    ill (not_exercised; undeclared where no breaker is promised).

    References: gRFC A6 (throttling state is kept for each server name).
    """
    outage = outage_of(case)
    sides = _sides(outage) if outage is not None else None
    if outage is None or sides is None:
        return _TELL.unknown(case, case.doubt(), "one provider only" if outage is not None else "")
    ill, well = sides
    sent = sum(len(o.requests) for o in ill)
    if sent > _SHED * len(ill):
        declared = case.profile.breaker is not None
        return _TELL.unknown(case, "not_exercised" if declared else "undeclared",
                             f"{sent} attempts of {len(ill)} operations at the provider that is ill: "
                             "nothing was open")
    good = [o for o in well if o.outcome == "ok"]
    share = len(good) / len(well)
    figures = {"observed": round(share, 3), "limit": _LEAST}
    if share < _LEAST:
        bad = [o for o in well if o.outcome != "ok"]
        unsent = sum(not o.requests for o in bad)
        text = (f"{len(bad)} of {len(well)} operations at the provider that is well failed, {unsent} of them "
                "unsent, while the other's were held back")
        return _TELL.failed(case, [Finding(bad[0].ref, tuple(o.start.index for o in bad[:10]), text, _MEND)],
                            witnesses=len(bad), **figures)
    return _TELL.passed(case, len(well), **figures)


def _sides(outage: Outage) -> tuple[list[Operation], list[Operation]] | None:
    """The operations of the outage's last third at the provider that is ill, and at the other; what was
    not sent belongs where its kin were sent to. None where there is one provider, or too few of one."""
    host_of: dict[str, Counter[str]] = {}
    failed: Counter[str] = Counter()
    for operation in outage.operations:
        for attempt in operation.requests:
            host = attempt.header("host") or ""
            host_of.setdefault(operation.name, Counter())[host] += 1
            failed[host] += attempt.word != "ok"
    if len(outage.hosts) < 2:
        return None
    worst = failed.most_common(1)[0][0]
    ill: list[Operation] = []
    well: list[Operation] = []
    for operation in outage.begun(*outage.late_ns):
        hosts = host_of.get(operation.name)
        if hosts:
            (ill if hosts.most_common(1)[0][0] == worst else well).append(operation)
    return (ill, well) if min(len(ill), len(well)) >= _ENOUGH else None


CBK005 = Invariant("CBK005", "breaker-scope", "CBK", "minor", check)
