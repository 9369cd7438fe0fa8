"""OAU001 single-flight-refresh."""

from __future__ import annotations

from collections import Counter

from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case, Teller
from galeproof.model import Event, Finding, Verdict

__all__ = ["OAU001"]

_TELL = Teller("OAU001", "single-flight-refresh", "major", "token requests")
_GREY = 2
_MEND = ("let one caller refresh and all others wait for it: a lock (or a shared task), and a second "
         "look at the token once it is held")


def check(case: Case) -> Verdict:
    """OAU001 single-flight-refresh.

    What it does: the token of many operations expires at once, while the authority takes its time.
    One request for a new token must come of it; and where refresh tokens rotate, none of them may be
    used twice.

    Why it is bad: an authority that sees a refresh token twice takes it for stolen and revokes all
    that came of it; without rotation it is merely a herd.

    Example: ``if response.status_code == 401: self.refresh()`` in every operation.

    Use instead: ``async with self._lock: if self._token is used: await self._refresh()``.

    When it is unknown: the subject takes no ``token_url``, or fewer than two operations met the
    expiry (not_exercised); two requests came and nothing rotates (noise: the second may have been on
    its way). A token that is renewed ahead of its expiry passes.

    References: RFC 9700, section 4.14.2; RFC 6749, section 6.
    """
    expiries = list(case.history.of("token_expiry"))
    if not expiries or not any(_witnesses(case, expiry) for expiry in expiries):
        return _TELL.unknown(case, case.doubt(), limit=1)
    events = list(case.history.of("token"))
    findings = _used_twice(case, events)
    critical = bool(findings)
    most = grey = held = 0
    for number, expiry in enumerate(expiries):
        until = expiries[number + 1].lo_ns if number + 1 < len(expiries) else None
        asked = [e for e in events if e.lo_ns >= expiry.lo_ns and (until is None or e.lo_ns < until)
                 and e.data["status"] == 200]
        rotating = any(e.data["grant"] == "refresh_token" for e in asked)
        most = max(most, len(asked))
        if len(asked) > (1 if rotating else _GREY):
            critical |= rotating
            findings.append(Finding(None, tuple(e.index for e in asked[:10]),
                                    f"{len(asked)} new tokens for one expiry", _MEND))
        elif len(asked) == _GREY:
            grey += 1
        else:
            held += _witnesses(case, expiry)
    if findings:
        return _TELL.failed(case, findings, observed=most, limit=1,
                            severity="critical" if critical else "major")
    if grey:
        return _TELL.unknown(case, "noise", "two new tokens, and nothing rotates", observed=most, limit=1)
    return _TELL.passed(case, held, observed=most, limit=1)


def _witnesses(case: Case, expiry: Event) -> int:
    """How many operations were under way once the tokens had expired; one alone shows no herd."""
    count = sum(o.start.lo_ns >= expiry.lo_ns and o.cancel is None for o in case.operations)
    ask = {e.marker for e in case.history.of("token_refused")}
    herd = count if not ask else len(ask)
    return herd if herd > 1 and not expiry.data.get("refused") and not expiry.data.get("status") else 0


def _used_twice(case: Case, events: list[Event]) -> list[Finding]:
    """Refresh tokens that were presented more than once; an exact resend after a lost answer is
    allowed."""
    answered = {a.x for a in case.attribution.strays if a.complete}
    presented = [e for e in events if e.data.get("presented") and e.data["grant"] == "refresh_token"
                 and (e.data.get("x") in answered or not answered)]
    counts = Counter(str(e.data["presented"]) for e in presented)
    found = []
    for value, times in counts.items():
        if times > 1 and any(e.data.get("reused") for e in presented if e.data["presented"] == value):
            found.append(Finding(
                None, tuple(e.index for e in presented if e.data["presented"] == value)[:10],
                f"one refresh token was used {times} times", _MEND))
    return found


OAU001 = Invariant("OAU001", "single-flight-refresh", "OAU", "major", check)
