"""The pages about operating the client that are made from settings and rules."""

# ruff: noqa: E501, pages

from __future__ import annotations

import json
from typing import Any

from contracts.provider.settings import ProviderSettings
from rules import ALERTS, BURNS, SLOS

from galeproof.client import ClientSettings
from galeproof.client.policy import summary_of
from galeproof.client.sections import OAuthSettings

__all__ = ["provider_page", "secrets_page", "slo_page"]

_MADE = "Made by `ci/operating`.\n"


def slo_page() -> str:
    """Return the objectives and their alerts, and the policy that they are held against."""
    objectives = "\n".join(
        f"| {s.title} | {s.target:.1%} | {(1 - s.target) * 30 * 24 * 60:.0f} min, or {1 - s.target:.1%} of operations |"
        for s in SLOS)
    burns = "\n".join(
        f"| {b.factor:g} | {b.long} and {b.short} | {b.hold} | {b.severity} | {b.spent} |" for b in BURNS)
    names = ["PaymentsClientErrorBudgetBurn", "PaymentsClientLatencyBudgetBurn", *(a.name for a in ALERTS)]
    alerts = "\n".join(f"- [{name}](runbook/{name}.md)" for name in names)
    policy = summary_of(ClientSettings(base_url="https://payments.example", api_key="-"))
    return f"""# Objectives and alerts

{_MADE}
| Objective (30 days) | Target | Error budget |
|---|---|---|
{objectives}

An operation is one call of the application, retries and waits included. `NotFound` and `Rejected` are
the caller's, a cancelled call is nobody's: they burn nothing. Both are measured where the caller is, so
that a provider's outage that the client rides out costs nothing.

| Burn rate | Windows | For | Severity | Spent |
|---|---|---|---|---|
{burns}

The rules: [prometheus/rules.yml](prometheus/rules.yml), with unit tests beside them
(`promtool test rules docs/operating/prometheus/rules_test.yml`). The metrics are those of
[telemetry](../client/telemetry.md) as OpenTelemetry's Prometheus exporter names them; p95, p99 and
p99.9 of each endpoint are recorded as `galeproof:operation_duration:p999_rate5m` and its kin.

## Alerts

{alerts}

## The policy that they rest on

{policy}
[Each profile's](../client/policy.md), and [every setting](../client/settings.md). Timeouts from what was
measured: `galeproof profile --timeouts FILE`.
"""


def provider_page() -> str:
    """Return the provider's contract: limits, keys, deprecation."""
    settings = ProviderSettings.model_fields
    rows = "\n".join(
        f"| `{name}` | `PAYMENTS_API_{name.upper()}` | {_shown(field.default)} | {field.description} |"
        for name, field in settings.items())
    hours = settings["keys_kept_s"].default / 3600
    since, until = (settings[f"charges_{n}_at"].default.date().isoformat() for n in ("deprecated", "sunset"))
    return f"""# The provider's contract

{_MADE}
The reference provider (`contracts/provider/`) is what the client is written against. Run it:
`python contracts/provider/app.py --database sqlite:///payments.db`; accounts and credentials are made by
`python -m contracts.provider.accounts`.

| Operation | Scope | What it promises |
|---|---|---|
| `POST /payments` | `payments:write` | 201 with the payment; once for a key |
| `GET /payments/{{id}}` | `payments:read` | 200, or 404 |
| `GET /payments?cursor=&limit=` | `payments:read` | `items` in the order of their making, `next_cursor` null on the last page |
| `POST /payments/{{id}}/refunds` | `refunds:write` | 201 with the refund; once for a key; 422 beyond what is left |
| `GET /charges/{{id}}` | `payments:read` | the payment; deprecated |
| `POST /oauth/token` | the client's secret | `client_credentials`, or `refresh_token` with rotation |
| `POST /oauth/revoke` | the client's secret | the token, or its whole family, is dead; 200 for an unknown one |

- **Keys.** Key, answer and effect are one transaction. The same key and request get the kept answer with
  `Idempotent-Replayed: true`, for {hours:g} hours; 409 with Retry-After while the first is at work; 422 for
  another request. Keys belong to the account, so that a rotated credential finds what the old one did. A
  refusal keeps no key.
- **Limits.** Each answer says what is left in `RateLimit` and `RateLimit-Policy`; beyond it 429 with
  Retry-After, before anything was done.
- **Errors.** Problem documents (RFC 9457) with a `code`; the token endpoint's are those of RFC 6749. Nothing
  of a request is echoed. A request that is cut in its body has no effect.
- **Refresh tokens** are used once. A second use revokes the family; only a lost answer may be asked for
  again, within `refresh_leeway_s` and while its successor is unused.
- **Deprecation.** A route that will go says so in every answer: `Deprecation` (RFC 9745), `Sunset` (RFC 8594)
  at least twelve months later, and a `Link` to what replaces it. `GET /charges/{{id}}`: deprecated since {since},
  may be gone from {until}; use `GET /payments/{{id}}`. The client logs it once and keeps it in `client.notices`.

| Setting | Variable | Default | What it is |
|---|---|---|---|
{rows}
"""


def secrets_page() -> str:
    """Return the life of each secret, with the times that the settings give."""
    client, oauth, provider = ClientSettings.model_fields, OAuthSettings.model_fields, ProviderSettings.model_fields
    kinds = "\n".join(f"| `{name}` | {where} | {how} |" for name, where, how in (
        ("api_key_file", "a file of the platform's secret store", "looked at before each use"),
        ("api_key_env", "the environment", "looked at before each use"),
        ("api_key_callback", "a function", f"asked every {client['secret_reload_s'].default:g} s, and after a refusal"),
        ("oauth.client_secret_file", "a file", "looked at before each token request"),
        ("oauth.refresh_token_file", "a file that the client rewrites (mode 0600)", "at start, and after a refusal"),
    ))
    return f"""# The life of a secret

{_MADE}
| Setting | Where it comes from | When a new value is seen |
|---|---|---|
{kinds}

Access tokens live {provider['access_token_s'].default:g} s at the reference provider and are replaced
{oauth['early_s'].default:g} s before their end, or a tenth of their life where that is less, and when they are refused,
but not within {oauth['refresh_every_s'].default:g} s of their issue. An unused refresh token lives
{provider['refresh_token_s'].default / 86400:g} days.

1. **Made.** Long and random, by whoever runs the provider: `... accounts DATABASE_URL add-key ACCOUNT < secret`.
   The provider keeps a digest.
2. **Handed over** as a file with mode 0600, never as an argument of a command and never in a repository.
3. **Used** for its own origin only, and written down by name and generation (logger `galeproof.client.audit`).
4. **Rotated without an outage**: make the second one, put it into the file, see `changed` in the audit log of
   every process, then revoke the first: `... accounts DATABASE_URL revoke-key < secret`. No restart. A lost answer is
   found with the new secret, since keys belong to the account.
5. **Leaked or refused**: [the runbook's page](runbook/PaymentsClientCredentialRefused.md). Revoke first, then rotate.
6. **Ended**: `await client.revoke_credentials()` tells the authority and sends nothing more.

What each step is held by: `tests/provider/test_client_against_provider.py` (rotation, revocation, no canary in any
log record, error, repr, metric or span). More about the client's part: [credentials](../client/credentials.md).
"""


def _shown(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else f"`{json.dumps(value)}`"
