"""CON001 healthy-connection-stays-usable."""

from __future__ import annotations

from collections.abc import Iterator

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Operation

__all__ = ["CON001"]

_TELL = Teller("CON001", "healthy-connection-stays-usable", "major", "s")
_HEALTHY = frozenset({"ok", "fin after answer"})
_RESTS = 2.0  # times its timeout
_SENT = 2  # requests: one resend on a connection that was closed while it rested
_EARLY = 0.5  # of a timeout: who breaks off before has taken another's
_MEND = ("disarm the read timer when an answer ends, and look whether a kept connection is still open "
         "before you use it")


def check(case: Case) -> Verdict:
    """CON001 healthy-connection-stays-usable.

    What it does: calls, rests for twice the client's timeouts, and calls again; the provider is well,
    and in a second run closes the connections that rest. The call after the rest must succeed, with
    one resend at most, and must not be broken off before its own timeout.

    Why it is bad: the first call after each quiet minute fails, at random as it seems.

    Example: a read timeout that stays armed on a connection in the pool.

    Use instead: timers that belong to one exchange; a pool that drops what the provider has closed.

    When it is unknown: nothing rested so long, a fault was planned, or each call is a process of its own
    (not_exercised); the client's timeouts are not declared (undeclared), unless the call fails; the
    machine stood still meanwhile (noise).

    References: RFC 9112, section 9.3 and 9.5; aio-libs/aiohttp, read timeouts of idle connections.
    """
    if case.cold or not _calm(case):
        return _TELL.unknown(case, "not_exercised")
    timeout_s = max(case.profile.read_timeout_s or 0.0, case.profile.connect_timeout_s or 0.0)
    findings, held, longest, lagged = [], 0, 0.0, 0
    for operation, rested_s in _rested(case, _RESTS * timeout_s):
        wrong = _wrong(operation, rested_s, timeout_s)
        if wrong and _stood_still(case, operation, timeout_s):
            lagged += 1
        elif wrong:
            events = tuple(i for a in operation.requests for i in a.evidence)
            findings.append(Finding(operation.ref, (operation.start.index, *events,
                                    *((operation.end.index,) if operation.end else ())), wrong, _MEND))
        else:
            held += 1
            longest = max(longest, rested_s)
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0, unit="operations")
    if lagged:
        return _TELL.unknown(case, "noise", f"the machine stood still during {lagged} calls")
    if not held:
        return _TELL.unknown(case, case.doubt())
    if not timeout_s:
        return _TELL.unknown(case, "undeclared", f"usable after {longest:.1f} s of rest; to judge: "
                             "read_timeout_s", observed=longest)
    kept = any(a.nth > 1 for o in case.sound() for a in o.requests) or "ok" not in _words(case)
    return _TELL.passed(case, held, observed=longest, limit=_RESTS * timeout_s,
                        note="" if kept else "the client keeps no connection")


def _words(case: Case) -> set[str]:
    return set(case.history.header.get("words") or ()) or {"ok"}


def _calm(case: Case) -> bool:
    """Whether the provider was well all the time."""
    return (_words(case) <= _HEALTHY and not case.history.header.get("tokens")
            and not any(True for _ in case.history.of("rotated", "secret_refused")))


def _rested(case: Case, least_s: float) -> Iterator[tuple[Operation, float]]:
    """Operations before which their instance rested, after one that had succeeded, and how long."""
    ended: dict[object, tuple[int, bool]] = {}
    for operation in case.sound():
        instance = operation.start.data.get("instance", 1)
        until, well = ended.get(instance, (0, False))
        rested_s = (operation.start.lo_ns - until) / 1e9
        if well and rested_s >= max(least_s, 0.5):
            yield operation, rested_s
        at = operation.end.lo_ns if operation.end else case.history.events[-1].hi_ns
        ended[instance] = max(until, at), well or operation.outcome == "ok"


def _wrong(operation: Operation, rested_s: float, timeout_s: float) -> str:
    """Say what went wrong with a call after a rest, or nothing."""
    sent = operation.requests
    after = f"after {rested_s:.1f} s of rest, the provider being well"
    if operation.outcome not in ("ok", "cancelled"):
        kind = (operation.error or {}).get("type", operation.outcome)
        return f"the caller got {kind} {after}; {len(sent)} requests came"
    if len(sent) > _SENT:
        return f"{len(sent)} requests of one call {after}"
    for attempt in sent:
        left = attempt.client_left_ns
        if left is not None and not attempt.complete and (left - attempt.start_lo_ns) / 1e9 < (
                _EARLY * timeout_s):
            return (f"the client broke its request off after {(left - attempt.start_lo_ns) / 1e6:.0f} ms "
                    f"{after}; its timeout is {timeout_s:g} s")
    return ""


def _stood_still(case: Case, operation: Operation, timeout_s: float) -> bool:
    """Whether heartbeats were so late during a call that a timeout of its own may have fired."""
    end = operation.end.lo_ns if operation.end else case.history.events[-1].hi_ns
    return case.lags.within_ns(operation.start.lo_ns, end) / 1e9 > _EARLY * (timeout_s or 1.0)


CON001 = Invariant("CON001", "healthy-connection-stays-usable", "CON", "major", check)
