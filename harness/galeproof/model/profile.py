"""The profile: what a client's owner promises. Nothing in it is trusted; it removes ambiguity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from galeproof.errors import ProfileError

__all__ = ["Backoff", "Breaker", "Bulkhead", "Fallback", "OperationProfile", "Profile", "Throttle",
           "parse_profile", "profile_schema"]

_MODEL = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
Status = Annotated[int, Field(ge=100, le=599)]
Header = Annotated[str, Field(pattern=f"^{_TOKEN}$")]
Key = Annotated[str, Field(pattern=rf"^(body:[^\s.:]+(\.[^\s.:]+)*|{_TOKEN})$")]


class Backoff(BaseModel):
    """Declared delays between attempts, in seconds."""

    model_config = _MODEL
    base_s: float = Field(ge=0)
    factor: float = Field(default=2.0, ge=1)
    cap_s: PositiveFloat
    jitter: Literal["none", "full", "equal"] | float = "none"


class Breaker(BaseModel):
    """A declared circuit breaker.

    Attributes:
        calls: How many failing calls it needs before it may open.
        reset_s: How long it stays open before it probes, in s.
        probes: How many attempts it lets through while it probes.
        counts: Client errors (4xx) that it is declared to open on.
    """

    model_config = _MODEL
    calls: PositiveInt = 100
    reset_s: PositiveFloat | None = None
    probes: PositiveInt | None = None
    counts: tuple[Status, ...] = ()


class Throttle(BaseModel):
    """A declared adaptive throttle: it forgets what is older than ``window_s``, in s."""

    model_config = _MODEL
    window_s: PositiveFloat


class Bulkhead(BaseModel):
    """Declared limits of requests in flight: in all, and to one operation of the provider's."""

    model_config = _MODEL
    limit: PositiveInt
    per_route: PositiveInt | None = None


class Fallback(BaseModel):
    """A declared fallback of reads.

    Attributes:
        mark: The field of the caller's value (``meta.stale``) that is true, or ``log:TEXT``, a text in the
            client's log, where the value is none of the primary's.
        stale_s: How old a value of the primary's may be that is given again, in s.
    """

    model_config = _MODEL
    mark: str = Field(min_length=1, max_length=200)
    stale_s: PositiveFloat | None = None


class OperationProfile(BaseModel):
    """What is declared for one operation."""

    model_config = _MODEL
    naturally_idempotent: bool = False
    default: Any = None
    download: bool = False
    kind: Literal["read", "write"] | None = None
    answer: str | None = None
    status: int | None = None


class Profile(BaseModel):
    """What the owner declares; every field may be left out."""

    model_config = _MODEL
    max_attempts: int | None = Field(default=None, ge=1)
    connect_timeout_s: PositiveFloat | None = None
    read_timeout_s: PositiveFloat | None = None
    deadline_s: PositiveFloat | None = None
    deadline_header: Header | None = None
    retry_on: tuple[Literal["connect", "reset", "timeout", "truncated"] | Status, ...] | None = None
    backoff: Backoff | None = None
    retry_after_max_s: PositiveFloat | None = None
    rate_limit_fields: bool = False
    retry_budget: bool = False
    breaker: Breaker | None = None
    throttle: Throttle | None = None
    bulkhead: Bulkhead | None = None
    layers: tuple[PositiveInt, ...] | None = None
    hedged: bool = False
    fallback: Fallback | None = None
    idempotency_key: Key | None = None
    idempotency_key_from: Literal["client", "caller", "business"] | None = None
    correlation_id: Header | None = None
    errors: Mapping[str, str] = Field(default_factory=dict)
    typed_answers: bool | tuple[str, ...] | None = None
    coerces: bool = False
    max_response_bytes: PositiveInt | None = None
    max_redirects: int | None = Field(default=None, ge=0)
    secret_reload_s: float | None = Field(default=None, ge=0)
    never_applied: tuple[int, ...] = ()
    operations: Mapping[str, OperationProfile] = Field(default_factory=dict)
    strict: bool = False

    def retries(self, what: str | int) -> bool:
        """Tell whether the owner declares that this failure is retried."""
        return self.retry_on is not None and what in self.retry_on

    def quantities(self) -> Mapping[str, float]:
        """Return the declared numbers by name, for expressions in scenarios."""
        names = ("max_attempts", "connect_timeout_s", "read_timeout_s", "deadline_s",
                 "retry_after_max_s", "secret_reload_s")
        found = {n: float(v) for n in names if (v := getattr(self, n)) is not None}
        if self.backoff:
            found |= {"backoff_base_s": self.backoff.base_s, "backoff_cap_s": self.backoff.cap_s}
        return found


def parse_profile(data: Mapping[str, Any], where: str = "profile") -> Profile:
    """Validate a profile.

    Raises:
        ProfileError: Names the key and what is allowed.
    """
    try:
        return Profile.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ", ".join(sorted(Profile.model_fields))
        hint = f"; allowed: {known}" if first["type"] == "extra_forbidden" else ""
        raise ProfileError(f"{where}: {key}: {first['msg']}{hint}") from None


def profile_schema() -> dict[str, Any]:
    """Return the published JSON Schema of a profile."""
    return Profile.model_json_schema()
