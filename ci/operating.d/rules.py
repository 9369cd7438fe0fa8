"""SLOs of the client, and Prometheus's recording and alerting rules for them.

Burn rates over two windows each (Site Reliability Workbook, chapter 5): the long window says that it
matters, the short one that it still goes on.
"""

# ruff: noqa: E501, expressions are one line each

from __future__ import annotations

from dataclasses import dataclass

from galeproof.client import ClientSettings

__all__ = ["ALERTS", "BURNS", "SLOS", "Alert", "Burn", "Slo", "rules_text"]

DOCS = "docs/operating/runbook"
_DEFAULTS = ClientSettings(base_url="https://payments.example", api_key="-")
_OPERATIONS = "galeproof_client_operation_duration_seconds"
_ATTEMPTS = "http_client_request_duration_seconds"
# a caller's own mistakes and second thoughts burn nobody's budget
_FINE = "|NotFound|Rejected|cancelled"
WITHIN_S = _DEFAULTS.read_timeout_s


@dataclass(frozen=True, slots=True)
class Slo:
    """One objective: `target` of all events are good, over 30 days; `bad` is their share by window."""

    name: str
    title: str
    target: float
    bad: str


@dataclass(frozen=True, slots=True)
class Burn:
    """Two windows and the burn rate that both must exceed."""

    long: str
    short: str
    factor: float
    severity: str
    hold: str
    spent: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: `summary` is a line for whoever is woken."""

    name: str
    expr: str
    hold: str
    severity: str
    summary: str


def _rate(selector: str) -> str:
    return f"sum by (server_address) (rate({selector}[WINDOW]))"


_ALL = _rate(f'{_OPERATIONS}_count{{error_type!="cancelled"}}')
_GOOD = _rate(f'{_OPERATIONS}_count{{error_type=""}}')
SLOS = (
    Slo("errors", "Operations succeed", 0.999,
        f'({_rate(f"{_OPERATIONS}_count{{error_type!~{chr(34)}{_FINE}{chr(34)}}}")} or 0 * {_ALL}) / {_ALL}'),
    # exporters write the bound as 1 or as 1.0
    Slo("slow", f"Successful operations take at most {WITHIN_S:g} s", 0.99,
        f'1 - {_rate(f"{_OPERATIONS}_bucket{{error_type={chr(34)*2},le=~{chr(34)}{WITHIN_S:g}([.]0)?{chr(34)}}}")} / {_GOOD}'),
)
BURNS = (
    Burn("1h", "5m", 14.4, "page", "2m", "2 % of the month's budget in an hour"),
    Burn("6h", "30m", 6.0, "page", "5m", "5 % in six hours"),
    Burn("1d", "2h", 3.0, "ticket", "15m", "10 % in a day"),
    Burn("3d", "6h", 1.0, "ticket", "1h", "10 % in three days"),
)
_NAMES = {"errors": "PaymentsClientErrorBudgetBurn", "slow": "PaymentsClientLatencyBudgetBurn"}
_LOW = _DEFAULTS.retry_budget.capacity / 5
ALERTS = (
    Alert("PaymentsClientBreakerOpen", "max by (galeproof_dependency) (galeproof_client_breaker_state) == 2", "1m", "page",
          "The breaker of {{ $labels.galeproof_dependency }} has not closed for a minute: its calls fail at once."),
    Alert("PaymentsClientRetryBudgetLow",
          f"min by (galeproof_dependency) (galeproof_client_retry_budget_left) < {_LOW:g}", "5m", "ticket",
          "Of the retry budget for {{ $labels.galeproof_dependency }} less than a fifth is left: soon nothing is retried."),
    Alert("PaymentsClientRetriesHigh",
          "sum by (server_address) (rate(galeproof_client_retries_total[10m])) / "
          f"sum by (server_address) (rate({_OPERATIONS}_count[10m])) > 0.2", "10m", "ticket",
          "More than one operation in five to {{ $labels.server_address }} needs a retry."),
    Alert("PaymentsClientThrottled",
          "sum by (server_address, error_type) (rate(galeproof_client_throttled_total[10m])) / on (server_address) group_left "
          f"sum by (server_address) (rate({_OPERATIONS}_count[10m])) > 0.05", "10m", "ticket",
          "The client holds back calls to {{ $labels.server_address }} itself: {{ $labels.error_type }}."),
    Alert("PaymentsClientCredentialRefused",
          f'sum by (server_address) (rate({_OPERATIONS}_count{{error_type=~"AuthenticationFailed|CredentialUnavailable"}}[5m])) > 0',
          "2m", "page", "{{ $labels.server_address }} refuses our credential, or there is none."),
    Alert("PaymentsClientDeadLetter", "max by (galeproof_outbox) (galeproof_client_outbox_dead) > 0", "5m", "ticket",
          "Calls in the outbox {{ $labels.galeproof_outbox }} were given up: somebody must decide about each of them."),
    Alert("PaymentsClientTailSlow",
          f"galeproof:attempt_duration:p999_rate1h > {0.9 * WITHIN_S:g}", "30m", "ticket",
          "p99.9 of one attempt at {{ $labels.url_template }} comes near the read timeout."),
)


def rules_text() -> str:
    """Return the rules file."""
    lines = ["# Made by ci/operating.", "groups:"]
    for slo in SLOS:
        lines += [f"- name: galeproof-client-{slo.name}", "  rules:"]
        for window in sorted({w for b in BURNS for w in (b.long, b.short)}, key=_seconds):
            lines += _record(f"galeproof:operation_{slo.name}:ratio_rate{window}", slo.bad.replace("WINDOW", window))
        for burn in BURNS:
            lines += _alert(_burn_alert(slo, burn), {"window": burn.long})
    lines += ["- name: galeproof-client-latency", "  rules:"]
    for name, share in (("p95", 0.95), ("p99", 0.99), ("p999", 0.999)):
        for window in ("5m", "1h"):
            for kind, metric in (("operation", _OPERATIONS), ("attempt", _ATTEMPTS)):
                lines += _record(
                    f"galeproof:{kind}_duration:{name}_rate{window}",
                    f"histogram_quantile({share:g}, sum by (server_address, http_request_method, url_template, le) "
                    f"(rate({metric}_bucket[{window}])))")
    lines += ["- name: galeproof-client-state", "  rules:"]
    for alert in ALERTS:
        lines += _alert(alert, {})
    return "\n".join(lines) + "\n"


def _burn_alert(slo: Slo, burn: Burn) -> Alert:
    most = burn.factor * (1 - slo.target)
    ratio = f"galeproof:operation_{slo.name}:ratio_rate"
    return Alert(
        _NAMES[slo.name], f"{ratio}{burn.long} > {most:g} and {ratio}{burn.short} > {most:g}", burn.hold,
        burn.severity,
        f"{slo.title} at {{{{ $labels.server_address }}}}: the error budget burns {burn.factor:g} times too fast ({burn.spent}).")


def _record(name: str, expr: str) -> list[str]:
    return [f"  - record: {name}", f"    expr: {_quoted(expr)}"]


def _alert(alert: Alert, labels: dict[str, str]) -> list[str]:
    more = [f"      {name}: {value}" for name, value in labels.items()]
    return [
        f"  - alert: {alert.name}", f"    expr: {_quoted(alert.expr)}", f"    for: {alert.hold}", "    labels:",
        f"      severity: {alert.severity}", *more, "    annotations:", f"      summary: {_quoted(alert.summary)}",
        f"      runbook: {DOCS}/{alert.name}.md",
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _seconds(window: str) -> int:
    return int(window[:-1]) * {"m": 60, "h": 3600, "d": 86400}[window[-1]]
