"""Static secrets: rotation without restart, revocation, the audit log, and no way out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from galeproof.client import (
    AuditEvent,
    AuthenticationFailed,
    CredentialUnavailable,
    Payment,
    PaymentsClient,
)

NEW = "sk-canary-2"


async def get(client: PaymentsClient) -> Any:
    return await client.get_payment("p1")


def sent(bench: Any) -> list[str]:
    return [r.headers["Authorization"].removeprefix("Bearer ") for r in bench.requests]


@pytest.fixture(params=["file", "env", "callback"])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canary: str
) -> Any:
    """Return settings of a source and what rotates it."""
    if request.param == "file":
        path = tmp_path / "key"
        path.write_text(f"{canary}\n")
        return {"api_key": None, "api_key_file": str(path)}, lambda: path.write_text(NEW)
    if request.param == "env":
        monkeypatch.setenv("GALE_KEY", canary)
        return {"api_key": None, "api_key_env": "GALE_KEY"}, lambda: monkeypatch.setenv("GALE_KEY", NEW)
    held = [canary]
    settings = {"api_key": None, "api_key_callback": lambda: SecretStr(held[-1])}
    return settings, lambda: held.append(NEW)


def guarded(bench: Any, payment: Any, valid: list[str]) -> Any:
    async def answer(request: httpx.Request) -> httpx.Response:
        given = request.headers["Authorization"].removeprefix("Bearer ")
        return payment() if given == valid[-1] else httpx.Response(401)

    return answer


def test_a_rotated_secret_is_used_without_restart(bench: Any, payment: Any, canary: str, source: Any) -> None:
    """After the rotation no operation is lost, and the old value is never sent again."""
    bench.settings, rotate = source
    valid = [canary]

    async def call(client: PaymentsClient) -> list[Any]:
        first = await get(client)
        rotate()
        valid.append(NEW)
        return [first, await get(client), await get(client)]

    results = bench.run(call, guarded(bench, payment, valid))
    assert [type(r) for r in results] == [Payment] * 3
    # a callback is asked only when its value was refused, or is old
    late = ["api_key_callback"] if "api_key_callback" in bench.settings else []
    assert sent(bench) == [canary, *(canary for _ in late), NEW, NEW]


def test_the_old_value_is_redacted_after_the_rotation(
    bench: Any, payment: Any, canary: str, source: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Old and new value stay out of every log."""
    caplog.set_level(1)
    bench.settings, rotate = source

    async def call(client: PaymentsClient) -> None:
        await get(client)
        rotate()
        bench.clock.now_s += 61
        await get(client)
        for secret in (canary, NEW):
            logging.getLogger("httpx").info("echo %s", secret)

    bench.run(call, payment())
    assert canary not in caplog.text
    assert NEW not in caplog.text


def test_a_refused_secret_is_not_retried(bench: Any) -> None:
    """A value that its source still gives is refused once: no retry."""
    result = bench.run(get, httpx.Response(401))
    assert (type(result), result.attempts, len(bench.requests)) == (AuthenticationFailed, 1, 1)


def test_a_revoked_secret_is_never_sent_again(bench: Any, payment: Any) -> None:
    """After the revocation an operation fails at once and sends nothing."""

    async def call(client: PaymentsClient) -> Any:
        await get(client)
        await client.revoke_credentials()
        return await get(client)

    result = bench.run(call, payment())
    facts = (type(result), result.code, result.attempts, len(bench.requests))
    assert facts == (CredentialUnavailable, "credential_revoked", 0, 1)


def test_a_source_that_fails_for_a_moment_leaves_the_last_value(
    bench: Any, payment: Any, canary: str, tmp_path: Path
) -> None:
    """A file that is being replaced, or is empty, does not stop the client."""
    path = tmp_path / "key"
    path.write_text(canary)
    bench.settings = {"api_key": None, "api_key_file": str(path)}

    async def call(client: PaymentsClient) -> None:
        path.unlink()
        await get(client)
        path.write_text("")
        await get(client)

    bench.run(call, payment())
    assert sent(bench) == [canary, canary]


def test_the_audit_log_names_every_use_and_change(
    bench: Any, payment: Any, canary: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Uses, changes, refusals and revocations are events with names; no value is in any."""
    caplog.set_level(logging.INFO, "galeproof.client.audit")
    path = tmp_path / "key"
    path.write_text(canary)
    events: list[AuditEvent] = []
    bench.settings = {"api_key": None, "api_key_file": str(path), "dependency": "payments"}
    bench.options = {"audit": events.append}

    async def call(client: PaymentsClient) -> None:
        await client.get_payment("p1", correlation_id="corr-1")
        path.write_text(NEW)
        await get(client)
        await client.revoke_credentials()

    bench.run(call, payment())
    assert [(e.action, e.credential, e.generation, e.dependency) for e in events] == [
        ("use", "api_key_file", 1, "payments"),
        ("changed", "api_key_file", 2, "payments"),
        ("use", "api_key_file", 2, "payments"),
        ("revoked", "api_key_file", 2, "payments"),
    ]
    assert events[0].correlation_id == "corr-1"
    lines = [r.getMessage() for r in caplog.records if r.name == "galeproof.client.audit"]
    assert lines[0] == (
        "action=use credential=api_key_file generation=1 dependency=payments "
        "correlation_id=corr-1 detail=-"
    )
    assert len(lines) == 4
    assert [s for s in (canary, NEW) if s in repr(events) + caplog.text] == []


def test_a_callback_that_breaks_is_named_without_its_text(bench: Any, canary: str) -> None:
    """What a callback raises may hold the secret: only its class is told."""

    def broken() -> SecretStr:
        raise RuntimeError(canary)

    bench.settings = {"api_key": None, "api_key_callback": broken}
    with pytest.raises(ValueError, match="^api_key_callback: the callback raised RuntimeError$") as caught:
        bench.build()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_log_record_with_a_librarys_exception_is_redacted(
    bench: Any, payment: Any, canary: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A traceback written through a watched logger shows no secret."""

    async def call(client: PaymentsClient) -> None:
        try:
            raise httpx.ReadError(f"sent {canary}")
        except httpx.ReadError:
            logging.getLogger("httpx").exception("broken")

    bench.run(call, payment())
    assert "ReadError" in caplog.text
    assert canary not in caplog.text
