"""IDM003 key-unique-per-operation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.idm._common import unsafe
from galeproof.invariants.idm._payload import keyed, payload_of
from galeproof.model import Finding, Verdict
from galeproof.model.exchange import Exchange, Operation

__all__ = ["IDM003"]

_TELL = Teller("IDM003", "key-unique-per-operation", "critical", "operations")
_ENOUGH = 50
_MILLIS = re.compile(r"(?<!\d)1\d{12}(?!\d)")  # until the year 2033
_CLOCK_MS = 5000  # from the draw of a key to its request
_MEND = "draw a fresh uuid4() for each operation, from the operating system's random source"


def check(case: Case) -> Verdict:
    """IDM003 key-unique-per-operation.

    What it does: fifty writes with payloads of their own, many at once, and over a second start of
    the client. No two operations with different payloads may share an idempotency key.

    Why it is bad: the provider answers the second payment with the first one's receipt, and the
    second is never made.

    Example: a key made once a client object; a timestamp in milliseconds; a seeded generator,
    which starts anew with the process.

    Use instead: ``uuid4()`` an operation.

    When it is unknown: no keys (undeclared, or not_exercised where they are declared); fewer than
    50 operations with a key, or one start of the client only (not_exercised); keys that are the time
    in milliseconds, on a machine too slow for two operations within one (noise).

    References: draft-ietf-httpapi-idempotency-key-header, section 2.2.
    """
    owners: dict[str, list[tuple[Operation, Exchange]]] = {}
    operations, requests = 0, 0
    for operation in unsafe(case):
        found = dict(reversed(keyed(case, operation)))  # each key's first request
        operations += bool(found)
        requests += 1
        for key, attempt in found.items():
            owners.setdefault(key, []).append((operation, attempt))
    findings = [f for key, sharing in owners.items() if (f := _shared(case, key, sharing))]
    if findings:
        most = max(len({o.ref for o, _ in sharing}) for sharing in owners.values())
        return _TELL.failed(case, findings, observed=most, limit=1)
    if requests >= _ENOUGH and not operations:
        declared = case.profile.idempotency_key is not None
        return _TELL.unknown(case, "not_exercised" if declared else "undeclared",
                             "no key was sent" if declared else
                             'no key was sent; to judge: idempotency_key = "Idempotency-Key"')
    if operations < _ENOUGH:
        return _TELL.unknown(case, case.doubt(), f"{operations} operations with a key, {_ENOUGH} are "
                             "needed" if operations else "")
    if int(case.history.header.get("starts", 1)) < 2:
        return _TELL.unknown(case, "not_exercised", "one start of the client only")
    if _clock(owners):
        return _TELL.unknown(case, "noise", "the keys are the time in milliseconds, and no two "
                                            "operations began within one: the machine is too slow")
    note = "" if case.history.header.get("fresh_process") else "both starts in one process"
    return _TELL.passed(case, operations, observed=1, limit=1, note=note)


def _clock(owners: Mapping[str, list[tuple[Operation, Exchange]]]) -> bool:
    """Whether every key is nothing but a clock's reading: 13 digits that go with the requests'
    own instants, and the same text around them."""
    read = [(key, _MILLIS.search(key), sharing[0][1]) for key, sharing in owners.items()]
    if len({key.replace(found[0], "") if found else key for key, found, _ in read}) != 1:
        return False
    behind = [a.start_lo_ns / 1e6 - int(found[0]) for _, found, a in read if found]
    return len(behind) == len(read) and max(behind) - min(behind) <= _CLOCK_MS


def _shared(case: Case, key: str, sharing: list[tuple[Operation, Exchange]]) -> Finding | None:
    """A key of several operations whose payloads differ. A call repeated with the same reference
    is IDM005's matter."""
    first, begun = sharing[0]
    others = [(o, a) for o, a in sharing[1:] if o.ref != first.ref
              and payload_of(case, a) != payload_of(case, begun)]
    if not others:
        return None
    starts = {o.start.data.get("instance") for o, _ in [sharing[0], *others]}
    across = f", over {len(starts)} starts of the client" if len(starts) > 1 else ""
    return Finding(first.ref, (begun.evidence[0], *(a.evidence[0] for _, a in others[:9])),
                   f"key {key[:40]!r} stands for {1 + len(others)} operations with different "
                   f"payloads{across}", _MEND)


IDM003 = Invariant("IDM003", "key-unique-per-operation", "IDM", "critical", check)
