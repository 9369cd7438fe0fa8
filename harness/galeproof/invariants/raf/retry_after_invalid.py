"""RAF003 retry-after-invalid."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass, field

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants._timing import fail_beyond_s
from galeproof.invariants.raf._date import AGES_S, http_date
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["RAF003"]

_TELL = Teller("RAF003", "retry-after-invalid", "major", "operations that went wrong")
_ENDLESS = ("inf", "nan", "")
_AT_ONCE_S = 0.005
_USUAL = 0.75
_ENOUGH, _MOST = 4, 0.8  # gaps of one form: chance puts one in ten of a sound client's below 5 ms
_MEND = ("parse Retry-After as digits or an HTTP-date only; whatever else it holds, use your own backoff: "
         "never sleep(float(value)), never int(value) unguarded")


@dataclass(slots=True)
class _Form:
    """What became of the operations that met one form of Retry-After."""

    value: str
    operations: list[Operation] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)

    ahead_s: float | None = None

    @property
    def soon(self) -> bool:
        """Whether it may be read as leave to retry at once: zero, or what is over."""
        return self.value.strip() in ("0", "-1") or (self.ahead_s is not None and self.ahead_s <= 0)


def check(case: Case) -> Verdict:
    """RAF003 retry-after-invalid.

    What it does: the provider is busy and its Retry-After is no number of seconds and no date to come:
    ``-1``, ``0``, ``1.5``, ``1e3``, ``inf``, ``nan``, ``2`` as a superscript, nothing, ``soon``,
    ``2, 5``, a date of the past, the year 9999. The caller must get the client's own kind of error, as it
    does of a 503 without the header, in time; and the retries must not become a hot loop.

    Why it is bad: a slip in a proxy's configuration turns a busy minute into a crash of every caller, or
    into a loop without any delay against a provider that is down.

    Example: a negative number that ``sleep`` refuses; ``isdigit()`` that takes a superscript, and ``int()``
    that then raises; ``float("inf")`` seconds of sleep; ``parseInt(value) || 0``.

    Use instead: digits of ASCII or an HTTP-date, with a limit; otherwise the usual backoff.

    When it is unknown: no operation met such a header, or none showed how the client fails without it
    (not_exercised); it takes so long from call to wire that a hot loop would not show (noise).

    References: RFC 9110, 10.2.3 and its grammar (1*DIGIT); openai-java issue 853; crawlee issue 1995.
    """
    plain, forms = _sorted(case)
    if not forms:
        return _TELL.unknown(case, case.doubt())
    known = _known_types(case, plain)
    findings: list[Finding] = []
    hot: list[Finding] = []
    untold = 0
    for form in forms.values():
        for operation in form.operations:
            text = _sleeps_on(case, operation, form)
            if text is None and operation.error is not None:
                untold += not known
                text = _crash(operation, known)
            if text:
                findings.append(Finding(operation.ref, _evidence(operation),
                                        f"Retry-After: {form.value!r}: {text}", _MEND))
        hot += _hot(form)
    witnesses = sum(len(form.operations) for form in forms.values())
    if findings or hot:
        found = [*findings, *hot]
        return _TELL.failed(case, found, observed=len({f.operation for f in found}), limit=0,
                            timing=not findings)
    if untold:
        return _TELL.unknown(case, "not_exercised", "no error of a plain failure to compare with; to judge: "
                             "errors = {...}")
    # a loaded machine makes gaps of a hot loop: shorter than those of a plain failure they still are
    usual = [gap for o in plain for gap in _gaps(o)]
    hidden_s = max(_AT_ONCE_S, 3 * _latency_s(case), _USUAL * statistics.median(usual) if usual else 0.0)
    if any(len(f.gaps) >= _ENOUGH and not f.soon and max(f.gaps) < hidden_s for f in forms.values()):
        return _TELL.unknown(case, "noise", "the client is slower to the wire than a hot loop is short")
    return _TELL.passed(case, witnesses, observed=0, limit=0, note=f"{len(forms)} forms")


def _sorted(case: Case) -> tuple[list[Operation], dict[str, _Form]]:
    """Operations that met a busy status without the header, and those that met an invalid one."""
    plain: list[Operation] = []
    forms: dict[str, _Form] = {}
    for operation in case.sound():
        first = operation.attempts[0] if operation.attempts else None
        if first is None or not first.complete or first.status not in (429, 503):
            continue
        value = first.answer_header("retry-after")
        if value is None:
            plain.append(operation)
        elif _invalid(value, ahead_s := _ahead_s(case, first, value)):
            form = forms.setdefault(value, _Form(value, ahead_s=ahead_s))
            form.operations.append(operation)
            form.gaps += _gaps(operation)
    return plain, forms


def _gaps(operation: Operation) -> list[float]:
    """The waits before its retries, in s."""
    return [max(0, b.start_lo_ns - (a.end_hi_ns or 0)) / 1e9
            for a, b in itertools.pairwise(operation.attempts) if a.complete]


def _invalid(value: str, ahead_s: float | None) -> bool:
    """Whether a value is none that a client ought to wait for: no digits but 0, no date to come."""
    if value.isascii() and value.isdigit():
        return int(value) == 0
    return ahead_s is None or ahead_s <= 0 or ahead_s > AGES_S


def _ahead_s(case: Case, attempt: Exchange, value: str) -> float | None:
    """How far a date is ahead of its answer, in s; None where the value is no date."""
    until = http_date(value)
    if until is None:
        return None
    start = float(case.history.header.get("start_wall_s") or 0.0)
    return until[1] - start - (attempt.end_lo_ns or 0) / 1e9


def _known_types(case: Case, plain: list[Operation]) -> set[str]:
    """The errors that callers expect: declared, or seen where the header was missing."""
    declared = set(case.profile.errors.values())
    return declared or {str(o.error["type"]) for o in plain if o.error is not None}


def _crash(operation: Operation, known: set[str]) -> str | None:
    """Tell of an error that is none of the client's own: of another type, from another package."""
    error = operation.error or {}
    kind = str(error.get("type", ""))
    names = {kind, *map(str, error.get("bases") or ())}
    roots = {name.split(".")[0] for name in known} - {"builtins"}
    if not known or names & known or (kind.split(".")[0] in roots):
        return None
    return f"the caller got {kind}: {str(error.get('text', ''))[:80]}"


def _sleeps_on(case: Case, operation: Operation, form: _Form) -> str | None:
    """Tell of an operation that was cut off beyond its deadline; a thousand seconds written in an odd
    way may be slept where no deadline is declared."""
    took = (case.seen_until_ns(operation) - case.begun_ns(operation)) / 1e9
    limit = case.profile.deadline_s
    endless = form.value in _ENDLESS or form.ahead_s is not None
    if operation.over_budget is not None and (endless if limit is None else took > fail_beyond_s(limit)):
        return f"still sleeping after {took:.1f} s"
    return None


def _hot(form: _Form) -> list[Finding]:
    """Retries at once: one is allowed where the value says now, none is elsewhere."""
    if form.soon:
        hot = [o for o in form.operations if len(o.attempts) > 2 and max(_gaps(o), default=1.0) < _AT_ONCE_S]
        if len(hot) < len(form.operations) or len(form.gaps) < _ENOUGH:
            return []
    elif len(form.gaps) < _ENOUGH or sum(g < _AT_ONCE_S for g in form.gaps) < _MOST * len(form.gaps):
        return []
    worst = max(form.operations, key=lambda o: len(o.attempts))
    return [Finding(worst.ref, _evidence(worst), f"Retry-After: {form.value!r}: {len(form.gaps)} retries, "
                    f"half of them within {1000 * statistics.median(form.gaps):.1f} ms", _MEND)]


def _latency_s(case: Case) -> float:
    """How long a call takes to the wire, usually: what a retry at once takes too."""
    calls = case.call_to_wire_s()
    return statistics.median(calls) if calls else 0.0


def _evidence(operation: Operation) -> tuple[int, ...]:
    end = (operation.end.index,) if operation.end else ()
    return (*(a.evidence[0] for a in operation.attempts[:5]), *end)


RAF003 = Invariant("RAF003", "retry-after-invalid", "RAF", "major", check)
