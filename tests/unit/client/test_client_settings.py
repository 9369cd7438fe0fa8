"""Settings: from the environment by section, by profile, and one clear error for a bad one."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from galeproof.client import ClientSettings, Features, InvalidArgument, PaymentsClient, SettingsError
from galeproof.client.eligibility import may_retry
from galeproof.model.profile import parse_profile

GOOD: dict[str, Any] = {"base_url": "https://pay.example", "api_key": "sk-canary"}
OAUTH: dict[str, Any] = {
    "token_url": "https://auth.example/token",
    "client_id": "us",
    "client_secret": "sk-canary",
}


def refusal(**values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        ClientSettings(**values)
    shown = "".join(traceback.format_exception(caught.value))
    assert "sk-canary" not in shown
    return caught.value.message


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("read_timeout_s", {"read_timeout_s": -1}),
        ("backoff_cap_s", {"backoff_cap_s": 0.1}),
        ("breaker.ratio", {"breaker": {"ratio": 1.5}}),
        ("breaker.open_s", {"breaker": {"open_s": 0}}),
        ("retry_budget.capacity", {"retry_budget": {"capacity": 1, "cost": 2}}),
        ("bulkhead.per_route", {"bulkhead": {"limit": 5, "per_route": 6}}),
        ("rate.per_s", {"rate": {"per_s": 0}}),
        ("throttle.ratio", {"throttle": {"ratio": 0.5}}),
        ("features.nonsense", {"features": {"nonsense": True}}),
        ("profile", {"profile": "fast"}),
        ("retry_statuses", {"retry_statuses": [404]}),
        ("deadline_header", {"deadline_header": "X-Request-Id"}),
        ("correlation_header", {"correlation_header": "traceparent"}),
        ("base_url", {"base_url": "http://pay.example"}),
        ("base_url", {"base_url": "https://pay.example:99999"}),
        ("api_key", {"api_key": None}),
        ("api_key_env", {"api_key_env": "X"}),
        ("oauth", {"oauth": OAUTH}),
        ("profile", {"profile": ["fast"]}),
        ("read_timeout_s", {"read_timeout_s": 1e300}),
        ("bulkhead.wait_s", {"bulkhead": {"wait_s": 1e300}}),
        ("rate.per_s", {"rate": {"per_s": 1e-320}}),
        ("user_agent", {"user_agent": "us "}),
        ("correlation_header", {"correlation_header": "Connection"}),
        ("deadline_header", {"deadline_header": "Cookie"}),
        ("idempotency_header", {"idempotency_header": "Expect"}),
        ("base_url", {"base_url": "https://pay..example"}),
        ("base_url", {"base_url": f"https://{'a' * 64}.example"}),
        ("base_url", {"base_url": "https://xn--zzzzzzzzzzz99"}),
        ("base_url", {"base_url": "https://pay%6d.example"}),
        ("ca_file", {"ca_file": ""}),
    ],
)
def test_a_bad_setting_is_one_error_that_names_it(setting: str, changed: dict[str, Any]) -> None:
    """Negative timeout, cap below base, missing secret, two secrets: the setting stands first."""
    message = refusal(**{**GOOD, **changed})
    assert message.startswith(f"{setting}:")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("oauth.client_secret", {"client_secret": None}),
        ("oauth.token_url", {"token_url": "http://auth.example/token"}),
        ("oauth.revoke_url", {"revoke_url": "nowhere"}),
        ("oauth.scopes", {"scopes": ["two words"]}),
        ("oauth.client_secret", {"client_secret": ""}),
        ("oauth.client_secret", {"client_secret": "sk-canary\n"}),
        ("oauth.refresh_token", {"refresh_token": ""}),
    ],
)
def test_a_bad_oauth_setting_is_named(setting: str, changed: dict[str, Any]) -> None:
    """A section's setting is named with its section."""
    message = refusal(base_url="https://pay.example", oauth={**OAUTH, **changed})
    assert message.startswith(f"{setting}:")


def test_a_secret_that_is_not_there_is_named_at_construction(tmp_path: Path) -> None:
    """A missing file or variable stops the client before it sends anything."""
    for source in ({"api_key_file": str(tmp_path / "none")}, {"api_key_env": "GALE_NO_SUCH"}):
        settings = ClientSettings(base_url="https://pay.example", **source)
        with pytest.raises(SettingsError) as caught:
            PaymentsClient(settings)
        assert caught.value.message.startswith(f"{next(iter(source))}:")


def test_each_dependency_has_a_section_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Common variables hold for all, a dependency's own win, arguments win over both."""
    for name, value in {
        "BASE_URL": "https://common.example",
        "API_KEY": "k",
        "MAX_ATTEMPTS": "2",
        "BREAKER__OPEN_S": "7",
        "LEDGER_BASE_URL": "https://ledger.example",
        "LEDGER_BREAKER__CALLS": "9",
        "LEDGER_READ_TIMEOUT_S": "3",
    }.items():
        monkeypatch.setenv(f"GALEPROOF_CLIENT_{name}", value)
    common = ClientSettings()
    ledger = ClientSettings.for_dependency("ledger", read_timeout_s=4.0)
    assert (common.base_url, common.dependency, common.breaker.calls) == (
        "https://common.example", "", 200,
    )  # fmt: skip
    assert (ledger.base_url, ledger.dependency, ledger.max_attempts) == (
        "https://ledger.example", "ledger", 2,
    )  # fmt: skip
    assert (ledger.breaker.calls, ledger.breaker.open_s, ledger.read_timeout_s) == (9, 7.0, 4.0)


def test_a_section_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken text in the environment is named by its setting, never shown."""
    monkeypatch.setenv("GALEPROOF_CLIENT_OAUTH", "{sk-canary")
    assert refusal(**GOOD).startswith("oauth:")
    monkeypatch.setenv("GALEPROOF_CLIENT_PAY_OAUTH", "{sk-canary")
    monkeypatch.delenv("GALEPROOF_CLIENT_OAUTH")
    with pytest.raises(SettingsError, match="^oauth: "):
        ClientSettings.for_dependency("pay", **GOOD)


def test_a_dependencys_name_is_checked() -> None:
    """The name becomes part of a variable's name."""
    with pytest.raises(SettingsError, match="^dependency:"):
        ClientSettings.for_dependency("Pay Pal", **GOOD)


def test_a_profile_gives_defaults_and_explicit_settings_win() -> None:
    """The named strategy fills in what is not set."""
    patient = ClientSettings(**GOOD, profile="patient", max_attempts=4)
    assert (patient.max_attempts, patient.deadline_s, patient.backoff_cap_s) == (4, 120.0, 20.0)
    assert ClientSettings(**GOOD, profile="single").max_attempts == 1


@pytest.mark.parametrize(
    ("feature", "failure"),
    [("retry_connect", "connect"), ("retry_broken", "reset"), ("retry_status", 503)],
)
def test_a_flag_takes_one_row_out_of_the_matrix(feature: str, failure: Any) -> None:
    """Each flag switches its own retries off and no others."""
    rows = ("connect", "reset", 503)
    flags = Features(**{feature: False})
    allowed = [r for r in rows if may_retry(r, method="GET", keyed=False, features=flags)]
    assert allowed == [r for r in rows if r != failure]


def test_without_retry_after_the_provider_is_not_waited_for(bench: Any) -> None:
    """The flag off, an answer that asks to wait is the error, at once, and carries the wait."""
    bench.settings = {"features": {"retry_after": False}}
    answer = httpx.Response(503, headers={"Retry-After": "1"})
    result = bench.run(lambda c: c.get_payment("p1"), answer)
    assert (result.attempts, result.retry_after_s, bench.clock.sleeps) == (1, 1.0, [])


def test_equal_jitter_keeps_half_of_the_wait(bench: Any) -> None:
    """With equal jitter no wait is below half of its ceiling."""
    bench.settings = {"backoff_jitter": "equal", "max_attempts": 6, "deadline_s": 60.0}
    bench.run(lambda c: c.get_payment("p1"), httpx.Response(503))
    ceilings = [0.2, 0.4, 0.8, 1.6, 2.0]
    assert [c / 2 <= s <= c for c, s in zip(ceilings, bench.clock.sleeps, strict=True)] == [True] * 5


def test_the_callback_is_no_part_of_what_is_shown() -> None:
    """Neither repr nor dump shows the callback or what it gives."""
    settings = ClientSettings(
        base_url="https://pay.example", api_key_callback=lambda: SecretStr("sk-canary")
    )
    assert "callback=<" not in repr(settings)
    assert "api_key_callback" not in settings.model_dump()


@pytest.mark.parametrize("profile", ["standard", "brisk", "patient", "single"])
def test_every_policy_is_a_profile_that_can_be_judged(bench: Any, profile: str) -> None:
    """What the client promises is accepted as a galeproof profile, whatever is switched off."""
    for more in ({}, {"retry_after_max_s": 0}, {"features": {"retry_status": False}}):
        policy = bench.build(profile=profile, **more).policy()
        assert parse_profile(policy).deadline_s == policy["deadline_s"]


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("api_key_file", {"api_key_file": ""}),
        ("api_key_file", {"api_key_file": "a\0b"}),
        ("api_key_env", {"api_key_env": ""}),
        ("api_key_callback", {"api_key_callback": lambda: SecretStr(5)}),  # type: ignore[arg-type]
        ("ca_file", {"api_key": "sk-canary", "ca_file": "a\0b"}),
        ("oauth.refresh_token_file", {"oauth": {**OAUTH, "refresh_token_file": "/nowhere/at/all"}}),
    ],
)
def test_a_source_that_gives_nothing_is_named(setting: str, changed: dict[str, Any]) -> None:
    """What settings cannot see is seen when the client is built."""
    with pytest.raises(SettingsError, match=f"^{setting}: "):
        PaymentsClient(ClientSettings(base_url="https://pay.example", **changed))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "foo://us:sk-canary@proxy:1"),
        ("HTTPS_PROXY", "http://us:sk-canary@proxy:port"),
        ("NO_PROXY", "[::1,http://[zz"),
        ("SSL_CERT_FILE", "/nowhere/at/all"),
    ],
)
def test_an_environment_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Its variables are settings, too; no part of their text is shown."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as caught:
        PaymentsClient(ClientSettings(**GOOD))
    assert "sk-canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("named", "call"),
    [
        ("amount", lambda client: client.create_payment(1.5, "EUR", "r")),
        ("amount", lambda client: client.create_payment("5", "EUR", "r")),
        ("currency", lambda client: client.create_payment(5, None, "r")),
        ("payment_id", lambda client: client.get_payment(5)),
        ("payment_id", lambda client: client.get_payment("\ud800")),
        ("correlation_id", lambda client: client.get_payment("p1", correlation_id=5)),
        ("idempotency_key", lambda client: client.refund("p1", 5, idempotency_key=7)),
        ("deadline_s", lambda client: client.get_payment("p1", deadline_s="x")),
        ("deadline_s", lambda client: client.get_payment("p1", deadline_s=1e300)),
    ],
)
def test_an_argument_of_another_type_is_named(bench: Any, named: str, call: Any) -> None:
    """Nothing is sent, and the error is of our tree."""
    error = bench.run(call, httpx.Response(500))
    assert (type(error), bench.requests) == (InvalidArgument, [])
    assert str(error).startswith(f"{named}: ")
