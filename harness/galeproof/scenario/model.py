"""A scenario as its file says it: validated, quantities not yet resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from galeproof.errors import ScenarioError
from galeproof.faults.steps import GARBAGE, Cut, parse_cut
from galeproof.scenario.lane import ToxicSpec, parse_lane
from galeproof.scenario.quantity import Quantity, parse_quantity
from galeproof.scenario.source import LocatedError

__all__ = ["AnswerSpec", "DripSpec", "Expect", "OperationGroup", "RetryAfter", "Scenario",
           "StepSpec"]

_CONFIG = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
_RANGE = re.compile(r"(\d{1,4})(-)?(\d{1,4})?")
_MOST_ATTEMPTS = 1000

QuantityField = Annotated[Quantity, BeforeValidator(
    lambda raw: raw if isinstance(raw, Quantity) else parse_quantity(raw))]


class OperationGroup(BaseModel):
    """So many operations of a kind, so many at once."""

    model_config = _CONFIG
    kind: Literal["read", "write"]
    count: int = Field(ge=1, le=10_000)
    concurrent: int = Field(default=1, ge=1, le=200)
    stagger_s: float = Field(default=0.0, ge=0, le=60)
    name: str | None = None


class DripSpec(BaseModel):
    """A part of the answer, byte by byte."""

    model_config = _CONFIG
    part: Literal["body", "headers", "interim"]
    every_s: QuantityField


class AnswerSpec(BaseModel):
    """What the origin says, as written."""

    model_config = _CONFIG
    status: int | None = Field(default=None, ge=200, le=599)
    headers: Mapping[str, str] = Field(default_factory=dict)
    effect: bool | None = None
    drip: DripSpec | None = None
    delay_s: QuantityField | None = None
    body: str | None = None
    garbage: str | None = None
    location: str | None = None
    close: bool = False

    @field_validator("garbage")
    @classmethod
    def _garbage(cls, value: str | None) -> str | None:
        if value is not None and value not in GARBAGE:
            raise ValueError(f"{value!r}; allowed: {', '.join(GARBAGE)}")
        return value


class RetryAfter(BaseModel):
    """Retry-After in seconds, or as a date so many seconds ahead."""

    model_config = _CONFIG
    seconds: QuantityField | None = None
    date_in_s: QuantityField | None = None

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
        return self


class StepSpec(BaseModel):
    """What happens to some attempts, as written."""

    model_config = _CONFIG
    attempts: tuple[int, int | None]
    answer: AnswerSpec = Field(default_factory=AnswerSpec)
    cut: Cut | None = None
    lane: tuple[ToxicSpec, ...] = ()
    retry_after: RetryAfter | None = None

    @field_validator("attempts", mode="before")
    @classmethod
    def _attempts(cls, raw: Any) -> tuple[int, int | None]:
        text = str(raw).strip()
        found = _RANGE.fullmatch(text)
        if not found or isinstance(raw, bool | float):
            raise ValueError(f"{text[:40]!r}; allowed: 1, 1-2, 3- (counted from 1)")
        first = int(found[1])
        last = int(found[3]) if found[3] else None if found[2] else first
        if not 1 <= first <= _MOST_ATTEMPTS or (last is not None and last < first):
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
        if cut.kind == "blackhole":
            raise ValueError("blackhole is not built yet")
        if cut.kind == "hang" and cut.at in ("accept", "request_body", "body"):
            raise ValueError(f"'{raw}' is not built yet")
        return cut

    @field_validator("lane", mode="before")
    @classmethod
    def _lane(cls, raw: Any) -> tuple[ToxicSpec, ...]:
        return raw if isinstance(raw, tuple) else parse_lane(raw)


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
    source: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _fits(self) -> Scenario:
        taken: dict[int, int] = {}
        for index, step in enumerate(self.steps):
            first, last = step.attempts
            for attempt in range(first, (last or first) + 1):
                if attempt in taken:
                    raise LocatedError(("steps", index, "attempts"),
                                       f"attempt {attempt} has a step already "
                                       f"(steps[{taken[attempt]}])")
                taken[attempt] = index
            open_ended = [i for i, s in enumerate(self.steps[:index]) if s.attempts[1] is None]
            if open_ended:
                raise LocatedError(("steps", index, "attempts"),
                                   f"steps[{open_ended[0]}] covers all later attempts already")
            if step.cut is not None and step.cut.level == "connection":
                self._alone(index)
        return self

    def _alone(self, index: int) -> None:
        for number, group in enumerate(self.operations):
            if group.concurrent > 1:
                raise LocatedError(
                    ("steps", index, "cut"),
                    "a connection step happens before any byte, when the operation is not known: "
                    f"operations[{number}] must have concurrent: 1")
