"""One operation of PaymentsClient under faults, in virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from galeproof.client import (
    AuthenticationFailed,
    ClientError,
    ConnectFailed,
    ConnectionReset,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    PayloadError,
    Payment,
    PaymentsClient,
    RateLimited,
    Rejected,
    TimedOut,
    Truncated,
    Unavailable,
)
from galeproof.client.eligibility import may_retry

Good = Callable[[], httpx.Response]


async def get(client: PaymentsClient) -> Payment:
    return await client.get_payment("p1")


async def create(client: PaymentsClient) -> Payment:
    return await client.create_payment(500, "EUR", "abc")


def test_a_payment_is_read(bench: Any, payment: Good) -> None:
    """A good answer becomes a typed payment after one request under the base path."""
    result = bench.run(get, payment())
    assert (result.id, result.amount) == ("p1", 500)
    assert [str(r.url) for r in bench.requests] == ["http://127.0.0.1:9/base/payments/p1"]


def test_the_key_is_the_same_on_every_attempt(bench: Any, payment: Good) -> None:
    """One UUID4 key and one correlation id go with all attempts, the first included."""
    bench.run(create, httpx.Response(503), httpx.ReadTimeout("x"), payment())
    keys = [r.headers["Idempotency-Key"] for r in bench.requests]
    assert keys == [keys[0]] * 3
    assert UUID(keys[0]).version == 4
    assert len({r.headers["X-Request-Id"] for r in bench.requests}) == 1
    assert len({r.content for r in bench.requests}) == 1


def test_each_operation_has_a_key_of_its_own(bench: Any, payment: Good) -> None:
    """Two operations of one client never share a key."""

    async def twice(client: PaymentsClient) -> None:
        await create(client)
        await create(client)

    bench.run(twice, payment(), payment())
    assert len({r.headers["Idempotency-Key"] for r in bench.requests}) == 2


def test_a_given_key_is_sent(bench: Any, payment: Good) -> None:
    """The caller's own key is used as it is."""
    bench.run(lambda c: c.create_payment(1, "EUR", "r", idempotency_key="mine"), payment())
    assert bench.requests[0].headers["Idempotency-Key"] == "mine"


@pytest.mark.parametrize("call", [get, create])
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_statuses_are_retried(bench: Any, payment: Good, status: int, call: Any) -> None:
    """A status that may pass is retried up to success."""
    result = bench.run(call, httpx.Response(status), payment())
    assert (type(result), len(bench.requests)) == (Payment, 2)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, AuthenticationFailed),
        (403, AuthenticationFailed),
        (404, NotFound),
        (405, Rejected),
        (409, Rejected),
        (410, Rejected),
        (422, Rejected),
        (501, Unavailable),
        (505, Unavailable),
    ],
)
def test_definitive_answers_are_not_retried(
    bench: Any, status: int, kind: type[ClientError]
) -> None:
    """A definitive answer is one attempt and its own class of error, with the problem's code."""
    problem = {"type": "about:blank", "title": "No", "code": "nope", "status": status}
    result = bench.run(create, httpx.Response(status, json=problem))
    facts = (type(result), result.status, result.code, result.attempts, result.effect_unknown)
    assert facts == (kind, status, "nope", 1, False)


@pytest.mark.parametrize(
    ("failure", "kind", "unknown"),
    [
        (httpx.ConnectError("[Errno -2] Name or service not known"), ConnectFailed, False),
        (httpx.ConnectTimeout("x"), TimedOut, False),
        (httpx.PoolTimeout("x"), TimedOut, False),
        (httpx.ReadTimeout("x"), TimedOut, True),
        (httpx.WriteTimeout("x"), TimedOut, True),
        (httpx.ReadError("x"), ConnectionReset, True),
        (httpx.RemoteProtocolError("Server disconnected without"), ConnectionReset, True),
    ],
)
def test_transport_failures_are_mapped(
    bench: Any, failure: Exception, kind: type[ClientError], unknown: bool
) -> None:
    """Each transport failure is retried, then becomes its own error, which knows the effect."""
    result = bench.run(create, failure)
    assert (type(result), result.attempts, result.effect_unknown) == (kind, 3, unknown)


def test_a_certificate_refused_is_not_retried(bench: Any) -> None:
    """A certificate does not get better by trying again."""
    result = bench.run(get, httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] bad"))
    assert (type(result), result.attempts) == (ConnectFailed, 1)


@pytest.mark.parametrize("failure", ["timeout", "reset", "truncated", 500, 503, 429])
def test_without_a_key_only_connect_failures_are_retried(failure: Any) -> None:
    """PATCH, and POST without a key, are repeated only when nothing was sent."""
    allowed = [may_retry(failure, method=m, keyed=k) for m, k in (("PATCH", True), ("POST", False))]
    assert allowed == [False, False]
    assert may_retry("connect", method="PATCH", keyed=False)


class CutBody(httpx.AsyncByteStream):
    """A body that breaks off, and remembers that it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"id":'
        raise httpx.RemoteProtocolError("peer closed connection without sending complete body")

    async def aclose(self) -> None:
        self.closed = True


def test_a_truncated_body_is_retried_and_released(bench: Any, payment: Good) -> None:
    """A body cut short is never a success: it is closed and the operation tried again."""
    body = CutBody()
    result = bench.run(get, httpx.Response(200, stream=body), payment())
    assert (type(result), len(bench.requests), body.closed) == (Payment, 2, True)


def test_a_body_always_truncated_is_an_error(bench: Any) -> None:
    """When every body is cut, the error says so and keeps the status."""

    async def cut(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=CutBody())

    result = bench.run(create, cut)
    assert (type(result), result.status, result.effect_unknown) == (Truncated, 200, True)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b'{"id":'),
        httpx.Response(200, content=b""),
        httpx.Response(204),
        httpx.Response(200, html="<html></html>"),
        httpx.Response(200, content=b"\xff\xfe", headers={"content-type": "application/json"}),
        httpx.Response(
            200,
            content=b'{"id": "a", "id": "b", "amount": 5, "currency": "EUR", "status": "settled",'
            b' "reference": "r", "created_at": "2026-01-01T00:00:00Z"}',
        ),
        httpx.Response(200, content=b'{"amount": NaN}'),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, json={"id": "p1"}),
        httpx.Response(
            200,
            json={
                "id": "p1",
                "amount": "500",
                "currency": "EUR",
                "status": "settled",
                "reference": "r",
                "created_at": "2026-01-01T00:00:00Z",
            },
        ),
    ],
)
def test_a_malformed_success_is_an_error(bench: Any, answer: httpx.Response) -> None:
    """A 2xx that is not the promised document is one PayloadError, not retried."""
    result = bench.run(create, answer)
    assert (type(result), result.attempts, result.effect_unknown) == (PayloadError, 1, True)


def test_unknown_fields_and_statuses_pass(bench: Any, payment: Good) -> None:
    """The reader tolerates what a newer provider adds."""
    document = json.loads(payment().content) | {"new": 1, "status": "disputed"}
    assert bench.run(get, httpx.Response(200, json=document)).status == "unknown"


def test_a_body_beyond_the_limit_is_refused(bench: Any) -> None:
    """An endless body is given up at the limit."""
    bench.settings = {"max_response_bytes": 100}
    result = bench.run(get, httpx.Response(200, content=b" " * 101))
    assert (type(result), result.code) == (PayloadError, "response_too_large")


@pytest.mark.parametrize("value", ["3", "Sun, 06 Nov 1994 08:49:40 GMT"])
def test_retry_after_is_a_floor(bench: Any, payment: Good, value: str) -> None:
    """The next attempt waits for what was asked, plus jitter."""
    bench.run(get, httpx.Response(429, headers={"Retry-After": value}), payment())
    assert [3.0 < s <= 3.2 for s in bench.clock.sleeps] == [True]


@pytest.mark.parametrize("value", ["6", "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_retry_after_beyond_the_limit_fails_promptly(bench: Any, value: str) -> None:
    """A wait beyond our limit is refused at once, and the error carries it."""
    bench.settings = {"deadline_s": 60.0}
    result = bench.run(get, httpx.Response(503, headers={"Retry-After": value}))
    assert (type(result), result.attempts, bench.clock.sleeps) == (Unavailable, 1, [])
    assert result.retry_after_s >= 6


def test_retry_after_beyond_the_budget_fails_promptly(bench: Any) -> None:
    """A wait beyond what remains of the deadline is refused at once."""
    answer = httpx.Response(429, headers={"Retry-After": "3"})
    result = bench.run(lambda c: c.get_payment("p1", deadline_s=2.0), answer)
    facts = (type(result), result.retry_after_s, result.attempts, bench.clock.sleeps)
    assert facts == (RateLimited, 3.0, 1, [])


@pytest.mark.parametrize(
    "value", ["-1", "1.5", "1e3", "inf", "nan", "²", "", "soon", "2, 5", "0"]
    + ["Sun, 06 Nov 1994 08:00:00 GMT"],
)  # fmt: skip
def test_garbage_in_retry_after_means_normal_backoff(bench: Any, payment: Good, value: str) -> None:
    """An invalid or past value is ignored: the usual jittered wait, and no crash."""
    answer = httpx.Response(503, headers=[(b"Retry-After", value.encode())])
    result = bench.run(get, answer, payment())
    assert isinstance(result, Payment)
    assert [0 < s <= 0.2 for s in bench.clock.sleeps] == [True]


def test_the_deadline_covers_body_reads(bench: Any) -> None:
    """A body that drips, each read in time, still ends at the deadline."""

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await bench.clock.spend(0.5)
                yield b" "

    result = bench.run(create, httpx.Response(200, stream=Drip()))
    facts = (type(result), bench.clock.now_s, result.attempts, result.effect_unknown)
    assert facts == (DeadlineExceeded, 1006.0, 1, True)


def test_the_deadline_covers_all_attempts(bench: Any) -> None:
    """Slow attempts together never outlive the deadline."""

    async def slow(request: httpx.Request) -> httpx.Response:
        await bench.clock.spend(2.5)
        return httpx.Response(503)

    result = bench.run(get, slow)
    assert (type(result), bench.clock.now_s) == (DeadlineExceeded, 1006.0)


def test_a_retry_that_would_cross_the_deadline_is_not_begun(bench: Any) -> None:
    """When the wait alone would cross the deadline, the last answer is the error, at once."""

    async def slow(request: httpx.Request) -> httpx.Response:
        await bench.clock.spend(1.0)
        return httpx.Response(503)

    bench.settings = {"backoff_base_s": 50, "backoff_cap_s": 50}
    result = bench.run(get, slow)
    facts = (type(result), result.attempts, bench.clock.now_s, bench.clock.sleeps)
    assert facts == (Unavailable, 1, 1001.0, [])


def test_attempt_timeouts_shrink_with_the_budget(bench: Any, payment: Good) -> None:
    """Each of the four timeouts is min(local, remaining)."""
    bench.run(lambda c: c.get_payment("p1", deadline_s=0.25), payment())
    assert bench.requests[0].extensions["timeout"] == dict.fromkeys(
        ("connect", "read", "write", "pool"), 0.25
    )


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_within_the_origin_keeps_everything(
    bench: Any, payment: Good, status: int
) -> None:
    """A POST redirected within its origin is resent whole, with key and credentials."""
    bench.run(create, httpx.Response(status, headers={"Location": "/v2/payments"}), payment())
    first, second = bench.requests
    names = ("Authorization", "Idempotency-Key", "X-Request-Id")
    assert [first.headers[n] for n in names] == [second.headers[n] for n in names]
    assert (second.method, second.content, second.url.path) == (
        "POST",
        first.content,
        "/v2/payments",
    )


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:10/x", "https://127.0.0.1:9/x", "http://localhost:9/x", "//evil/x", ""]
    + ["http://u:p@127.0.0.1:9/x", "http://["],
)
def test_another_origin_is_never_followed(bench: Any, location: str) -> None:
    """A redirect to another origin, or to nowhere, is refused after one request."""
    bench.settings = {"max_redirects": 0} if location == "" else {}
    result = bench.run(get, httpx.Response(302, headers={"Location": location}))
    facts = (type(result), result.status, result.code, len(bench.requests))
    assert facts == (Rejected, 302, "redirect_refused", 1)


def test_an_unreadable_redirect_is_an_error(bench: Any) -> None:
    """A Location that is no URL is not followed: one request, one mapped error."""
    result = bench.run(get, httpx.Response(302, headers={"Location": "http://127.0.0.1:9x/"}))
    facts = (type(result), result.code, len(bench.requests))
    assert facts == (Rejected, "redirect_refused", 1)


def test_a_closed_client_sends_nothing(bench: Any, payment: Good) -> None:
    """After closing, an operation is an InvalidArgument and no request."""

    async def late(client: PaymentsClient) -> Payment:
        await client.aclose()
        return await get(client)

    result = bench.run(late, payment())
    assert (type(result), bench.requests) == (InvalidArgument, [])


def test_redirects_are_bounded(bench: Any) -> None:
    """A loop ends after three redirects."""
    result = bench.run(get, httpx.Response(302, headers={"Location": "/base/payments/p1"}))
    assert (type(result), len(bench.requests)) == (Rejected, 4)


def test_a_post_is_not_turned_into_a_get(bench: Any) -> None:
    """302 on a POST is refused, for it would change the method."""
    result = bench.run(create, httpx.Response(302, headers={"Location": "/x"}))
    assert (type(result), len(bench.requests)) == (Rejected, 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.get_payment(""),
        lambda c: c.get_payment(".."),
        lambda c: c.create_payment(0, "EUR", "r"),
        lambda c: c.create_payment(True, "EUR", "r"),
        lambda c: c.create_payment(1, "eur", "r"),
        lambda c: c.create_payment(1, "EUR", "r", idempotency_key="a\r\nb"),
        lambda c: c.get_payment("p", deadline_s=float("nan")),
    ],
)
def test_bad_arguments_send_nothing(bench: Any, payment: Good, call: Any) -> None:
    """A bad argument is named before anything is sent."""
    result = bench.run(call, payment())
    assert (type(result), bench.requests) == (InvalidArgument, [])


def test_an_id_cannot_leave_its_segment(bench: Any, payment: Good) -> None:
    """Ids are quoted into one path segment."""
    bench.run(lambda c: c.get_payment("a/../b?c#d"), payment())
    assert bench.requests[0].url.raw_path == b"/base/payments/a%2F..%2Fb%3Fc%23d"


def test_pages_and_refunds(bench: Any, payment: Good) -> None:
    """The list carries its cursor, and a refund its own key."""
    page = {"items": [json.loads(payment().content)], "next_cursor": "n"}

    async def both(client: PaymentsClient) -> tuple[Any, Any]:
        return await client.list_payments("c&1"), await client.refund("p1", 5)

    pages, refund = bench.run(
        both, httpx.Response(200, json=page), httpx.Response(201, json={"id": "r", "amount": 5})
    )
    assert (pages.next_cursor, pages.items[0].id, refund.id) == ("n", "p1", "r")
    assert bench.requests[0].url.query == b"cursor=c%261"
    assert "Idempotency-Key" not in bench.requests[0].headers
    assert "Idempotency-Key" in bench.requests[1].headers


def test_cookies_are_not_kept(bench: Any, payment: Good) -> None:
    """A provider's cookie does not change later requests."""
    bench.run(get, httpx.Response(503, headers={"Set-Cookie": "a=b; Path=/"}), payment())
    assert "Cookie" not in bench.requests[1].headers
