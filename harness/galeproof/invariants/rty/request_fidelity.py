"""RTY007 request-fidelity."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller, transient
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["RTY007"]

_TELL = Teller("RTY007", "request-fidelity", "critical", "operations")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME_METHOD = frozenset({307, 308})
_BOUNDARY = re.compile(r"boundary=\"?([^\";,\s]+)", re.I)
_MEND = ("build the request once, with its body as bytes or rewound to where it began; refuse to "
         "send a generator again")


@dataclass(frozen=True, slots=True)
class _Body:
    """What came of a request's body: all of it, or the part before the tap's cut."""

    size: int
    text: str
    whole: bool
    sha256: str


def check(case: Case) -> Verdict:
    """RTY007 request-fidelity.

    What it does: compares the attempts of an operation: method, target, body, content type and
    encoding must be the same after a failure, a cut in the middle of an upload, a redirect by 307
    or 308, and a 401. A body from a file or a generator is sent whole again, or the client gives up.

    Why it is bad: the second try succeeds with an empty or half a body, and the provider has
    stored that.

    Example: ``requests.post(url, data=generator)`` behind a 307; query parameters that each
    attempt appends.

    Use instead: bytes, or a file that is rewound to where it began; a fresh generator for each
    attempt.

    Allowed to change: credentials, dates, trace and attempt headers, a multipart boundary (the
    parts are compared), the method after a 301, 302 or 303. A request for something else (another
    path, a look-up by GET before a POST is sent again) is no further attempt of the same.

    When it is unknown: no request was sent twice (not_exercised); the connection could not be read
    (capture_missing).

    References: RFC 9110, 9.2.2 and 15.4.
    """
    findings: list[Finding] = []
    held = 0
    for operation in case.sound():
        pairs = _pairs(operation)
        broken = [(a, b, why) for a, b in pairs if (why := _differs(case, a, b))]
        if broken:
            first, second, why = broken[0]
            findings.append(Finding(operation.ref, (*first.evidence[:2], *second.evidence[:2]),
                                    f"after {first.status or first.word}: {why}", _MEND))
        elif any(b.whole for _, b in pairs):
            held += 1
    if findings:
        return _TELL.failed(case, findings, observed=len(findings), limit=0)
    if not held:
        return _TELL.unknown(case, case.doubt())
    return _TELL.passed(case, held)


def _pairs(operation: Operation) -> list[tuple[Exchange, Exchange]]:
    """Each attempt that asked for a second one, with the attempt that answers to it."""
    found = []
    for first, second in itertools.pairwise(operation.requests):
        if first.status in _SAME_METHOD or transient(first):
            if not _another(first, second, operation.ref):
                found.append((first, second))
        elif first.status == 401 and _path(first) == _path(second):
            found.append((first, second))
    return found


def _another(first: Exchange, second: Exchange, ref: str) -> bool:
    """Whether the second asks for something else: a look-up after a lost write, a token, a
    fallback. It is the same where a redirect leads to it."""
    if first.status in _SAME_METHOD:
        return False
    if first.method not in _SAFE and second.method in _SAFE:
        return True
    return _path(first) != _path(second) and not (
        ref in first.target.lower() and ref in second.target.lower())


def _path(attempt: Exchange) -> str:
    return attempt.target.partition("?")[0]


def _differs(case: Case, first: Exchange, second: Exchange) -> str | None:
    """Say what the second attempt changed, or None."""
    if first.method != second.method:
        return f"{first.method} became {second.method}"
    target = _expected(first)
    if target is not None and second.target != target:
        return f"target {target[:60]} became {second.target[:60]}"
    for name in ("content-type", "content-encoding"):
        before, after = (_BOUNDARY.sub("boundary", a.header(name) or "") for a in (first, second))
        if before != after:
            return f"{name} {before or 'none'} became {after or 'none'}"
    before_body, after_body = _body(case, first), _body(case, second)
    return _body_differs(before_body, after_body) if before_body and after_body else None


def _expected(first: Exchange) -> str | None:
    """The target that the next attempt must have; None where the redirect leaves this origin."""
    if first.status not in _SAME_METHOD:
        return first.target
    parts = urlsplit(first.answer_header("location") or "")
    if parts.netloc or not parts.path.startswith("/"):
        return None
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _body_differs(first: _Body, second: _Body) -> str | None:
    if first.whole and second.whole:
        if (first.size, first.sha256) == (second.size, second.sha256):
            return None
        return f"a body of {first.size} bytes became another of {second.size}"
    if not second.whole:  # it was cut by the tap: as far as it goes
        shared = min(len(first.text), len(second.text))
        return None if first.text[:shared] == second.text[:shared] else "the body began otherwise"
    if second.size < first.size:
        return f"{first.size} bytes of a body were sent, and then {second.size}"
    return None if second.text.startswith(first.text) else "the body began otherwise"


def _body(case: Case, attempt: Exchange) -> _Body | None:
    """The body as recorded, its multipart boundary made neutral."""
    for index in attempt.evidence:
        event = case.history.events[index]
        if event.kind in ("request_end", "request_part"):
            return _read(event.data, attempt.header("content-type") or "",
                         event.kind == "request_end")
    return None


def _read(data: Mapping[str, Any], content_type: str, whole: bool) -> _Body:
    text, size = str(data.get("body", "")), int(data.get("n", 0))
    boundary = _BOUNDARY.search(content_type)
    if boundary and content_type.lower().startswith("multipart/"):
        text, size = text.replace(boundary[1], ""), size - text.count(boundary[1]) * len(boundary[1])
        return _Body(size, text, whole, hashlib.sha256(text.encode("latin-1")).hexdigest())
    return _Body(size, text, whole, str(data.get("sha256", "")) or text)


RTY007 = Invariant("RTY007", "request-fidelity", "RTY", "critical", check)
