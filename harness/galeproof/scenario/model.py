"""A scenario as its file says it: validated, quantities not yet resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from galeproof.errors import ScenarioError
from galeproof.faults.steps import GARBAGE, PLACES, Cut, parse_cut
from galeproof.scenario.lane import ToxicSpec, parse_lane
from galeproof.scenario.quantity import Quantity, parse_quantity, resolve
from galeproof.scenario.source import LocatedError

__all__ = ["AnswerSpec", "DripSpec", "Expect", "OperationGroup", "RetryAfter", "Scenario",
           "StepSpec", "TokensSpec"]

_CONFIG = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
_RANGE = re.compile(r"(\d{1,5})(-)?(\d{1,5})?")
_MOST = 10_000
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_OURS = frozenset({"content-length", "transfer-encoding", "connection"})

QuantityField = Annotated[Quantity, BeforeValidator(
    lambda raw: raw if isinstance(raw, Quantity) else parse_quantity(raw))]


class OperationGroup(BaseModel):
    """So many operations of a kind, so many at once."""

    model_config = _CONFIG
    kind: Literal["read", "write"]
    count: int = Field(ge=1, le=10_000, strict=True)
    concurrent: int = Field(default=1, ge=1, le=200, strict=True)
    stagger_s: float = Field(default=0.0, ge=0, le=60)
    name: str | None = None
    takes: Literal["body", "key"] | None = None
    origin: Literal["other"] | None = None
    cancel_after_s: QuantityField | None = None
    again: bool | Literal["same"] = False
    beside: bool = False
    rotate: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,40}$")
    after_s: QuantityField | None = None


class TokensSpec(BaseModel):
    """What becomes of tokens at the storm's beginning: those of the control are ``expired``, also
    every fresh one is ``refused``, the token endpoint answers ``status``, after ``delay_s``."""

    model_config = _CONFIG
    expired: bool = True
    refused: bool = False
    status: Literal[400, 401, 403, 500, 503] | None = None
    delay_s: float = Field(default=0.0, ge=0, le=10)
    rotate: bool = True


class DripSpec(BaseModel):
    """A part of the answer, byte by byte; ``each``: one part for each operation in turn."""

    model_config = _CONFIG
    part: Literal["body", "headers", "interim", "each"]
    every_s: QuantityField


class AnswerSpec(BaseModel):
    """What the origin says, as written."""

    model_config = _CONFIG
    status: int | None = Field(default=None, ge=200, le=599)
    headers: Mapping[str, str] = Field(default_factory=dict)
    headers_each: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    effect: bool | None = None
    drip: DripSpec | None = None
    delay_s: QuantityField | None = None
    body: str | None = None
    garbage: str | tuple[str, ...] | None = None
    framing: Literal["length", "chunked", "gzip", "each"] = "length"
    bloat: Literal["gzip_bomb", "huge_head"] | None = None
    location: str | tuple[str, ...] | None = None
    close: bool = False
    statuses: tuple[int, ...] = ()
    endless: bool = False
    date_skew_s: float = Field(default=0.0, ge=-86_400, le=86_400)

    @field_validator("statuses")
    @classmethod
    def _statuses(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for status in value:
            if not 200 <= status <= 599:
                raise ValueError(f"{status}; allowed: 200 to 599")
        return value

    @field_validator("garbage")
    @classmethod
    def _garbage(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for kind in (value,) if isinstance(value, str) else value or ():
            if kind not in GARBAGE:
                raise ValueError(f"{kind!r}; allowed: {', '.join(GARBAGE)}")
        return value

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in value.items():
            if not _TOKEN.fullmatch(name) or not all(" " <= c <= "~" for c in text):
                raise ValueError(f"{name[:40]!r}: a header is a token and printable ASCII")
            if name.lower() in _OURS:
                raise ValueError(f"{name!r} is the origin's own: it frames the answer")
        return value

    @field_validator("headers_each")
    @classmethod
    def _headers_each(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for name, texts in value.items():
            if not _TOKEN.fullmatch(name) or name.lower() in _OURS or not texts:
                raise ValueError(f"{name[:40]!r}: a header that is not the origin's own, with its values")
            if not all(" " <= c <= "\xff" and c != "\x7f" for text in texts for c in text):
                raise ValueError(f"{name[:40]!r}: a header's values are printable Latin-1")
        return value

    @field_validator("location")
    @classmethod
    def _location(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for place in (value,) if isinstance(value, str) else value or ():
            if place not in ("same", *PLACES) and not re.fullmatch(r"/[!-~]*", place):
                raise ValueError(f"{place[:40]!r}; allowed: same, {', '.join(PLACES)}, or a path that "
                                 "begins with /")
            if place.startswith("//"):
                raise ValueError("a path must stay on this origin")
        return value

    @model_validator(mode="after")
    def _agrees(self) -> AnswerSpec:
        if self.statuses and self.status is not None:
            raise LocatedError(("statuses",), "give status or statuses, not both")
        if self.garbage is not None and self.body is not None:
            raise LocatedError(("body",), "give body or garbage, not both")
        if self.bloat is not None and (self.garbage or self.body is not None or self.endless):
            raise LocatedError(("bloat",), "give one of bloat, garbage, body and endless")
        said = self.statuses or (self.status or 200,)
        if self.location is not None and not all(300 <= status < 400 for status in said):
            raise LocatedError(("location",), "a location needs a status from 300 to 399")
        return self


class RetryAfter(BaseModel):
    """Retry-After in seconds, or as a date so many seconds ahead, in one of the three formats of
    RFC 9110 (``each``: one for each operation in turn)."""

    model_config = _CONFIG
    seconds: QuantityField | None = None
    date_in_s: QuantityField | None = None
    date_form: Literal["imf", "rfc850", "asctime", "each"] = "imf"

    @model_validator(mode="before")
    @classmethod
    def _forms(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return {"seconds": raw}
        given = dict(raw)
        otherwise = given.pop("otherwise", None)
        for key in ("seconds", "date_in_s"):
            if key in given and otherwise is not None and not isinstance(given[key], Mapping):
                given[key] = {"value": given[key], "otherwise": otherwise}
        return given

    @model_validator(mode="after")
    def _one(self) -> RetryAfter:
        if (self.seconds is None) == (self.date_in_s is None):
            raise ValueError("give seconds or date_in_s (with an otherwise, if you like)")
        if self.date_form != "imf" and self.date_in_s is None:
            raise LocatedError(("date_form",), "goes with date_in_s only")
        return self


class StepSpec(BaseModel):
    """What happens to some attempts, as written."""

    model_config = _CONFIG
    attempts: tuple[int, int | None]
    answer: AnswerSpec = Field(default_factory=AnswerSpec)
    cut: Cut | None = None
    lane: tuple[ToxicSpec, ...] = ()
    retry_after: RetryAfter | None = None
    chance: float = Field(default=1.0, gt=0, le=1)
    operations: tuple[int, int | None] | None = None
    from_s: float | None = Field(default=None, ge=0, le=3600)
    to_s: float | None = Field(default=None, gt=0, le=3600)
    origin: Literal["first", "other"] | None = None

    @property
    def partial(self) -> bool:
        """Whether it spares some of its attempts, which a later step may then name."""
        return (self.chance < 1 or self.operations is not None or self.from_s is not None
                or self.to_s is not None or self.origin is not None)

    @field_validator("attempts", "operations", mode="before")
    @classmethod
    def _attempts(cls, raw: Any) -> tuple[int, int | None] | None:
        if raw is None:
            return None
        text = str(raw).strip()
        found = _RANGE.fullmatch(text)
        if not found or isinstance(raw, bool | float):
            raise ValueError(f"{text[:40]!r}; allowed: 1, 1-2, 3- (counted from 1)")
        first = int(found[1])
        last = int(found[3]) if found[3] else None if found[2] else first
        if not 1 <= first <= _MOST or (last is not None and last < first):
            raise ValueError(f"{text!r} is an impossible range; allowed: 1, 1-2, 3- "
                             "(counted from 1, rising)")
        return first, last

    @field_validator("answer", mode="before")
    @classmethod
    def _answer(cls, raw: Any) -> Any:
        if raw == "ok":
            return {}
        if isinstance(raw, int) and not isinstance(raw, bool):
            return {"status": raw}
        if not isinstance(raw, Mapping | AnswerSpec):
            raise ValueError(f"{str(raw)[:40]!r}; allowed: ok, a status, or a mapping")
        return raw

    @field_validator("cut", mode="before")
    @classmethod
    def _cut(cls, raw: Any) -> Cut | None:
        if raw is None or isinstance(raw, Cut):
            return raw
        try:
            cut = parse_cut(str(raw))
        except ScenarioError as error:
            raise ValueError(str(error)) from None
        if cut.kind == "hang" and cut.at in ("accept", "request_body", "body"):
            raise ValueError(f"'{raw}' is not built yet")
        return cut

    @field_validator("lane", mode="before")
    @classmethod
    def _lane(cls, raw: Any) -> tuple[ToxicSpec, ...]:
        return raw if isinstance(raw, tuple) else parse_lane(raw)


    @model_validator(mode="after")
    def _agrees(self) -> StepSpec:
        status = self.answer.status
        if self.retry_after is not None and (status is None or status < 300):
            raise LocatedError(("retry_after",), "needs an answer with a status from 300 to 599")
        if self.retry_after is not None and self.retry_after.seconds is not None:
            seconds = self.retry_after.seconds
            if seconds.constant and resolve(seconds, {}) % 1:
                raise LocatedError(("retry_after",), f"{seconds.text}: whole seconds only")
        if self.from_s is not None and self.to_s is not None and self.to_s <= self.from_s:
            raise LocatedError(("to_s",), f"{self.to_s:g}: must come after from_s ({self.from_s:g})")
        if self.cut is None:
            return self
        if self.cut.level == "connection" and self.lane:
            raise LocatedError(("lane",), "a connection step ends before any byte reaches a lane")
        unsaid = self.cut.level == "connection" or self.cut.at in ("request", "request_body")
        if unsaid and self.answer != AnswerSpec():
            raise LocatedError(("answer",), "this cut comes before any answer: leave one of them out")
        if self.cut.at == "effect" and self.answer.effect is False:
            raise LocatedError(("answer", "effect"), "the cut comes after the effect")
        return self


class Expect(BaseModel):
    """What the run must show."""

    model_config = _CONFIG
    outcome: Literal["success", "failure", "any"] = "any"
    exercised: tuple[str, ...] = ()


class Scenario(BaseModel):
    """One storm. ``source`` is the file's text."""

    model_config = _CONFIG
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    why: str = Field(min_length=1)
    operations: tuple[OperationGroup, ...] = Field(min_length=1)
    steps: tuple[StepSpec, ...] = ()
    expect: Expect = Field(default_factory=Expect)
    observe_s: float | None = Field(default=None, gt=0, le=600)
    linger_s: QuantityField | None = None
    timezone: str | None = Field(default=None, pattern=r"^[A-Za-z0-9/_+:-]{1,40}$")
    starts: int = Field(default=1, ge=1, le=4, strict=True)
    together: bool = False
    effort: Literal["quick", "nightly"] = "quick"
    quiet: bool = False
    tls: bool = False
    tokens: TokensSpec | None = None
    source: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _fits(self) -> Scenario:
        for index, step in enumerate(self.steps):
            first, last = step.attempts
            for earlier, other in enumerate(self.steps[:index]):
                if other.partial:
                    continue  # what it spares, the later step holds
                begin, end = other.attempts
                if (end is None or first <= end) and (last is None or begin <= last):
                    raise LocatedError(("steps", index, "attempts"),
                                       f"attempt {max(first, begin)} has a step already "
                                       f"(steps[{earlier}])")
            if step.cut is not None and step.cut.level == "connection":
                self._alone(index)
            self._needs_tls(index, step)
        self._again()
        if self.together and self.starts < 2:
            raise LocatedError(("together",), "needs starts: 2 or more")
        if self.operations[0].beside:
            raise LocatedError(("operations", 0, "beside"), "there is no group before it")
        return self

    def _needs_tls(self, index: int, step: StepSpec) -> None:
        """A handshake that stalls, and a way down to http, need TLS to begin with."""
        if self.tls:
            return
        if step.cut is not None and step.cut.kind.startswith("tls "):
            raise LocatedError(("steps", index, "cut"), "needs tls: true")
        said = step.answer.location
        if "plain" in ((said,) if isinstance(said, str) else said or ()):
            raise LocatedError(("steps", index, "answer", "location"), "plain needs tls: true")

    def _again(self) -> None:
        """A group that calls again needs one before it, of its kind, with as many operations."""
        for number, group in enumerate(self.operations):
            before = self.operations[number - 1] if number else None
            if group.again and (before is None or before.kind != group.kind
                                or before.name != group.name or before.takes != group.takes
                                or before.count < group.count):
                raise LocatedError(
                    ("operations", number, "again"),
                    "calls the operations of the group before it again: there must be one, of the "
                    "same kind, with at least as many")
            if group.rotate and self.starts > 1:
                raise LocatedError(("operations", number, "rotate"), "needs starts: 1")
            if group.again and self.starts > 1:
                raise LocatedError(("operations", number, "again"), "needs starts: 1")

    @property
    def alone(self) -> bool:
        """Whether nothing else may run meanwhile: asked for (``quiet``), a refusal (seen in a counter
        of the whole machine), or a body that takes a whole core."""
        return self.quiet or any(
            step.answer.endless or step.answer.bloat or (step.cut is not None and step.cut.kind == "refuse")
            for step in self.steps)

    def _alone(self, index: int) -> None:
        for number, group in enumerate(self.operations):
            if group.concurrent > 1:
                raise LocatedError(
                    ("steps", index, "cut"),
                    "a connection step happens before any byte, when the operation is not known: "
                    f"operations[{number}] must have concurrent: 1")
