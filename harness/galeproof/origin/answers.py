"""What a healthy provider says, as data: templates, and answers rendered to bytes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

from galeproof.kernel.wire import Head
from galeproof.origin.garbage import HUGE_HEAD_BYTES, bomb, spoil

__all__ = ["DEFAULT_ANSWER", "Rendered", "idempotency_key", "proof_value", "render", "respond",
           "retry_after"]

# for a subject that says nothing of its API: a payment that most readers accept
DEFAULT_ANSWER: Mapping[str, Any] = {
    "id": "{effect}", "ref": "{ref}", "reference": "{ref}", "amount": "{amount}",
    "currency": "EUR", "status": "settled", "created_at": "{now}",
}
_DAYS = {name[:3]: name for name in (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")}


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer: head and body bytes, the string that a success must contain, how the body was
    spoilt (None: it was not), and whether it goes in chunks."""

    status: int
    head: bytes
    body: bytes
    value: str | None
    spoilt: str | None = None
    chunked: bool = False


def render(template: Any, names: Mapping[str, Any]) -> Any:
    """Fill a JSON template; a placeholder that is the whole string keeps its type."""
    if isinstance(template, Mapping):
        return {key: render(value, names) for key, value in template.items()}
    if isinstance(template, list):
        return [render(value, names) for value in template]
    if not isinstance(template, str):
        return template
    for name, value in names.items():
        if template == "{" + name + "}":
            return value
        template = template.replace("{" + name + "}", str(value))
    return template


def proof_value(template: Any, names: Mapping[str, Any]) -> str | None:
    """Return the string of this very answer that a success must contain, if it has one."""
    text = json.dumps(template)
    return next((str(names[n]) for n in ("effect", "ref") if "{" + n + "}" in text
                 and names.get(n)), None)


def idempotency_key(head: Head, body: bytes, where: str) -> str | None:
    """Find a request's idempotency key: in a header, or in a field (``body:meta.request_id``) of a
    JSON or form-encoded body."""
    if where.startswith("body:"):
        return _field(body, where[5:])
    value = head.get(where.lower())
    return value.strip('"') if value else None


def _field(body: bytes, path: str) -> str | None:
    try:
        found = json.loads(body)
    except ValueError:
        form = parse_qs(body.decode("latin-1")).get(path)
        return form[0] if form else None
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return None if found is None else str(found)


def respond(
    answer: Mapping[str, Any], spec: Mapping[str, Any], names: Mapping[str, Any], *, head: Head,
    body_at_least: int, close: bool, wall_s: float, places: Mapping[str, str] = MappingProxyType({}),
) -> Rendered:
    """Render the scripted or healthy answer of one attempt.

    Args:
        answer: ``faults.steps.Answer`` as a dict (may be empty: healthy).
        spec: The operation's own answer: ``answer``, ``status``, ``headers``.
        names: Values of the placeholders.
        head: The request's (HEAD gets no body; a redirect to ``same`` goes to its target).
        body_at_least: Pad the body (JSON white space) to more bytes than this.
        close: Whether to say ``Connection: close``.
        wall_s: The wall clock, for dates.
        places: Addresses of origins by name, for redirects.
    """
    status, headers, body, value, spoilt = _content(answer, spec, names, _gzips(head))
    headers = {**headers, **(answer.get("headers") or {})}
    if body_at_least and len(body) <= body_at_least:
        body += b" " * (2 * body_at_least - len(body))
    headers |= _special(answer, wall_s + (answer.get("date_skew_s") or 0.0))
    if answer.get("location"):
        headers["Location"] = _location(answer["location"], head.first[1], places)
    if answer.get("framing") == "gzip" and _gzips(head):
        body, headers["Content-Encoding"] = gzip.compress(body, 0, mtime=0), "gzip"
    if answer.get("bloat") == "gzip_bomb":
        body, headers["Content-Encoding"] = bomb(body.decode()), "gzip"
    chunked = answer.get("framing") == "chunked" or bool(answer.get("endless"))
    if status in (204, 304):
        body = b""
    elif chunked:
        headers["Transfer-Encoding"] = "chunked"
    else:
        headers["Content-Length"] = str(len(body))
    drip = answer.get("drip") or {}
    if drip.get("part") == "headers":
        headers["X-Slow"] = "x" * int(15 / drip["every_s"])
    if answer.get("bloat") == "huge_head":
        headers |= {f"X-Huge-{n}": "x" * 20_000 for n in range(HUGE_HEAD_BYTES // 20_000)}
    if close:
        headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {status} {_phrase(status)}"] + [f"{n}: {v}" for n, v in headers.items()]
    raw = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return Rendered(status, raw, b"" if head.first[0] == "HEAD" else body, value, spoilt, chunked)


def _content(answer: Mapping[str, Any], spec: Mapping[str, Any], names: Mapping[str, Any],
             gzips: bool) -> tuple[int, dict[str, str], bytes, str | None, str | None]:
    """Status, headers and body of an answer; the value in it, and how it was spoilt."""
    status = answer.get("status") or spec.get("status") or 200
    template = spec.get("answer") or DEFAULT_ANSWER
    if answer.get("garbage"):
        bad = spoil(answer["garbage"], render(template, names), nth=answer.get("garbage_nth", 0),
                    fields=spec.get("fields") or (), gzips=gzips, healthy=spec.get("status") or 200)
        value = proof_value(template, names) if bad.readable else None
        return bad.status or status, dict(bad.headers), bad.body, value, bad.done
    headers = {"Content-Type": "application/json"}
    if answer.get("body") is not None:
        return status, headers, str(answer["body"]).encode(), None, None
    if status < 300:
        body = json.dumps(render(template, names)).encode()
        return status, headers | (spec.get("headers") or {}), body, proof_value(template, names), None
    headers["Content-Type"] = "application/problem+json"
    body = json.dumps({"type": "about:blank", "title": _phrase(status), "status": status}).encode()
    return status, headers, body, None, None


def _gzips(head: Head) -> bool:
    """Whether a request says that gzip is welcome."""
    return "gzip" in (head.get("accept-encoding") or "").lower()


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Status"


def _date(at_s: float, form: str) -> str:
    """An HTTP-date in one of the three formats of RFC 9110, 5.6.7; English whatever the locale."""
    day, date, month, year, clock, _ = formatdate(at_s, usegmt=True).split(" ")
    day = day.rstrip(",")
    if form == "rfc850":
        return f"{_DAYS[day]}, {date}-{month}-{year[2:]} {clock} GMT"
    if form == "asctime":
        return f"{day} {month} {int(date):2d} {clock} {year}"
    return f"{day}, {date} {month} {year} {clock} GMT"


def retry_after(answer: Mapping[str, Any], wall_s: float) -> str | None:
    """Return the Retry-After that a step asks for: seconds, a date, or None."""
    if answer.get("retry_after_date_s") is not None:
        return _date(wall_s + answer["retry_after_date_s"], str(answer.get("retry_after_form")))
    seconds = answer.get("retry_after_s")
    return None if seconds is None else str(int(seconds))


def _special(answer: Mapping[str, Any], wall_s: float) -> dict[str, str]:
    headers = {"Date": formatdate(wall_s, usegmt=True)}
    if (wait := retry_after(answer, wall_s)) is not None:
        headers["Retry-After"] = wait
    return headers


def _location(said: str, target: str, places: Mapping[str, str]) -> str:
    """Where a redirect leads: to the same target here or at another origin, or to a path here."""
    if said == "same":
        return target
    return places[said] + target if said in places else said
