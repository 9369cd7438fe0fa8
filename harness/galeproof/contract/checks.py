"""What a contract cannot say of answers: Retry-After, media types of problems, secrets in errors."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, urlsplit

from galeproof.contract.reading import PactFile
from galeproof.contract.secrets import has_shape, is_credential
from galeproof.contract.verify import InteractionResult

__all__ = ["CheckResult", "check_answers"]

_SECONDS = re.compile("[0-9]+")
_SHORTEST = 6  # of an echoed credential: a cookie's `1` is in every text
_BUSY = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: `passed` is None where it could not be judged, and `why` says so."""

    name: str
    passed: bool | None
    why: str = ""


def check_answers(pact: PactFile, results: Sequence[InteractionResult]) -> list[CheckResult]:
    """Check the answers that were seen: Retry-After, media types of problems, secrets in errors."""
    checks: list[CheckResult] = []
    for title, check in (("429 and 503 carry a Retry-After that parses", _waits),
                         ("problems have their media type", _problems),
                         ("no error body carries a secret", _secrets)):
        found = [(result, why) for result in results if result.seen
                 if (why := check(pact, result)) is not None]
        broken = [f"{result.description}: {why}" for result, why in found if why]
        passed = None if not found else not broken
        checks.append(CheckResult(title, passed, "; ".join(broken) if found else "no such answer was seen"))
    return checks


def _waits(pact: PactFile, result: InteractionResult) -> str | None:
    seen = result.seen[-1]
    if seen.status not in _BUSY:
        return None
    values = [v for n, v in seen.answer_headers if n.lower() == "retry-after"]
    if len(values) == 1 and _parses(values[0]):
        return ""
    return f"Retry-After is {' and '.join(map(repr, values)) or None}"


def _parses(value: str) -> bool:
    if _SECONDS.fullmatch(value):
        return True
    try:
        return value.endswith("GMT") and parsedate_to_datetime(value) is not None
    except ValueError:
        return False


def _problems(pact: PactFile, result: InteractionResult) -> str | None:
    seen = result.seen[-1]
    if seen.status < 400 or not seen.answer:
        return None
    try:
        document = json.loads(seen.answer)
    except ValueError:
        return None
    if not isinstance(document, dict) or not (
            {"title", "type"} & set(document) or isinstance(document.get("status"), int)):
        return None
    media = (seen.answer_header("Content-Type") or "").partition(";")[0].strip().lower()
    return "" if media == "application/problem+json" else f"a problem document is {media or 'untyped'}"


def _secrets(pact: PactFile, result: InteractionResult) -> str | None:
    seen = result.seen[-1]
    if seen.status < 400:
        return None
    told = [v.partition(" ")[2] or v for n, v in seen.headers if n.lower() != "cookie" and is_credential(n)]
    told += [pair.partition("=")[2].strip() for n, v in seen.headers if n.lower() == "cookie"
             for pair in v.split(";")]
    told += [v for n, v in parse_qsl(urlsplit(seen.target).query) if is_credential(n)]
    text = seen.answer.decode("utf-8", "replace")
    if any(secret in text for secret in told if len(secret) >= _SHORTEST):
        return "it echoes the request's credential"
    # no names of fields here: `{"password": "too short"}` is no leak
    return "its body looks like a secret" if has_shape(text) else ""
