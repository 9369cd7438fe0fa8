"""What the provider can be told, from arguments or from PAYMENTS_API_* variables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["ProviderSettings"]

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ProviderSettings(BaseSettings):
    """Everything that can be told; times in seconds, sizes in bytes."""

    # a database's URL may hold a password
    model_config = SettingsConfigDict(
        env_prefix="PAYMENTS_API_", frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: str = Field(
        default="sqlite://", repr=False,
        description="SQLAlchemy's: `sqlite:///file.db` or `postgresql://...`; `sqlite://` is in memory",
    )
    rate_per_s: float = Field(
        default=500.0, gt=0, description="requests of one account a second, once its burst is used up")
    rate_burst: int = Field(default=1000, ge=1, description="requests that one account may make at once")
    access_token_s: Seconds = Field(default=300.0, description="life of an access token")
    refresh_token_s: Seconds = Field(
        default=2_592_000.0, description="life of a refresh token that is not used")
    refresh_leeway_s: float = Field(
        default=10.0, ge=0,
        description="how long a used refresh token may be sent again, where its answer was lost and its "
        "successor is unused; 0 for never")
    keys_kept_s: Seconds = Field(
        default=86_400.0, description="how long an idempotency key and its answer are kept")
    page_size: int = Field(default=50, ge=1, le=1000, description="payments a page, unless `limit` says so")
    page_most: int = Field(default=100, ge=1, le=1000, description="the most that `limit` may ask for")
    body_most: int = Field(default=65_536, ge=1, description="the largest request body")
    charges_deprecated_at: datetime = Field(
        default=datetime(2026, 1, 1, tzinfo=UTC), description="since when `GET /charges/{id}` is deprecated")
    charges_sunset_at: datetime = Field(
        default=datetime(2027, 7, 1, tzinfo=UTC), description="from when on it may be gone")
    charges_link: str = Field(
        default="https://payments.example/docs/charges", description="where the change is explained")

    @model_validator(mode="after")
    def _fair(self) -> Self:
        if self.charges_sunset_at - self.charges_deprecated_at < timedelta(days=365):
            raise ValueError("charges_sunset_at: must be twelve months or more after charges_deprecated_at")
        return self
