"""RAF005 rate-limit-fields."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["RAF005"]

_TELL = Teller("RAF005", "rate-limit-fields", "minor", "requests over the limit")
_SLACK_S = 0.02
_MEMBER = re.compile(r"""\s*(?:"[^"\\]*"|[A-Za-z*][\w:/*.!#$%&'^`|~+-]*)"""
                     r"((?:\s*;\s*[a-z*][a-z0-9_.*-]*=[^,;]*)*)\s*")
_MEND = ("read t as seconds from now, hold further requests back until it is over, and ignore what does not "
         "parse; where there is a Retry-After, that holds")


@dataclass(frozen=True, slots=True)
class _Said:
    """One answer's word: so many requests more until an instant, in ns."""

    remaining: int
    from_ns: int
    until_ns: int
    operation: Operation
    attempt: Exchange


def check(case: Case) -> Verdict:
    """RAF005 rate-limit-fields.

    What it does: answers carry the field ``RateLimit: "default";r=0;t=2``: no request more for two
    seconds. Operations begun after it must wait. Malformed fields must be ignored: the answer is a
    success all the same. Where an answer has Retry-After too, that holds.

    Why it is bad: a client that misreads the field runs into the limit that it was told of; one that
    cannot parse it throws away a good answer.

    Example: t taken for an instant of the epoch, which is long over; ``int(value)`` unguarded.

    Use instead: a parser of structured fields, and a hold that all operations of the client share.

    When it is unknown: support is not declared (undeclared); no answer with such fields was met, or none
    was followed by another operation (not_exercised).

    References: draft-ietf-httpapi-ratelimit-headers; RFC 9651, structured fields.
    """
    said, malformed, crashed, early = _read(case)
    # whoever knows nothing of the field breaks RAF001 alone where it retries too early
    findings = [_crash(o, a) for o, a in crashed] + (early if case.profile.rate_limit_fields else [])
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0)
    if not said and not malformed:
        return _TELL.unknown(case, case.doubt())
    if not case.profile.rate_limit_fields:
        return _TELL.unknown(case, "undeclared", "to judge: rate_limit_fields = true")
    starts, begun = _requests(case)
    held = 0
    for word in said:
        later = [operation for operation in begun[bisect.bisect_right(starts, word.from_ns):]
                 [: word.remaining + 10] if operation.attempts
                 and operation.start.data.get("instance") == word.operation.start.data.get("instance")]
        over = [o for o in later if o.attempts[0].start_hi_ns < word.until_ns - int(_SLACK_S * 1e9)]
        held += bool(later)
        if len(over) > word.remaining:
            findings.append(_over(word, over))
    if findings:
        return _TELL.failed(case, findings, observed=max(1, len(findings)), limit=0)
    if not held:
        return _TELL.unknown(case, case.doubt(), "no operation came after such an answer")
    return _TELL.passed(case, held + malformed, observed=0, limit=0)


def _read(case: Case) -> tuple[list[_Said], int, list[tuple[Operation, Exchange]], list[Finding]]:
    """What answers said; how many were malformed; those that made a success fail; and retries before
    a Retry-After that stood beside the field."""
    said, malformed, crashed, early = [], 0, [], []
    for operation in case.sound():
        for index, attempt in enumerate(operation.attempts):
            field = attempt.answer_header("ratelimit")
            if field is None or not attempt.complete or attempt.end_hi_ns is None:
                continue
            asked = attempt.answer_header("retry-after")
            if asked is not None:
                early += _before(operation, index, asked)
                continue
            limit = _limit(field)
            if limit is None:
                malformed += 1
                if attempt.status is not None and attempt.status < 300 and operation.outcome == "failed":
                    crashed.append((operation, attempt))
            elif limit[1] > 0:
                said.append(_Said(limit[0], attempt.end_hi_ns, attempt.end_lo_ns + int(limit[1] * 1e9)
                                  if attempt.end_lo_ns else 0, operation, attempt))
    return said, malformed, crashed, early


def _limit(field: str) -> tuple[int, float] | None:
    """Requests left and seconds until there are more, of the first member; None where malformed."""
    found = _MEMBER.fullmatch(field.split(",")[0])
    if not found:
        return None
    given = dict(pair.strip().split("=", 1) for pair in found[1].split(";") if "=" in pair)
    left, wait = given.get("r", "").strip(), given.get("t", "0").strip()
    if not (left.isascii() and left.isdigit() and wait.isascii() and wait.isdigit()):
        return None
    return int(left), float(wait)


def _requests(case: Case) -> tuple[list[int], list[Operation]]:
    """Operations in the order of their starts, and these, in ns."""
    begun = sorted((o for o in case.sound()), key=lambda o: o.start.hi_ns)
    return [o.start.hi_ns for o in begun], begun


def _before(operation: Operation, index: int, asked: str) -> list[Finding]:
    """A retry before the Retry-After that stands beside a shorter limit."""
    if not (asked.isascii() and asked.isdigit()) or index + 1 >= len(operation.attempts):
        return []
    attempt, after = operation.attempts[index], operation.attempts[index + 1]
    gap = (after.start_hi_ns - (attempt.end_lo_ns or 0)) / 1e9
    if gap >= int(asked) - _SLACK_S:
        return []
    return [Finding(operation.ref, (attempt.evidence[0], after.evidence[0]),
                    f"Retry-After: {asked} beside RateLimit: {attempt.answer_header('ratelimit')}, and the "
                    f"next attempt came after {gap:.2f} s", _MEND)]


def _crash(operation: Operation, attempt: Exchange) -> Finding:
    kind = str((operation.error or {}).get("type"))
    end = (operation.end.index,) if operation.end else ()
    return Finding(operation.ref, (attempt.evidence[0], *end),
                   f"RateLimit: {attempt.answer_header('ratelimit')!r} on a {attempt.status} made it fail: "
                   f"{kind}", _MEND)


def _over(word: _Said, over: list[Operation]) -> Finding:
    first = over[word.remaining].attempts[0]
    after = (first.start_lo_ns - word.from_ns) / 1e9
    return Finding(over[word.remaining].ref, (word.attempt.evidence[0], first.evidence[0]),
                   f"RateLimit: {word.attempt.answer_header('ratelimit')}, and {len(over)} requests came "
                   f"before it was over, the first too many after {after:.2f} s", _MEND)


RAF005 = Invariant("RAF005", "rate-limit-fields", "RAF", "minor", check)
