"""What arrived at the provider, held against what the contract says was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from galeproof.contract.rules import body_of
from galeproof.contract.witness import Seen, asked

__all__ = ["arrived", "expected_request"]

_EXPRESSION = re.compile(r"\$\{(\w+)\}")


def arrived(item: Mapping[str, Any], version: int, url: str, seen: Sequence[Seen],
            values: Mapping[str, Any]) -> list[str]:
    """Say what the provider did not see as the contract has it.

    The verifier leaves out queries without value, normalises paths, follows redirects with all headers, and
    lets a custom header replace the contract's. A part that a generator makes is not compared.

    Args:
        item: The interaction.
        version: Of the specification.
        url: The provider's base URL; its path comes first.
        seen: All that arrived.
        values: What the provider's states answered.
    """
    request = item["request"]
    made = request.get("generators") or {}
    expected = expected_request(item, url, values)
    found = [asked(one) for one in seen]
    if "query" in made:
        found = [(method, path, expected[2]) for method, path, _ in found]
    if found != [expected]:
        return [f"the provider saw {found}, not this one request: {expected}"]
    reasons = [] if "header" in made or "headers" in made else _headers(request, seen[0])
    if "body" not in made:
        reasons += _body(request, version, seen[0])
    return reasons


def expected_request(item: Mapping[str, Any], url: str, values: Mapping[str, Any]
                     ) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Return what the provider must see of an interaction, in the form of `witness.asked`."""
    request = item["request"]
    query = request.get("query") or {}
    if isinstance(query, str):  # version 2
        pairs = parse_qsl(query, keep_blank_values=True)
    else:
        # an empty list and null both stand for a parameter without value, `?name`
        lists = ((name, v if isinstance(v, list) else [v]) for name, v in query.items())
        pairs = [(name, str(v or "")) for name, found in lists for v in found or [""]]
    path = request["path"]
    told = (request.get("generators") or {}).get("path") or {}
    if told.get("type") == "ProviderState":
        path = _EXPRESSION.sub(lambda name: str(values.get(name[1], name[0])), str(told.get("expression")))
    whole = urlsplit(url).path.rstrip("/") + path
    return request["method"].upper(), unquote(whole), tuple(sorted(pairs))


def _headers(request: Mapping[str, Any], seen: Seen) -> list[str]:
    reasons = []
    for name, value in (request.get("headers") or {}).items():
        came = [v for n, v in seen.headers if n.lower() == name.lower()]
        wanted = value if isinstance(value, list) else [value]
        if _parts(came) != _parts([str(v) for v in wanted]) and name.lower() != "host":
            reasons.append(f"the provider did not see header {name!r} as the contract has it")
    return reasons


def _parts(values: Sequence[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",")]


def _body(request: Mapping[str, Any], version: int, seen: Seen) -> list[str]:
    there, body = body_of(request, version)
    if not there:
        return []
    if isinstance(body, bytes):
        same = body == seen.body
    elif isinstance(body, str):
        same = seen.body in (body.encode(), json.dumps(body).encode())
    else:
        try:
            same = json.loads(seen.body) == body
        except ValueError:
            same = False
    return [] if same else ["the provider saw another body than the contract has"]
