"""Settings of the client, from arguments or from GALEPROOF_CLIENT_* variables.

One section for each dependency: `ClientSettings.for_dependency("payments")` reads
GALEPROOF_CLIENT_PAYMENTS_* first and GALEPROOF_CLIENT_* for what is common.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from galeproof.client import errors
from galeproof.client.eligibility import RETRY_STATUSES
from galeproof.client.profiles import PROFILES, ProfileName
from galeproof.client.sections import (
    BreakerSettings,
    BudgetSettings,
    BulkheadSettings,
    Features,
    OAuthSettings,
    RateSettings,
    Seconds,
    ThrottleSettings,
)
from galeproof.client.urls import VISIBLE, check_url

__all__ = ["ClientSettings"]

HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
_PREFIX = "GALEPROOF_CLIENT_"
_DEPENDENCY = re.compile("[a-z][a-z0-9_]*")
_RESERVED = frozenset(
    {"authorization", "host", "content-length", "content-type", "transfer-encoding", "accept",
     "accept-encoding", "user-agent", "traceparent", "connection", "keep-alive", "proxy-connection",
     "proxy-authorization", "te", "trailer", "upgrade", "expect", "cookie"}
)  # fmt: skip
_HEADERS = ("idempotency_header", "correlation_header", "deadline_header")
_SECRETS = ("api_key", "api_key_file", "api_key_env", "api_key_callback")


class ClientSettings(BaseSettings):
    """Everything that the client can be told; times in seconds, sizes in bytes.

    Raises:
        SettingsError: a value is out of range; the message names the setting, never the value.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    base_url: str
    dependency: str = Field(default="", pattern="^[a-z0-9._-]*$")
    profile: ProfileName = "standard"
    features: Features = Features()

    api_key: SecretStr | None = None
    api_key_file: str | None = None
    api_key_env: str | None = None
    api_key_callback: Callable[[], SecretStr] | None = Field(default=None, repr=False, exclude=True)
    secret_reload_s: Seconds = 60.0
    oauth: OAuthSettings | None = None
    allow_plain_http: bool = False

    connect_timeout_s: Seconds = 1.0
    read_timeout_s: Seconds = 1.0
    write_timeout_s: Seconds = 1.0
    pool_timeout_s: Seconds = 1.0
    deadline_s: Seconds = 6.0

    max_attempts: int = Field(default=3, ge=1, le=100)
    retry_statuses: tuple[int, ...] = RETRY_STATUSES
    backoff_base_s: Seconds = 0.2
    backoff_factor: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    backoff_cap_s: Seconds = 2.0
    backoff_jitter: Literal["full", "equal"] = "full"
    retry_after_max_s: float = Field(default=5.0, ge=0, allow_inf_nan=False)

    breaker: BreakerSettings = BreakerSettings()
    retry_budget: BudgetSettings = BudgetSettings()
    bulkhead: BulkheadSettings = BulkheadSettings()
    rate: RateSettings = RateSettings()
    throttle: ThrottleSettings = ThrottleSettings()

    idempotency_header: HeaderName = "Idempotency-Key"
    correlation_header: HeaderName = "X-Request-Id"
    deadline_header: HeaderName | None = "X-Deadline-Ms"
    user_agent: str = Field(default="galeproof-client", pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")
    max_connections: int = Field(default=100, ge=1)
    max_response_bytes: int = Field(default=4_194_304, ge=1)
    max_redirects: int = Field(default=3, ge=0, le=20)
    max_pages: int = Field(default=1000, ge=1)
    trust_env: bool = True
    ca_file: str | None = Field(default=None, min_length=1)

    def __init__(self, **values: Any) -> None:
        problem: str | None = None
        try:
            super().__init__(**values)
        except ValidationError as error:
            problem = _describe(error)
        except SettingsError as error:
            # the environment's text for a section is no JSON; the text may be a secret
            name = re.search(r'field "(\w+)"', str(error))
            problem = f"{name[1] if name else 'environment'}: cannot be read"
        # Raised out here, so that no pydantic error with its input hangs on the chain.
        if problem is not None:
            raise errors.SettingsError(problem)

    @classmethod
    def for_dependency(cls, dependency: str, **values: Any) -> Self:
        """Return the settings of one dependency.

        Args:
            dependency: its name, lower-case letters, digits and underscores.
            values: settings that win over the environment.

        Raises:
            SettingsError: the name or a setting is wrong.
        """
        if not isinstance(dependency, str) or not _DEPENDENCY.fullmatch(dependency):
            raise errors.SettingsError("dependency: must be lower-case letters, digits and _")
        source = EnvSettingsSource(cls, env_prefix=f"{_PREFIX}{dependency.upper()}_")
        problem = None
        try:
            found = source()
        except SettingsError as error:
            name = re.search(r'field "(\w+)"', str(error))
            problem = f"{name[1] if name else 'environment'}: cannot be read"
        if problem is not None:
            raise errors.SettingsError(problem)
        return cls(**_merged(found, {"dependency": dependency, **values}))

    @model_validator(mode="before")
    @classmethod
    def _fill_from_profile(cls, values: Any) -> Any:
        name = values.get("profile", "standard")
        # another type is refused by name, after this
        chosen = PROFILES.get(name, {}) if name.__hash__ else {}
        return {**chosen, **values}

    @field_validator("api_key")
    @classmethod
    def _header_safe_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            secret = value.get_secret_value()
            if not secret or not VISIBLE.issuperset(secret):
                raise ValueError("must be one or more visible ASCII characters")
        return value

    @field_validator("retry_statuses")
    @classmethod
    def _only_passing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not set(value) <= set(RETRY_STATUSES):
            raise ValueError(f"must be among {', '.join(map(str, RETRY_STATUSES))}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        try:
            url = check_url(self.base_url, allow_plain_http=self.allow_plain_http)
        except ValueError as error:
            raise ValueError(f"base_url: {error}") from None
        object.__setattr__(self, "base_url", url)
        if self.backoff_cap_s < self.backoff_base_s:
            raise ValueError("backoff_cap_s: must not be below backoff_base_s")
        _check_headers(self)
        given = [name for name in _SECRETS if getattr(self, name) is not None]
        given += ["oauth"] if self.oauth is not None else []
        if not given:
            raise ValueError("api_key: missing; or give api_key_file, api_key_env or oauth")
        if len(given) > 1:
            raise ValueError(f"{given[1]}: only one credential may be given, and {given[0]} is")
        return self


def _check_headers(settings: ClientSettings) -> None:
    """Refuse header names that collide with each other or with what the client sets itself."""
    seen: dict[str, str] = {}
    for setting in _HEADERS:
        name = str(getattr(settings, setting) or "").lower()
        if name in _RESERVED:
            raise ValueError(f"{setting}: must not be a header that the client sets itself")
        if name and name in seen:
            raise ValueError(f"{setting}: must differ from {seen[name]}")
        seen[name] = setting


def _merged(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """Merge sections key by key; `high` wins."""
    found = dict(low)
    for name, value in high.items():
        below = found.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            found[name] = _merged(below, value)
        else:
            found[name] = value
    return found


def _describe(error: ValidationError) -> str:
    """Name each wrong setting and the rule that it breaks, without its value."""
    lines = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        if not where:
            lines.append(message)
            continue
        # a validator of a section names the setting itself
        inner = re.match(r"[a-z_]+: ", message)
        lines.append(f"{where}.{message}" if inner else f"{where}: {message}")
    return "; ".join(lines)
