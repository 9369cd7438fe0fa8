"""Error documents of many shapes, pages, notices, identity and the deadline that is passed on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from galeproof.client import Notice, PayloadError, PaymentsClient, deadline_of
from galeproof.client.identity import new_trace_id, traceparent
from galeproof.client.notices import read_notice
from galeproof.client.payload import read_problem

Good = Callable[[], httpx.Response]
NOW_S = 784111777.0


async def create(client: PaymentsClient) -> Any:
    return await client.create_payment(500, "EUR", "abc", correlation_id="corr-1")


@pytest.mark.parametrize(
    ("document", "code", "title"),
    [
        ({"type": "https://x/out-of-credit", "title": "No credit", "status": 403},
         "https://x/out-of-credit", "No credit"),
        ({"errors": [{"status": "422", "title": "Bad"}]}, None, "Bad"),
        ({"type": "about:blank", "title": "Bad", "code": "bad_amount"}, "bad_amount", "Bad"),
        ({"error": {"code": "card_declined", "message": "No"}}, "card_declined", "No"),
        ({"error": {"code": 404, "message": "No", "status": "NOT_FOUND"}}, "NOT_FOUND", "No"),
        ({"error": "invalid_grant", "error_description": "Old"}, "invalid_grant", "Old"),
        ({"errors": [{"code": "E1", "detail": "First"}, {"code": "E2"}]}, "E1", "First"),
        ({"__type": "ThrottlingException", "message": "Slow"}, "ThrottlingException", "Slow"),
        ({"fault": {"faultstring": "Bad", "detail": {"errorcode": "oauth.x"}}}, "oauth.x", "Bad"),
        ({"detail": "Not found."}, None, "Not found."),
        ({"detail": [{"loc": ["body"], "msg": "required", "type": "missing"}]}, "missing", "required"),
        ([{"errorCode": "X", "message": "Y"}], "X", "Y"),
        ({"code": 17, "message": "Y"}, "17", "Y"),
        ({}, None, None),
        ([], None, None),
        ("text", None, None),
        (None, None, None),
    ],
)
def test_error_documents_of_many_shapes(document: Any, code: str | None, title: str | None) -> None:
    """Code and title are found wherever a provider puts them."""
    problem = read_problem(json.dumps(document).encode())
    assert (code, title) == (problem.code, problem.title)


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5).map(
    lambda v: json.dumps({"error": v, "errors": v, "detail": v, "retry_after": v}).encode()))
def test_no_document_breaks_the_reader(body: bytes) -> None:
    """Any bytes give a problem, and its texts fit into one line."""
    problem = read_problem(body)
    shown = f"{problem.code}{problem.title}"
    assert shown.isprintable()


@pytest.mark.parametrize("body", [{"retry_after": 2.5}, {"error": {"retryAfter": 2.5}}])
def test_a_wait_in_the_body_reaches_the_error(bench: Any, body: Any) -> None:
    """Some providers say in the document when to come back."""
    bench.settings = {"max_attempts": 1}
    result = bench.run(create, httpx.Response(429, json=body))
    assert result.retry_after_s == 2.5


def test_the_error_keeps_all_that_is_known(bench: Any) -> None:
    """Status, code, time, wait, correlation id, attempts and the effect stand on the error."""
    answers = [
        httpx.Response(500),
        httpx.Response(503, json={"code": "busy"}, headers={"Retry-After": "9"}),
    ]
    result = bench.run(create, *answers)
    facts = result.facts
    assert (facts.status, facts.code, facts.retry_after_s) == (503, "busy", 9.0)
    assert (facts.correlation_id, facts.attempts, facts.effect_unknown) == ("corr-1", 2, True)
    assert facts.timestamp == datetime.fromtimestamp(bench.clock.wall(), UTC)


def pages(bench: Any, payment: Good, cursors: list[str | None]) -> Any:
    document = json.loads(payment().content)

    async def answer(request: httpx.Request) -> httpx.Response:
        cursor = cursors[len(bench.requests) - 1]
        return httpx.Response(200, json={"items": [document], "next_cursor": cursor})

    return answer


async def walk(client: PaymentsClient) -> int:
    return len([payment async for payment in client.iterate_payments()])


def test_all_pages_are_walked(bench: Any, payment: Good) -> None:
    """Each page is asked for with the cursor of the one before."""
    assert bench.run(walk, pages(bench, payment, ["a", "b", None])) == 3
    assert [r.url.query for r in bench.requests] == [b"", b"cursor=a", b"cursor=b"]


def test_pages_that_go_in_a_circle_end(bench: Any, payment: Good) -> None:
    """A cursor that comes twice is an error, not an endless loop."""
    result = bench.run(walk, pages(bench, payment, ["a", "b", "a", "b"]))
    assert (type(result), result.code, len(bench.requests)) == (PayloadError, "cursor_repeated", 3)


def test_the_number_of_pages_is_bounded(bench: Any, payment: Good) -> None:
    """A provider that never ends is given up at the limit."""
    bench.settings = {"max_pages": 4}
    result = bench.run(walk, pages(bench, payment, [str(n) for n in range(9)]))
    assert (type(result), result.code, len(bench.requests)) == (PayloadError, "too_many_pages", 4)


@pytest.mark.parametrize(
    ("headers", "deprecated", "sunset", "link"),
    [
        ({"deprecation": "@1688169599", "sunset": "Sun, 06 Nov 1994 08:49:37 GMT"},
         1688169599, 784111777, None),
        ({"deprecation": "true", "link": '<https://x/doc>; rel="deprecation"'}, None, None, "https://x/doc"),
        ({"deprecation": "Sun, 06 Nov 1994 08:49:37 GMT"}, 784111777, None, None),
        ({"sunset": "whenever"}, None, None, None),
        ({"deprecation": "@99999999999999"}, None, None, None),
    ],
)  # fmt: skip
def test_notices_are_read(
    headers: dict[str, str], deprecated: int | None, sunset: int | None, link: str | None
) -> None:
    """RFC 9745, the draft before it, and RFC 8594; what cannot be read is still a notice."""
    notice = read_notice("GET /x", headers, wall_s=NOW_S)
    assert notice is not None
    read = [None if t is None else t.timestamp() for t in (notice.deprecated_at, notice.sunset_at)]
    assert (read, notice.link) == ([deprecated, sunset], link)


@pytest.mark.parametrize("headers", [{}, {"deprecation": "false"}, {"link": "<https://x>; rel=next"}])
def test_no_notice_is_none(headers: dict[str, str]) -> None:
    """Answers that announce nothing give nothing."""
    assert read_notice("GET /x", headers, wall_s=NOW_S) is None


def test_a_deprecated_route_is_reported_once(
    bench: Any, payment: Good, caplog: pytest.LogCaptureFixture
) -> None:
    """The old route of a payment works, and its end is told once: callback, log and property."""
    told: list[Notice] = []
    bench.options = {"on_notice": told.append}
    answer = payment()
    answer.headers["Deprecation"] = "@1688169599"
    answer.headers["Sunset"] = "Wed, 01 Jan 2031 00:00:00 GMT"

    async def call(client: PaymentsClient) -> Any:
        await client.get_charge("p1")
        await client.get_charge("p1")
        return client.notices

    seen = bench.run(call, answer)
    assert (seen, bench.requests[0].url.path) == (tuple(told), "/base/charges/p1")
    assert (told[0].route, told[0].sunset_at) == ("GET /charges/{charge_id}", datetime(2031, 1, 1, tzinfo=UTC))
    assert len([r for r in caplog.records if r.getMessage().startswith("deprecated ")]) == 1


def test_every_attempt_carries_one_trace_and_its_own_span(bench: Any, payment: Good) -> None:
    """traceparent keeps its trace id over the attempts, and two operations differ in it."""

    async def call(client: PaymentsClient) -> None:
        await create(client)
        await create(client)

    bench.run(call, httpx.Response(503), httpx.Response(503), payment())
    found = [r.headers["traceparent"] for r in bench.requests]
    assert all(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", value) for value in found)
    assert len(set(found)) == 4
    assert [len({v.split("-")[1] for v in part}) for part in (found[:3], found)] == [1, 2]
    assert {r.headers["User-Agent"] for r in bench.requests} == {"galeproof-client"}


def test_trace_ids_are_never_all_zero() -> None:
    """Zeros mean "no trace" and are avoided."""

    class Zero(Random):
        def getrandbits(self, k: int) -> int:
            return 0

    assert new_trace_id(Zero()) == "0" * 31 + "1"
    assert traceparent("a" * 32, Zero()) == f"00-{'a' * 32}-{'0' * 15}1-00"


def test_the_deadline_is_passed_on_and_shrinks(bench: Any, payment: Good) -> None:
    """The header says in milliseconds what remains, less with every attempt."""

    async def slow(request: httpx.Request) -> httpx.Response:
        await bench.clock.spend(1.0)
        return httpx.Response(503) if len(bench.requests) < 3 else payment()

    bench.run(create, slow)
    left = [int(r.headers["X-Deadline-Ms"]) for r in bench.requests]
    assert left[0] == 6000
    assert [a - b >= 1000 for a, b in pairwise(left)] == [True, True]


def test_the_deadline_header_can_be_left_out(bench: Any, payment: Good) -> None:
    """Without a name there is no header."""
    bench.settings = {"deadline_header": None}
    bench.run(create, payment())
    assert "X-Deadline-Ms" not in bench.requests[0].headers


@pytest.mark.parametrize(
    ("header", "expected"),
    [("500", 0.5), ("0", 0.001), ("9000", 2.0), (None, 2.0), ("soon", 2.0), ("-1", 2.0), ("²", 2.0),
     ("9" * 30, 2.0)],
)  # fmt: skip
def test_a_callers_deadline_bounds_ours(header: str | None, expected: float) -> None:
    """min(local, remaining); what cannot be read bounds nothing."""
    assert deadline_of(header, local_s=2.0) == expected


def test_the_summary_is_for_people_and_free_of_secrets(bench: Any, canary: str) -> None:
    """Every promise stands in the table, and no secret does."""
    bench.settings = {"rate": {"per_s": 5}, "features": {"breaker": False}}

    async def both(client: PaymentsClient) -> str:
        return client.policy_summary()

    summary = bench.run(both, None)
    assert "| Deadline | 6 s for the whole operation, passed on as `X-Deadline-Ms` |" in summary
    assert "| Circuit breaker | switched off |" in summary
    assert canary not in summary


def test_a_report_of_a_notice_that_breaks_costs_no_operation(bench: Any, payment: Any) -> None:
    """What `on_notice` raises is logged; the payment that was made is returned."""

    def broken(notice: Any) -> None:
        raise RuntimeError("the pager is down")

    bench.options = {"on_notice": broken}
    answer = payment()
    answer.headers["Deprecation"] = "@1"
    made = bench.run(lambda client: client.create_payment(5, "EUR", "r"), answer)
    assert made.id == "p1"


@pytest.mark.parametrize(("status", "unknown"), [(302, True), (303, True), (307, False), (308, False)])
def test_a_payment_that_is_answered_elsewhere_may_have_been_made(
    bench: Any, status: int, unknown: bool
) -> None:
    """303 and its kin follow an effect; 307 and 308 say that there was none."""
    answer = httpx.Response(status, headers={"Location": "https://other.example/"})
    error = bench.run(lambda client: client.create_payment(5, "EUR", "r"), answer)
    assert (error.status, error.effect_unknown) == (status, unknown)
