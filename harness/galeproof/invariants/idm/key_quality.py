"""IDM006 key-quality."""

from __future__ import annotations

import math
import re

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.invariants.idm._common import unsafe
from galeproof.invariants.idm._payload import keyed
from galeproof.model import Finding, Verdict

__all__ = ["IDM006"]

_TELL = Teller("IDM006", "key-quality", "minor", "bits")
_ENOUGH, _MOST = 20, 50
_POOR, _RICH = 40.0, 64.0
_KNOWN = (
    ("UUID", re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[1-8][0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}",
                        re.I)),
    ("ULID", re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.I)),
    ("KSUID", re.compile(r"[0-9A-Za-z]{27}")),
)
_MEND = "uuid4() for each operation, or 128 bits of the operating system's random source"


def check(case: Case) -> Verdict:
    """IDM006 key-quality.

    What it does: looks at twenty to fifty keys of different operations. A UUID, ULID or KSUID is
    known to be unique; of others the distinct characters of each position are counted, as bits:
    their sum must be 64, and below 40 it fails.

    Why it is bad: keys that are few, or that can be guessed, meet by chance: one customer is shown the
    receipt of another, and no error tells anybody.

    Example: ``randint(0, 10**6)``; a counter, which begins anew with each process; the time.

    Use instead: ``uuid4()``.

    When it is unknown: fewer than 20 keys (not_exercised); keys of the caller's, which hold its
    reference (undeclared: ``idempotency_key_from = "caller"`` or ``"business"`` says that they are
    derived, and IDM003 and IDM005 judge them); between 40 and 64 bits (noise).

    References: draft-ietf-httpapi-idempotency-key-header, section 2.2; RFC 9562.
    """
    keys: dict[str, tuple[str, int]] = {}
    for operation in unsafe(case):
        for key, attempt in keyed(case, operation)[:1]:
            keys.setdefault(key, (operation.ref, attempt.evidence[0]))
        if len(keys) == _MOST:
            break
    if len(keys) < _ENOUGH:
        return _TELL.unknown(case, case.doubt(), f"{len(keys)} keys, {_ENOUGH} are needed" if keys else "")
    looked = list(keys)
    derived = case.profile.idempotency_key_from
    if derived in ("caller", "business"):
        return _TELL.passed(case, len(looked), note=f"declared to be the {derived}'s")
    if all(keys[key][0] in key.lower() for key in looked):
        return _TELL.unknown(case, "undeclared", "the keys hold the caller's reference; to judge: "
                             'idempotency_key_from = "caller"')
    known = next((name for name, form in _KNOWN if all(form.fullmatch(key) for key in looked)), None)
    bits = round(bits_of(looked), 1)
    if known:
        return _TELL.passed(case, len(looked), observed=bits, note=f"each is a {known}")
    if bits < _POOR:
        text = f"{len(looked)} keys differ in {bits:g} bits: {looked[0][:40]!r}, {looked[1][:40]!r} ..."
        evidence = tuple(keys[key][1] for key in looked[:10])
        return _TELL.failed(case, [Finding(None, evidence, text, _MEND)], observed=bits, limit=_RICH,
                            witnesses=len(looked))
    if bits < _RICH:
        return _TELL.unknown(case, "noise", "between poor and good", observed=bits, limit=_RICH)
    return _TELL.passed(case, len(looked), observed=bits, limit=_RICH)


def bits_of(keys: list[str]) -> float:
    """Return the sum over positions of log2 of how many characters stand there."""
    longest = max(map(len, keys))
    return sum(math.log2(len({key[at : at + 1] for key in keys})) for at in range(longest))


IDM006 = Invariant("IDM006", "key-quality", "IDM", "minor", check)
