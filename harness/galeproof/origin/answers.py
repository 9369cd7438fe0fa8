"""What a healthy provider says, as data: templates, and answers rendered to bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from galeproof.kernel.wire import Head

__all__ = ["DEFAULT_ANSWER", "Rendered", "idempotency_key", "proof_value", "render", "respond",
           "retry_after"]

# for a subject that says nothing of its API: a payment that most readers accept
DEFAULT_ANSWER: Mapping[str, Any] = {
    "id": "{effect}", "ref": "{ref}", "reference": "{ref}", "amount": "{amount}",
    "currency": "EUR", "status": "settled", "created_at": "{now}",
}
_DAYS = {name[:3]: name for name in (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")}
_GARBAGE = {
    "html": ("text/html", b"<html><body>Bad gateway</body></html>"),
    "truncated_json": ("application/json", b'{"id": "x", "amou'),
    "empty": ("application/json", b""),
    "nan": ("application/json", b'{"id": NaN}'),
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer: head and body bytes, and the string that a success must contain."""

    status: int
    head: bytes
    body: bytes
    value: str | None


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
    answer: Mapping[str, Any], spec: Mapping[str, Any], names: Mapping[str, Any], *, target: str,
    body_at_least: int, close: bool, wall_s: float, method: str,
) -> Rendered:
    """Render the scripted or healthy answer of one attempt.

    Args:
        answer: ``faults.steps.Answer`` as a dict (may be empty: healthy).
        spec: The operation's own answer: ``answer``, ``status``, ``headers``.
        names: Values of the placeholders.
        target: The request's target (a redirect to ``same`` goes there).
        body_at_least: Pad the body (JSON white space) to more bytes than this.
        close: Whether to say ``Connection: close``.
        wall_s: The wall clock, for dates.
        method: HEAD gets no body.
    """
    status = answer.get("status") or spec.get("status") or 200
    headers = {"Content-Type": "application/json", **(answer.get("headers") or {})}
    value = None
    if answer.get("garbage"):
        headers["Content-Type"], body = _GARBAGE[answer["garbage"]]
    elif answer.get("body") is not None:
        body = str(answer["body"]).encode()
    elif status < 300:
        template = spec.get("answer") or DEFAULT_ANSWER
        headers |= spec.get("headers") or {}
        value = proof_value(template, names)
        body = json.dumps(render(template, names)).encode()
    else:
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "?"
        headers["Content-Type"] = "application/problem+json"
        body = json.dumps({"type": "about:blank", "title": phrase, "status": status}).encode()
    if body_at_least and len(body) <= body_at_least:
        body += b" " * (2 * body_at_least - len(body))
    headers |= _special(answer, target, wall_s + (answer.get("date_skew_s") or 0.0))
    if status in (204, 304):
        body = b""
    elif answer.get("endless"):
        headers["Transfer-Encoding"] = "chunked"
    else:
        headers["Content-Length"] = str(len(body))
    drip = answer.get("drip") or {}
    if drip.get("part") == "headers":
        headers["X-Slow"] = "x" * int(15 / drip["every_s"])
    if close:
        headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {status} {_phrase(status)}"] + [f"{n}: {v}" for n, v in headers.items()]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return Rendered(status, head, b"" if method == "HEAD" else body, value)


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


def _special(answer: Mapping[str, Any], target: str, wall_s: float) -> dict[str, str]:
    headers = {"Date": formatdate(wall_s, usegmt=True)}
    if (wait := retry_after(answer, wall_s)) is not None:
        headers["Retry-After"] = wait
    if answer.get("location"):
        headers["Location"] = target if answer["location"] == "same" else answer["location"]
    return headers
