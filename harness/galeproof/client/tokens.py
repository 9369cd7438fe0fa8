"""What a token endpoint is asked and says (RFC 6749), without the asking."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote_plus, urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictStr, ValidationError, field_validator

from galeproof.client.errors import CredentialUnavailable, RateLimited, Unavailable
from galeproof.client.exchange import Answer, Failure
from galeproof.client.gate import Refusal
from galeproof.client.payload import Malformed, read_json, read_problem
from galeproof.client.redaction import Redactor
from galeproof.client.sections import OAuthSettings
from galeproof.client.urls import VISIBLE

__all__ = [
    "Grant",
    "TokenAnswer",
    "basic_of",
    "read_token",
    "revocation_form",
    "token_form",
    "token_headers",
    "token_refusal",
]

_DEFAULT_LIFE_S = 300.0


class TokenAnswer(BaseModel):
    """A success of the token endpoint (RFC 6749, 5.1)."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)
    access_token: SecretStr
    token_type: StrictStr
    expires_in: Annotated[float, Field(gt=0, allow_inf_nan=False)] = _DEFAULT_LIFE_S
    refresh_token: SecretStr | None = None
    scope: StrictStr | None = None

    @field_validator("access_token", "refresh_token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            text = value.get_secret_value()
            if not text or not VISIBLE.issuperset(text):
                raise ValueError("must be visible ASCII")
        return value

    @field_validator("token_type")
    @classmethod
    def _is_bearer(cls, value: str) -> str:
        if value.lower() != "bearer":
            raise ValueError("must be Bearer")
        return value


@dataclass(frozen=True, slots=True)
class Grant:
    """What is asked of the token endpoint; `refresh` is None for client credentials."""

    scope: str
    refresh: SecretStr | None = field(default=None, repr=False)


def token_form(grant: Grant, settings: OAuthSettings, secret: SecretStr) -> bytes:
    """Return the body of the request."""
    form: dict[str, str] = {"grant_type": "client_credentials"}
    if grant.refresh is not None:
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh.get_secret_value()}
    if grant.scope:
        form["scope"] = grant.scope
    return _with_client(form, settings, secret)


def revocation_form(token: SecretStr, settings: OAuthSettings, secret: SecretStr) -> bytes:
    """Return the body of a revocation (RFC 7009)."""
    return _with_client({"token": token.get_secret_value()}, settings, secret)


def _with_client(form: dict[str, str], settings: OAuthSettings, secret: SecretStr) -> bytes:
    if settings.client_auth == "body":
        form |= {"client_id": settings.client_id, "client_secret": secret.get_secret_value()}
    return urlencode(form).encode()


def basic_of(settings: OAuthSettings, secret: SecretStr) -> str:
    """Return the base64 part of the Basic credentials; it is as secret as the secret."""
    pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret.get_secret_value())}"
    return base64.b64encode(pair.encode()).decode()


def token_headers(settings: OAuthSettings, secret: SecretStr, user_agent: str) -> dict[str, str]:
    """Return the headers of a request to the authority (RFC 6749, 2.3.1)."""
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": user_agent,
    }
    if settings.client_auth == "basic":
        headers["Authorization"] = f"Basic {basic_of(settings, secret)}"
    return headers


def read_token(answer: Answer) -> TokenAnswer | None:
    """Return what a 2xx answer gives, None when it is not what the RFC promises."""
    try:
        document = read_json(answer.body, answer.headers.get("content-type"))
        return TokenAnswer.model_validate(document)
    except (Malformed, ValidationError):
        return None


def token_refusal(outcome: Answer | Failure, redactor: Redactor) -> Refusal:
    """Say why there is no token."""
    if isinstance(outcome, Failure):
        return Refusal(
            f"token_{outcome.kind}", "the token endpoint did not answer", CredentialUnavailable
        )
    if 200 <= outcome.status < 300:
        return Refusal(
            "token_malformed", "the token endpoint's answer is not a token", CredentialUnavailable
        )
    problem = read_problem(outcome.body, redactor.text)
    code = redactor.text(problem.code or f"http_{outcome.status}")
    kind = RateLimited if outcome.status == 429 else Unavailable
    passing = outcome.status in (408, 429) or outcome.status >= 500
    return Refusal(
        code,
        f"the token endpoint answered {outcome.status}",
        kind if passing else CredentialUnavailable,
        status=outcome.status,
    )
