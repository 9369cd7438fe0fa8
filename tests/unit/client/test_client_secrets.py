"""Secrets stay out of logs, errors and reprs; errors form one tree and survive pickling."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import pickle
import traceback
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import SecretStr

import galeproof.client
from galeproof.client import (
    ClientError,
    ClientSettings,
    ErrorFacts,
    PaymentsClient,
    RateLimited,
    SettingsError,
    SystemClock,
    errors,
)
from galeproof.client.redaction import Redactor


async def get(client: PaymentsClient) -> Any:
    return await client.get_payment("p1")


@pytest.mark.parametrize(
    "build",
    [
        lambda s: httpx.ReadTimeout(f"boom {s}"),
        lambda s: httpx.LocalProtocolError(f"Illegal header value {s}"),
        lambda s: httpx.Response(400, json={"title": f"bad key {s}", "code": s}),
        lambda s: httpx.Response(200, content=f'{{"id": {s}'.encode()),
        lambda s: httpx.Response(200, json={"id": s, "amount": s}),
    ],
)
def test_no_error_leads_to_the_secret(bench: Any, canary: str, build: Any) -> None:
    """Text, repr, facts, chain, pickle and traceback of an error are free of the secret."""
    error = bench.run(get, build(canary))
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.facts)
    assert canary not in shown
    assert canary.encode() not in pickle.dumps(error)
    assert (error.__cause__, error.__context__) == (None, None)


def test_logs_hold_one_line_per_attempt_and_no_secret(
    bench: Any, canary: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each attempt writes its line with fixed fields; nothing at any level shows the secret."""
    caplog.set_level(1)
    echo = httpx.Response(503, headers={"Set-Cookie": f"k={canary}"}, json={"title": canary})
    bench.run(get, echo)
    lines = [r.getMessage() for r in caplog.records if r.name == "galeproof.client"]
    correlation_id = bench.requests[0].headers["X-Request-Id"]
    assert lines == [
        f"method=GET route=/payments/{{payment_id}} attempt={n} status=503 outcome=refused "
        f"correlation_id={correlation_id}"
        for n in (1, 2, 3)
    ]
    assert canary not in caplog.text


def test_the_librarys_debug_lines_are_redacted(
    canary: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A provider that echoes the key and sets cookies leaves neither in httpcore's DEBUG lines."""
    caplog.set_level(1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            f"HTTP/1.1 404 {canary}\r\nX-Echo: Bearer {canary}\r\n"
            f"Set-Cookie: session=hush\r\nContent-Length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = ClientSettings(base_url=f"http://127.0.0.1:{port}", api_key=canary)
        async with server, PaymentsClient(settings) as client:
            with pytest.raises(galeproof.client.NotFound):
                await client.get_payment("p1")

    asyncio.run(main())
    assert "receive_response_headers.complete" in caplog.text
    assert canary not in caplog.text
    assert "hush" not in caplog.text


def test_reprs_are_clean(bench: Any, canary: str) -> None:
    """Neither client nor settings show the key, one level of attributes included."""
    settings = bench.build_settings()
    client = PaymentsClient(settings)
    shown = repr(client) + repr(settings) + repr(vars(client)) + str(settings.model_dump())
    shown += "".join(repr(vars(part)) for part in vars(client).values() if hasattr(part, "__dict__"))
    asyncio.run(client.aclose())
    assert canary not in shown


def test_closing_removes_the_filters(bench: Any) -> None:
    """A closed client leaves nothing behind on the loggers."""
    before = list(logging.getLogger("httpcore.http11").filters)
    client = PaymentsClient(bench.build_settings())
    asyncio.run(client.aclose())
    assert logging.getLogger("httpcore.http11").filters == before


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("read_timeout_s", -1),
        ("deadline_s", 0),
        ("connect_timeout_s", float("inf")),
        ("max_attempts", 0),
        ("backoff_cap_s", 0.1),
        ("backoff_factor", 0.5),
        ("retry_after_max_s", -1),
        ("base_url", "ftp://x"),
        ("base_url", "http://user:sk-canary@x"),
        ("api_key", "sk-canary\r\nX: y"),
        ("idempotency_header", "a b"),
        ("nonsense", "sk-canary"),
    ],
)
def test_a_wrong_setting_is_named(bench: Any, setting: str, value: Any) -> None:
    """The error names the setting and shows no value of it."""
    bench.settings = {setting: value}
    with pytest.raises(SettingsError) as caught:
        bench.build_settings()
    assert caught.value.message.startswith(setting)
    assert "sk-canary" not in "".join(traceback.format_exception(caught.value))


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """GALEPROOF_CLIENT_* variables fill the settings."""
    monkeypatch.setenv("GALEPROOF_CLIENT_BASE_URL", "https://x/")
    monkeypatch.setenv("GALEPROOF_CLIENT_API_KEY", "k")
    monkeypatch.setenv("GALEPROOF_CLIENT_MAX_ATTEMPTS", "5")
    settings = ClientSettings()
    assert (settings.base_url, settings.max_attempts) == ("https://x", 5)


def test_errors_form_one_tree() -> None:
    """Every exported error has the one root."""
    kinds = [v for n, v in vars(errors).items() if n in errors.__all__ and n != "ErrorFacts"]
    assert [k for k in kinds if not issubclass(k, ClientError)] == []


def test_errors_survive_pickling() -> None:
    """Class, message and facts come back from another process."""
    error = RateLimited("slow down", ErrorFacts(status=429, retry_after_s=3.0, attempts=2))
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), back.message, back.facts) == (RateLimited, error.message, error.facts)


def test_all_is_sorted_and_real() -> None:
    """`__all__` is sorted and names exactly what the package offers."""
    offered = sorted(
        name
        for name, value in vars(galeproof.client).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    )
    assert galeproof.client.__all__ == offered


def test_the_policy_is_a_profile(bench: Any) -> None:
    """The client exports what it promises."""

    async def policy(client: PaymentsClient) -> dict[str, Any]:
        return client.policy()

    found = bench.run(policy, None)
    assert "galeproof.client.TimedOut" == found.pop("errors")["timeout"]
    assert found == {
        "max_attempts": 3,
        "typed_answers": True,
        "max_response_bytes": 4_194_304,
        "max_redirects": 3,
        "secret_reload_s": 0.0,
        "connect_timeout_s": 1.0,
        "read_timeout_s": 1.0,
        "deadline_s": 6.0,
        "retry_on": ["connect", "reset", "timeout", "truncated", 408, 429, 500, 502, 503, 504],
        "backoff": {"base_s": 0.2, "factor": 2.0, "cap_s": 2.0, "jitter": "full"},
        "retry_after_max_s": 5.0,
        "idempotency_key": "Idempotency-Key",
        "correlation_id": "X-Request-Id",
        "deadline_header": "X-Deadline-Ms",
        "rate_limit_fields": True,
        "retry_budget": True,
        "breaker": {"calls": 200, "reset_s": 5.5, "probes": 3},
        "throttle": {"window_s": 30.0},
        "bulkhead": {"limit": 100, "per_route": 80},
    }


def test_the_system_clock_ends_a_stuck_body() -> None:
    """The real limit cancels what hangs and says TimeoutError."""

    async def main() -> None:
        async with SystemClock().limit(0.001):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(main())


@pytest.mark.parametrize("shown", [repr, json.dumps, lambda text: repr([text.encode(), b'"'])])
def test_a_secret_with_quotes_and_backslashes_is_redacted_in_every_form(shown: Any) -> None:
    """repr and JSON write such a secret otherwise than it is; httpcore logs headers as repr."""
    secret = "sk'can\\ary\"0123+/%9"
    text = Redactor([SecretStr(secret)]).text(shown(f"X-Echo {secret}"))
    assert "can" not in text
    assert "0123" not in text


@pytest.mark.parametrize("filled", range(180, 200, 3))
@pytest.mark.parametrize("field", ["code", "title"])
def test_a_text_that_is_cut_shows_no_half_of_a_secret(
    bench: Any, canary: str, filled: int, field: str
) -> None:
    """What the provider writes is redacted before it is cut to its greatest length."""
    error = bench.run(get, httpx.Response(400, json={field: "x" * filled + canary}))
    assert canary[:4] not in f"{error} {error.facts!r}"


def test_a_notice_shows_no_secret(bench: Any, canary: str, payment: Any) -> None:
    """A provider that echoes the key into a Link leaves it in no notice."""
    link = f'<https://docs.example/?k={quote(canary)}>; rel="deprecation"'
    answer = payment()
    answer.headers.update({"Deprecation": "@1", "Link": link})

    async def call(client: PaymentsClient) -> str:
        await client.get_payment("p1")
        return repr(client.notices)

    shown = bench.run(call, answer)
    assert "https://docs.example/" in shown
    assert quote(canary) not in shown
