"""Deprecation and Sunset: what the provider says about the future of a route."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from galeproof.client.retry_after import parse_http_date

__all__ = ["Notice", "Notices", "read_notice"]

_LOG = logging.getLogger("galeproof.client")
_STRUCTURED = re.compile(r"@(-?[0-9]{1,12})")
_LINK = re.compile(r"""<([\x21-\x7e]{1,500})>[^,]*\brel="?(?:deprecation|sunset)\b""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is known about the end of a route.

    Args:
        route: method and path template.
        deprecated_at: since when it is deprecated (UTC), or None when that is not said.
        sunset_at: when it may stop to answer (UTC), or None.
        link: where it is explained, or None.
    """

    route: str
    deprecated_at: datetime | None
    sunset_at: datetime | None
    link: str | None


def read_notice(route: str, headers: Mapping[str, str], *, wall_s: float) -> Notice | None:
    """Read the headers Deprecation (RFC 9745) and Sunset (RFC 8594), never failing.

    Args:
        route: method and path template.
        headers: of an answer, names in lower case.
        wall_s: now, in seconds since the Unix epoch.

    Returns:
        The notice, or None when neither header is there.
    """
    deprecation, sunset = headers.get("deprecation"), headers.get("sunset")
    if deprecation is None and sunset is None:
        return None
    if deprecation is not None and deprecation.strip().lower() in ("false", "?0"):
        deprecation = None
        if sunset is None:
            return None
    link = _LINK.search(headers.get("link", ""))
    return Notice(
        route, _instant(deprecation, wall_s), _instant(sunset, wall_s), link[1] if link else None
    )


class Notices:
    """Reports each notice once, and again when it changes.

    Args:
        report: called with every new notice, beside the log; or None. What it raises is logged
            by its kind: no operation fails for it.
        redact: applied to what the provider wrote.
    """

    def __init__(
        self, report: Callable[[Notice], None] | None = None, redact: Callable[[str], str] = str
    ) -> None:
        self._report, self._redact = report, redact
        self._seen: dict[str, Notice] = {}

    @property
    def seen(self) -> tuple[Notice, ...]:
        """The latest notice of every route that has one."""
        return tuple(self._seen.values())

    def read(self, route: str, headers: Mapping[str, str], *, wall_s: float) -> None:
        """Look at one answer."""
        notice = read_notice(route, headers, wall_s=wall_s)
        if notice is None:
            return
        if notice.link is not None:
            notice = replace(notice, link=self._redact(notice.link))
        if self._seen.get(route) == notice:
            return
        self._seen[route] = notice
        _LOG.warning(
            "deprecated route=%s deprecated_at=%s sunset_at=%s link=%s",
            notice.route, _shown(notice.deprecated_at), _shown(notice.sunset_at), notice.link or "-",
        )  # fmt: skip
        if self._report is None:
            return
        try:
            self._report(notice)
        except Exception as error:
            _LOG.error("on_notice raised %s", type(error).__name__)


def _instant(value: str | None, wall_s: float) -> datetime | None:
    """Read `@epoch`, or the HTTP-date of older providers; None for anything else."""
    if value is None:
        return None
    match = _STRUCTURED.fullmatch(value.strip())
    try:
        if match:
            return datetime.fromtimestamp(int(match[1]), UTC)
        seconds = parse_http_date(value, wall_s=wall_s)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _shown(instant: datetime | None) -> str:
    return "-" if instant is None else instant.isoformat()
