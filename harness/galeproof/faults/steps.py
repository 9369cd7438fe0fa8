"""Steps as data: what happens to one attempt, and the schedule that says it for all of them.

May import the standard library and ``errors`` only: the world's child process reads this too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from galeproof.errors import ScenarioError

__all__ = [
    "BLOATS",
    "CLEAN",
    "CUT_AT",
    "CUT_KINDS",
    "DATE_FORMS",
    "DRIP_PARTS",
    "FRAMINGS",
    "GARBAGE",
    "MALFORMED",
    "MAX_CUT_BYTES",
    "PLACES",
    "Answer",
    "Cut",
    "Drip",
    "Schedule",
    "Step",
    "VALUES",
    "parse_cut",
    "parse_step_words",
    "schedule_from_dict",
    "step_for",
    "word_of",
]

CLEAN = "clean"
CUT_KINDS = ("rst", "fin", "hang", "refuse", "blackhole", "stale", "tls stall", "tls drip")
CUT_AT = ("accept", "request", "effect", "headers", "body", "request_body", "answer")
DRIP_PARTS = ("body", "headers", "interim")
DATE_FORMS = ("imf", "rfc850", "asctime")
# no JSON, or none that one may trust
MALFORMED = ("html", "truncated_json", "empty", "nan", "charset", "duplicate_keys", "wrong_type",
             "no_content", "gzip_cut")
# JSON with a value that is not what was promised; the last one adds a field
VALUES = ("missing_field", "null_field", "number_as_string", "wrong_value", "infinite_number",
          "unknown_field")
GARBAGE = (*MALFORMED, *VALUES)
FRAMINGS = ("length", "chunked", "gzip")
BLOATS = ("gzip_bomb", "huge_head")
MAX_CUT_BYTES = 16_777_216

PLACES = ("other", "other_host", "first", "plain")
_RESTING = "fin after answer"  # the answer is whole; the connection that it leaves is closed unsaid
_ALONE = ("refuse", "blackhole", "stale", "tls stall", "tls drip")
_CUT_WORDS = re.compile(
    r"(?P<kind>rst|fin|hang) after "
    r"(?:(?P<at>accept|request|effect|headers)|(?P<n>[0-9]{1,9}) (?P<up>request )?bytes?)"
)
_STATUS_WORDS = re.compile(r"(?P<status>[0-9]{3})(?P<effect> with effect)?")
_CUT_HINT = (
    "allowed: rst|fin|hang after accept|request|effect|headers|N bytes|N request bytes, "
    "fin after answer, refuse, blackhole, stale, tls stall, tls drip"
)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where and how an exchange is broken.

    Attributes:
        kind: One of CUT_KINDS.
        at: One of CUT_AT: the phase after which it happens; None for ``refuse``, ``blackhole``
            and ``stale``.
        bytes: Bytes of the answer's body (``at`` is ``body``) or of the request's body
            (``request_body``) that pass first; else None.
    """

    kind: str
    at: str | None = None
    bytes: int | None = None

    @property
    def level(self) -> str:
        """``connection`` where it happens before any byte of a request, else ``exchange``."""
        return "connection" if self.kind in _ALONE or self.at == "accept" else "exchange"

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"kind": self.kind, "at": self.at, "bytes": self.bytes}


@dataclass(frozen=True, slots=True)
class Drip:
    """A part of the answer sent byte by byte (``interim``: one 1xx each), ``every_s`` seconds."""

    part: str
    every_s: float

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"part": self.part, "every_s": self.every_s}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the origin says.

    Attributes:
        status: The HTTP status, or None for the healthy answer of the operation ("ok").
        headers: Further headers, by name.
        effect: Whether the effect is applied; None leaves it to the status (2xx: yes).
        retry_after_s: Retry-After as whole seconds.
        retry_after_date_s: Retry-After as an HTTP-date so many seconds ahead of the write.
        retry_after_form: One of DATE_FORMS, or ``each``: one for each operation in turn.
        drip: Slow sending, or None.
        delay_s: Seconds between the whole request and the first byte of the answer.
        body: Literal body, or None for the usual one.
        garbage: One of GARBAGE in place of the usual body, or None.
        garbages: One kind of garbage for each operation in turn, in place of ``garbage``.
        framing: One of FRAMINGS (``gzip`` only for who accepts it), or ``each``: one for each
            operation in turn.
        bloat: One of BLOATS: far more than anybody wants to read.
        location: ``same`` (the URL asked for), a path, or one of PLACES: ``other`` (the second
            origin: another port), ``other_host`` (the same by another name), ``first`` (back),
            ``plain`` (from https to http).
        locations: One for each operation in turn, in place of ``location``.
        close: Whether the answer says ``Connection: close``.
        statuses: One status for each operation in turn, in place of ``status``.
        endless: A body without end, as fast as it is taken.
        date_skew_s: How far Date (and a Retry-After date) are off, in s.
        headers_each: Further headers, one of the values for each operation in turn.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    effect: bool | None = None
    retry_after_s: float | None = None
    retry_after_date_s: float | None = None
    retry_after_form: str = "imf"
    drip: Drip | None = None
    delay_s: float = 0.0
    body: str | None = None
    garbage: str | None = None
    garbages: tuple[str, ...] = ()
    framing: str = "length"
    bloat: str | None = None
    location: str | None = None
    locations: tuple[str, ...] = ()
    close: bool = False
    statuses: tuple[int, ...] = ()
    endless: bool = False
    date_skew_s: float = 0.0
    headers_each: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            "headers": dict(self.headers),
            "headers_each": {name: list(values) for name, values in self.headers_each.items()},
            "statuses": list(self.statuses),
            "garbages": list(self.garbages),
            "locations": list(self.locations),
            "drip": self.drip.as_dict() if self.drip else None,
        }


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to the attempts ``first`` to ``last`` of each operation.

    Attributes:
        first: The first attempt, counted from 1.
        last: The last attempt, or None: it holds for all later ones.
        lane: ``clean`` or a name of ``Schedule.lanes``.
        answer: What the origin says, as far as the cut lets it.
        cut: How the exchange is broken, or None.
        word: The label in the words of ``docs/history.md``.
        chance: The probability that the step happens to an attempt; drawn from the seed.
        operations: The first and last operation that it happens to, in their order from 1 (last None:
            all later ones); None: to all.
        from_s, to_s: When it begins and ends, in s since the run's first request; None: not bounded.
        origin: Where it happens: ``first``, ``other``, or None: everywhere.
    """

    first: int
    last: int | None
    lane: str
    answer: Answer
    cut: Cut | None
    word: str
    chance: float = 1.0
    operations: tuple[int, int | None] | None = None
    from_s: float | None = None
    to_s: float | None = None
    origin: str | None = None

    @property
    def level(self) -> str:
        """``connection`` or ``exchange``."""
        return self.cut.level if self.cut else "exchange"

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "first": self.first,
            "last": self.last,
            "lane": self.lane,
            "answer": self.answer.as_dict(),
            "cut": self.cut.as_dict() if self.cut else None,
            "word": self.word,
            "chance": self.chance,
            "operations": list(self.operations) if self.operations else None,
            "from_s": self.from_s,
            "to_s": self.to_s,
            "origin": self.origin,
        }


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a run, and its lanes: by name, the toxics in Toxiproxy's own JSON form."""

    steps: tuple[Step, ...] = ()
    lanes: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; ``schedule_from_dict`` reads it back."""
        return {
            "steps": [step.as_dict() for step in self.steps],
            "lanes": {
                name: [{**toxic, "attributes": dict(toxic["attributes"])} for toxic in toxics]
                for name, toxics in self.lanes.items()
            },
        }


def schedule_from_dict(data: Mapping[str, Any]) -> Schedule:
    """Rebuild a schedule from its own JSON form (trusted: written by ``as_dict``)."""
    return Schedule(
        tuple(_step_from(step) for step in data["steps"]),
        {name: tuple(toxics) for name, toxics in data["lanes"].items()},
    )


def _step_from(data: Mapping[str, Any]) -> Step:
    answer = dict(data["answer"])
    drip = Drip(**answer.pop("drip")) if answer["drip"] else answer.pop("drip")
    for name in ("statuses", "garbages", "locations"):
        answer[name] = tuple(answer[name])
    answer["headers_each"] = {n: tuple(v) for n, v in answer["headers_each"].items()}
    cut = Cut(**data["cut"]) if data["cut"] else None
    only = tuple(data["operations"]) if data["operations"] else None
    return Step(**{**data, "answer": Answer(**answer, drip=drip), "cut": cut, "operations": only})


def step_for(schedule: Schedule, attempt: int) -> tuple[int, Step] | None:
    """Return the step of an attempt, and its index.

    Args:
        schedule: Steps that do not overlap.
        attempt: Counted from 1.

    Returns:
        ``(index, step)``; None where no step names the attempt: a healthy answer, clean lane.
    """
    for index, step in enumerate(schedule.steps):
        if step.first <= attempt and (step.last is None or attempt <= step.last):
            return index, step
    return None


def parse_cut(text: str) -> Cut:
    """Parse a cut, for instance ``rst after effect`` or ``fin after 500 bytes``.

    Raises:
        ScenarioError: It is none; the message names the allowed forms.
    """
    words = " ".join(text.split())
    if words in _ALONE:
        return Cut(words)
    if words == _RESTING:
        return Cut("fin", "answer")
    found = _CUT_WORDS.fullmatch(words)
    if not found:
        raise ScenarioError(f"{words[:60]!r} is no cut; {_CUT_HINT}")
    if found["at"]:
        return Cut(found["kind"], found["at"])
    count = int(found["n"])
    if not 1 <= count <= MAX_CUT_BYTES:
        raise ScenarioError(f"{words!r}: allowed: 1 to {MAX_CUT_BYTES} bytes")
    return Cut(found["kind"], "request_body" if found["up"] else "body", count)


def word_of(answer: Answer, cut: Cut | None) -> str:
    """Return the label of a step: its cut where it has one, else its answer."""
    if cut and cut.bytes is not None:
        unit = "request bytes" if cut.at == "request_body" else "bytes"
        return f"{cut.kind} after {cut.bytes} {unit}"
    if cut:
        return f"{cut.kind} after {cut.at}" if cut.at else cut.kind
    if answer.endless:
        return "endless body"
    if answer.bloat:
        return answer.bloat.replace("_", " ")
    if answer.garbages:
        return "garbage"
    if answer.garbage:
        return f"garbage {answer.garbage}"
    if answer.drip:
        return f"drip {answer.drip.part}"
    # "with effect" is told only where it surprises: a success has its effect anyway
    surprise = answer.effect and answer.status is not None and answer.status >= 300
    return ("ok" if answer.status is None else str(answer.status)) + " with effect" * bool(surprise)


def parse_step_words(*words: str | int) -> Schedule:
    """Make a schedule of one word an attempt; the last one holds for all later attempts.

    Args:
        words: Cuts (``"rst after effect"``), statuses (``503``, ``"504 with effect"``) or ``"ok"``.

    Raises:
        ScenarioError: No word, or one that is none of these.
    """
    if not words:
        raise ScenarioError('steps: none given; for instance steps("rst after effect", 503, "ok")')
    steps = [_parse_word(word, number) for number, word in enumerate(words, 1)]
    steps[-1] = replace(steps[-1], last=None)
    return Schedule(tuple(steps))


def _parse_word(word: str | int, number: int) -> Step:
    text = " ".join(str(word).split())
    answer, cut = Answer(), None
    found = _STATUS_WORDS.fullmatch(text)
    if found and 200 <= int(found["status"]) <= 599:
        answer = Answer(status=int(found["status"]), effect=True if found["effect"] else None)
    elif text != "ok":
        try:
            cut = parse_cut(text)
        except ScenarioError as error:
            raise ScenarioError(
                f'steps, word {number}: {error}; or a status 200-599, "504 with effect", "ok"'
            ) from None
    # a word that the world would not carry out must not look like a storm (as in scenario.model)
    silent = cut and cut.kind == "hang" and cut.at in ("accept", "request_body", "body")
    if silent:
        raise ScenarioError(f"steps, word {number}: {text} is not built yet")
    return Step(number, number, CLEAN, answer, cut, word_of(answer, cut))
