"""What is said about operating the client: pages, rules, runbook, and the names that rules use."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from galeproof.client import ClientError, ClientSettings, Outbox, PaymentsClient

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "operating"
RULES = DOCS / "prometheus" / "rules.yml"
_NAME = re.compile(r"\b(?:http_client|galeproof_client)_[a-z_]+")
_LABELS = re.compile(r"(?:\bby|\bon) \(([a-z_, ]+)\)|([a-z_]+)(?==~|!~|=\"|!=)")


def rules(kind: str) -> list[dict[str, Any]]:
    """Return the recording rules (`record`) or the alerts (`alert`)."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def promtool(*words: str) -> str:
    """Run promtool; its output where it finds something, else nothing."""
    if shutil.which("promtool") is None:
        pytest.skip("no promtool on PATH (Debian: apt-get install prometheus)")
    done = subprocess.run(["promtool", *words], cwd=RULES.parent, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_pages_are_what_the_code_says() -> None:
    """Objectives, rules, the provider's contract and the life of a secret are up to date."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "ci" / "operating"), "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_prometheus_takes_the_rules() -> None:
    """`promtool check rules` finds nothing wrong."""
    assert promtool("check", "rules", RULES.name) == ""


def test_the_rules_own_tests_hold() -> None:
    """`promtool test rules`: each alert fires where it must, and stays silent where it must."""
    assert promtool("test", "rules", "rules_test.yml") == ""


def test_a_wrong_expectation_would_be_found(tmp_path: Path) -> None:
    """promtool is able to fail: with one expectation turned round, it does."""
    shutil.copy(RULES, tmp_path)
    text = (RULES.parent / "rules_test.yml").read_text("utf-8")
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(text.replace("values: '0x10 2x50'", "values: '0x60'"), "utf-8")
    assert "PaymentsClientBreakerOpen" in promtool("test", "rules", str(wrong))


def test_every_alert_is_tested_both_ways() -> None:
    """Each alert has a case in which it fires and one in which it does not."""
    cases = [case for test in yaml.safe_load((RULES.parent / "rules_test.yml").read_text())["tests"]
             for case in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules("alert")}
    assert {c["alertname"] for c in cases if c["exp_alerts"]} == names
    assert {c["alertname"] for c in cases if not c["exp_alerts"]} == names


def test_every_alert_has_its_page_and_leads_to_it() -> None:
    """The annotation names a page that exists, says what to look at and what to do; no page is left over."""
    alerts = rules("alert")
    for alert in alerts:
        page = ROOT / alert["annotations"]["runbook"]
        text = page.read_text("utf-8")
        assert (page.stem, text.splitlines()[0]) == (alert["alert"], f"# {alert['alert']}")
        assert ("\n## Look\n" in text, "\n## Do\n" in text) == (True, True), page
    assert {p.stem for p in (DOCS / "runbook").iterdir()} == {a["alert"] for a in alerts}


def test_links_of_the_pages_lead_somewhere() -> None:
    """Every relative link of every page names a file."""
    for page in [*DOCS.glob("*.md"), *(DOCS / "runbook").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def exported() -> str:
    """Return what a client in trouble exports to Prometheus."""
    pytest.importorskip("opentelemetry.exporter.prometheus")
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import REGISTRY, generate_latest

    reader = PrometheusMetricReader()
    meters = MeterProvider([reader])
    payment = {"id": "p1", "amount": 5, "currency": "EUR", "status": "settled", "reference": "r",
               "created_at": "2026-01-01T00:00:00Z"}
    answers = [httpx.Response(503), httpx.Response(200, json=payment), *[httpx.Response(503)] * 9]

    async def main() -> None:
        settings = ClientSettings(
            base_url="https://pay.example", api_key="k", backoff_base_s=0.01, backoff_cap_s=0.01,
            breaker={"calls": 4, "ratio": 0.5})
        transport = httpx.MockTransport(lambda request: answers.pop(0))
        async with (
            PaymentsClient(settings, transport=transport, meter_provider=meters) as client,
            Outbox(":memory:", {}, meter_provider=meters),
        ):
            for _ in range(4):
                with contextlib.suppress(ClientError):
                    await client.get_payment("p1")
            said.append(generate_latest(REGISTRY).decode())

    said: list[str] = []
    try:
        asyncio.run(main())
    finally:
        meters.shutdown()
    return said[0]


def test_the_rules_use_the_names_that_are_exported() -> None:
    """Each metric and each label of each rule is in what the client exports, to the letter."""
    text = exported()
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    names = {line.partition("{")[0].partition(" ")[0] for line in samples}
    labels = {label for line in samples for label in re.findall(r'([a-z_]+)="', line)}
    found = [rule["expr"] for kind in ("record", "alert") for rule in rules(kind)]
    used = {name for expr in found for name in _NAME.findall(expr)}
    asked = {label.strip() for expr in found for both in _LABELS.findall(expr)
             for label in ",".join(both).split(",") if label.strip()}
    assert len(used) >= 7
    assert used <= names
    assert {"server_address", "error_type", "le", "galeproof_dependency"} <= asked <= labels


def test_the_bound_of_the_latency_objective_is_a_bucket() -> None:
    """The objective's second is a bound of the histogram, as the exporter writes it."""
    (bound,) = {m for r in rules("record") for m in re.findall(r'le=~"([^"]+)"', r["expr"])}
    exact = [le for le in re.findall(r'operation_duration_seconds_bucket.*?le="([^"]+)"', exported())
             if re.fullmatch(bound, le)]
    assert exact != []
