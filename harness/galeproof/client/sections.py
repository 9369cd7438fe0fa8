"""Sections of the settings, one for each part of the policy; times in seconds."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from galeproof.client.urls import VISIBLE, check_url

__all__ = [
    "BreakerSettings",
    "BudgetSettings",
    "BulkheadSettings",
    "Features",
    "OAuthSettings",
    "RateSettings",
    "Seconds",
    "ThrottleSettings",
]

# what every clock, socket and lock of the platform can wait for
Seconds = Annotated[float, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)]
_MODEL = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Features(BaseModel):
    """Switches; each takes one part out, `retry_*` one row of the eligibility matrix."""

    model_config = _MODEL
    retry_connect: bool = True
    retry_broken: bool = True
    retry_status: bool = True
    retry_after: bool = True
    retry_budget: bool = True
    breaker: bool = True
    bulkhead: bool = True
    throttle: bool = True
    rate_limit_headers: bool = True
    telemetry: bool = True
    notices: bool = True


class BreakerSettings(BaseModel):
    """The circuit breaker of a dependency.

    It opens when, of the last `calls` attempts within `window_s`, at least `ratio` failed. After
    `open_s` it lets `probes` attempts through at a time, and closes when as many have succeeded.
    """

    model_config = _MODEL
    calls: int = Field(default=200, ge=1, le=100_000)
    ratio: float = Field(default=0.8, gt=0, le=1)
    window_s: Seconds = 60.0
    open_s: Seconds = 5.0
    probes: int = Field(default=3, ge=1, le=100)


class BudgetSettings(BaseModel):
    """The retry budget: a retry costs `cost` tokens of `capacity`; a success gives some back.

    A first attempt that succeeds gives `refund`, a retry that succeeds gives back what it cost.
    """

    model_config = _MODEL
    capacity: float = Field(default=750.0, gt=0, allow_inf_nan=False)
    cost: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    refund: float = Field(default=1.0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.capacity < self.cost:
            raise ValueError("capacity: must not be below cost")
        return self


class BulkheadSettings(BaseModel):
    """Attempts in flight, in all and for one route; a further one waits up to `wait_s`."""

    model_config = _MODEL
    limit: int = Field(default=100, ge=1)
    per_route: int = Field(default=80, ge=1)
    wait_s: Seconds = 1.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.per_route > self.limit:
            raise ValueError("per_route: must not be above limit")
        return self


class RateSettings(BaseModel):
    """The client's own rate, and how far the provider's RateLimit fields are believed.

    No rate of its own while `per_s` is None; `burst` attempts may start at once, and one that does
    not get its turn within `wait_s` is not sent.
    """

    model_config = _MODEL
    per_s: float | None = Field(default=None, ge=0.000_001, allow_inf_nan=False)
    burst: int = Field(default=1, ge=1)
    wait_s: Seconds = 1.0
    believed_s: Seconds = 60.0


class ThrottleSettings(BaseModel):
    """The adaptive throttle (SRE book, chapter 21, "Client-Side Throttling").

    It holds attempts back while more than one in `ratio` is answered 429 or 503.
    """

    model_config = _MODEL
    calls: int = Field(default=200, ge=1)
    ratio: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    window_s: Seconds = 30.0


class OAuthSettings(BaseModel):
    """OAuth 2.0: client credentials, or a refresh token where one is given.

    `scopes` is all that the client may ever ask for; an operation asks for its own ones only.
    """

    model_config = _MODEL
    token_url: str
    revoke_url: str | None = None
    client_id: str = Field(min_length=1)
    client_secret: SecretStr | None = None
    client_secret_file: str | None = None
    client_secret_env: str | None = None
    refresh_token: SecretStr | None = None
    refresh_token_file: str | None = None
    scopes: tuple[str, ...] = ()
    client_auth: Literal["basic", "body"] = "basic"
    early_s: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    refresh_every_s: float = Field(default=1.0, ge=0, allow_inf_nan=False)

    @field_validator("token_url", "revoke_url")
    @classmethod
    def _safe_url(cls, value: str | None) -> str | None:
        # a client secret goes there: never in the clear, whatever else is allowed
        return None if value is None else check_url(value, allow_plain_http=False)

    @field_validator("client_secret", "refresh_token")
    @classmethod
    def _there(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _fits(value.get_secret_value()):
            raise ValueError("must be one or more visible ASCII characters")
        return value

    @field_validator("scopes")
    @classmethod
    def _one_word_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not _fits(scope) for scope in value):
            raise ValueError("each must be one word of visible ASCII")
        return value

    @model_validator(mode="after")
    def _has_secret(self) -> Self:
        given = (self.client_secret, self.client_secret_file, self.client_secret_env)
        if all(value is None for value in given):
            raise ValueError("client_secret: missing; or give client_secret_file or client_secret_env")
        return self


def _fits(text: str) -> bool:
    return bool(text) and VISIBLE.issuperset(text)
