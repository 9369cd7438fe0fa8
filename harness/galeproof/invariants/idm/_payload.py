"""What an idempotency key stands for: the payload of a request, whatever its spelling."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, urlencode, urlsplit

from galeproof.invariants._case import Case
from galeproof.model.exchange import Exchange, Operation

__all__ = ["Payload", "keyed", "payload_of"]

Payload = tuple[str, str, str]

# what a signed request changes with each attempt is no part of what it asks for
_SIGNATURES = frozenset({"signature", "sig", "hmac", "x-amz-signature", "x-amz-date"})
_BOUNDARY = re.compile(r"boundary=\"?([^\";]+)", re.I)


def payload_of(case: Case, attempt: Exchange) -> Payload:
    """Return method, path and canonical body of a request.

    JSON is compared by content, a form by its fields, parts without their boundary; signature fields
    and a key that travels in the body are left out.
    """
    key = (case.profile.idempotency_key or "").partition("body:")[2]
    return attempt.method, urlsplit(attempt.target).path, _canonical(attempt, {*_SIGNATURES, key})


def _canonical(attempt: Exchange, left_out: set[str]) -> str:
    kind = attempt.header("content-type") or ""
    try:
        found = json.loads(attempt.body)
    except ValueError:
        pass
    else:
        if isinstance(found, dict):
            found = {name: v for name, v in found.items() if name.lower() not in left_out}
        return json.dumps(found, sort_keys=True)
    if "form-urlencoded" in kind:
        pairs = parse_qsl(attempt.body, keep_blank_values=True)
        return urlencode(sorted(pair for pair in pairs if pair[0].lower() not in left_out))
    boundary = _BOUNDARY.search(kind)
    return attempt.body.replace(boundary[1], "boundary") if boundary else attempt.body


def keyed(case: Case, operation: Operation) -> list[tuple[str, Exchange]]:
    """Return the keys of an operation's whole requests, each with its request."""
    return [(key, a) for a in operation.requests
            if a.whole and a.method in ("POST", "PATCH") and (key := case.key_of(a))]
