"""Settings of the client, from arguments or from GALEPROOF_CLIENT_* variables."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from galeproof.client.errors import SettingsError

__all__ = ["ClientSettings"]

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
_VISIBLE = frozenset(map(chr, range(0x21, 0x7F)))
_RESERVED = frozenset({"authorization", "host", "content-length", "transfer-encoding", "accept"})


class ClientSettings(BaseSettings):
    """Everything that the client can be told; times in seconds, sizes in bytes.

    Raises:
        SettingsError: a value is out of range; the message names the setting, never the value.
    """

    model_config = SettingsConfigDict(
        env_prefix="GALEPROOF_CLIENT_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    base_url: str
    api_key: SecretStr
    connect_timeout_s: Seconds = 1.0
    read_timeout_s: Seconds = 1.0
    write_timeout_s: Seconds = 1.0
    pool_timeout_s: Seconds = 1.0
    deadline_s: Seconds = 6.0
    max_attempts: int = Field(default=3, ge=1, le=100)
    backoff_base_s: Seconds = 0.2
    backoff_factor: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    backoff_cap_s: Seconds = 2.0
    retry_after_max_s: float = Field(default=5.0, ge=0, allow_inf_nan=False)
    idempotency_header: HeaderName = "Idempotency-Key"
    correlation_header: HeaderName = "X-Request-Id"
    user_agent: str = Field(default="galeproof-client", pattern=r"^[\x20-\x7e]+$")
    max_connections: int = Field(default=100, ge=1)
    max_response_bytes: int = Field(default=4_194_304, ge=1)
    max_redirects: int = Field(default=3, ge=0, le=20)
    trust_env: bool = True

    def __init__(self, **values: Any) -> None:
        problem: str | None = None
        try:
            super().__init__(**values)
        except ValidationError as error:
            problem = _describe(error)
        # Raised out here, so that no pydantic error with its input hangs on the chain.
        if problem is not None:
            raise SettingsError(problem)

    @field_validator("base_url")
    @classmethod
    def _plain_base_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an absolute http or https URL")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("must have no user information, query or fragment")
        if not _VISIBLE.issuperset(value):
            raise ValueError("must be visible ASCII")
        return value.rstrip("/")

    @field_validator("api_key")
    @classmethod
    def _header_safe_key(cls, value: SecretStr) -> SecretStr:
        secret = value.get_secret_value()
        if not secret or not _VISIBLE.issuperset(secret):
            raise ValueError("must be one or more visible ASCII characters")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> ClientSettings:
        if self.backoff_cap_s < self.backoff_base_s:
            raise ValueError("backoff_cap_s: must not be below backoff_base_s")
        names = (self.idempotency_header.lower(), self.correlation_header.lower())
        if names[0] == names[1]:
            raise ValueError("correlation_header: must differ from idempotency_header")
        for setting, name in zip(("idempotency_header", "correlation_header"), names, strict=True):
            if name in _RESERVED:
                raise ValueError(f"{setting}: must not be a header that the client sets itself")
        return self


def _describe(error: ValidationError) -> str:
    """Name each wrong setting and the rule that it breaks, without its value."""
    lines = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}" if where else message)
    return "; ".join(lines)
