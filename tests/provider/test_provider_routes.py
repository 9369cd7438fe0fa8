"""The provider's routes: pages, refusals, rates, the deprecated route, and what is never shown."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from contracts.provider.accounts import read_ledger, revoke_key
from contracts.provider.store import Store
from tests.provider.conftest import CLIENT_SECRET, KEY, OTHER_KEY
from tests.provider.running import Running

pytestmark = pytest.mark.asyncio
PROBLEM = "application/problem+json"


async def test_a_payment_is_read_back(api: Any) -> None:
    """What was created is found, with its reference and an instant."""
    made = (await api.pay("order-7", 1250)).json()
    assert (await api.send("GET", f"/payments/{made['id']}")).json() == made
    assert (made["amount"], made["currency"], made["status"], made["reference"]) == (
        1250, "EUR", "settled", "order-7")
    assert made["created_at"] == "2026-09-21T14:13:20.000Z"


async def test_pages_are_walked_in_order(api: Any) -> None:
    """Seven payments in pages of three: each once, in the order of their making."""
    for n in range(7):
        await api.pay(f"r{n}", key=f"k{n}")
    seen, cursor, sizes = [], None, []
    while True:
        query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await api.send("GET", "/payments", params=query)).json()
        sizes.append(len(page["items"]))
        seen += [item["reference"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (seen, sizes) == ([f"r{n}" for n in range(7)], [3, 3, 1])


async def test_accounts_do_not_see_each_other(api: Any) -> None:
    """Another account's payment is not there: not by id, not on a page, not to refund."""
    paid = (await api.pay()).json()["id"]
    answers = [await api.send("GET", f"/payments/{paid}", auth=OTHER_KEY),
               await api.send("POST", f"/payments/{paid}/refunds", json={"amount": 1}, auth=OTHER_KEY)]
    assert [a.status_code for a in answers] == [404, 404]
    assert (await api.send("GET", "/payments", auth=OTHER_KEY)).json()["items"] == []


async def test_the_old_route_says_when_it_ends(api: Any) -> None:
    """GET /charges/{id} answers as ever, with Deprecation, Sunset and where to read on."""
    paid = (await api.pay()).json()
    answer = await api.send("GET", f"/charges/{paid['id']}")
    assert (answer.status_code, answer.json()) == (200, paid)
    assert answer.headers["Deprecation"] == "@1767225600"
    assert parsedate_to_datetime(answer.headers["Sunset"]).isoformat() == "2027-07-01T00:00:00+00:00"
    assert 'rel="deprecation"' in answer.headers["Link"]
    assert f'</payments/{paid["id"]}>; rel="successor-version"' in answer.headers["Link"]
    assert "Deprecation" not in (await api.send("GET", f"/payments/{paid['id']}")).headers


async def test_the_rate_is_limited_by_account(make_api: Any) -> None:
    """Beyond its burst an account is told 429 and how long to wait; another account is not."""
    api = make_api(rate_per_s=0.5, rate_burst=2)
    answers = [await api.send("GET", "/payments") for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert [a.headers["RateLimit"] for a in answers] == ['"account";r=1;t=1', '"account";r=0;t=2', '"account";r=0;t=2']
    assert answers[2].headers["RateLimit-Policy"] == '"account";q=2;w=4'
    assert (answers[2].headers["Retry-After"], answers[2].json()["code"]) == ("2", "rate-exceeded")
    assert (await api.send("GET", "/payments", auth=OTHER_KEY)).status_code == 200
    api.times.now_s += 2
    assert (await api.send("GET", "/payments")).status_code == 200


async def test_what_is_limited_has_no_effect(make_api: Any) -> None:
    """A payment that is answered 429 is not made, and the same key makes it later."""
    api = make_api(rate_per_s=1, rate_burst=1)
    await api.send("GET", "/payments")
    assert ((await api.pay()).status_code, read_ledger(api.store)) == (429, [])
    api.times.now_s += 1
    assert ((await api.pay()).status_code, len(read_ledger(api.store))) == (201, 1)


async def refusals(api: Any) -> dict[str, httpx.Response]:
    """Return every kind of refusal, each asked for with secrets wherever they fit."""
    read_only = (await api.token(grant_type="client_credentials", scope="payments:read")).json()
    gone = "sk-canary-revoked-0123456789"
    media = {"Content-Type": "application/json"}
    canary = {"amount": KEY, KEY: CLIENT_SECRET, "currency": KEY, "reference": CLIENT_SECRET}
    return {
        "credential-missing": await api.send("GET", "/payments", auth=None),
        "credential-refused": await api.send("GET", "/payments", auth=gone),
        "scope-missing": await api.pay(auth=read_only["access_token"]),
        "payment-unknown": await api.send("GET", f"/payments/{KEY}"),
        "route-unknown": await api.send("GET", f"/nothing/{KEY}"),
        "method-not-allowed": await api.send("DELETE", "/payments"),
        "cursor-invalid": await api.send("GET", "/payments", params={"cursor": KEY}),
        "limit-invalid": await api.send("GET", "/payments", params={"limit": KEY}),
        "body-malformed": await api.send("POST", "/payments", content=KEY, headers=media),
        "body-invalid": await api.send("POST", "/payments", json=canary),
        "media-type": await api.send("POST", "/payments", content=KEY),
        "body-too-large": await api.send("POST", "/payments", content=KEY * 9999, headers=media),
        "key-malformed": await api.pay(key=f"{KEY} {KEY}"),
    }


async def test_every_refusal_is_a_problem_document_without_secrets(api: Any) -> None:
    """Status, title, detail and code with RFC 9457's media type; nothing of the request in it."""
    found = await refusals(api)
    assert {name: a.json()["code"] for name, a in found.items()} == {name: name for name in found}
    assert {a.headers["Content-Type"] for a in found.values()} == {PROBLEM}
    for answer in found.values():
        document = answer.json()
        assert document["status"] == answer.status_code
        assert {"type", "title", "detail"} <= document.keys()
        shown = answer.text + repr(answer.headers)
        assert [s for s in ("canary", KEY, CLIENT_SECRET) if s in shown] == []
    assert read_ledger(api.store) == []


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"amount": 0, "currency": "EUR", "reference": "r"}, ["/amount"]),
        ({"amount": "5", "currency": "eur", "reference": ""}, ["/amount", "/currency", "/reference"]),
        ({"amount": True, "currency": "EUR", "reference": "r"}, ["/amount"]),
        ({"amount": 2**53, "currency": "EUR", "reference": "r"}, ["/amount"]),
        ({"amount": 5, "currency": "EUR", "reference": "r", "surplus": 1}, ["/"]),
        ([], ["/"]),
    ],
)
async def test_a_wrong_body_names_each_wrong_member(api: Any, body: Any, pointers: list[str]) -> None:
    """400 with the members that are wrong."""
    answer = await api.send("POST", "/payments", json=body)
    assert (answer.status_code, [e["pointer"] for e in answer.json()["errors"]]) == (400, pointers)


HOSTILE = ["\x00", "a\x00b", "\n", "\ud800", "x" * 201, "\x7f"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_refused_and_breaks_nothing(api: Any, text: str) -> None:
    """NUL, line breaks, half a surrogate pair and too much text are the caller's mistake on both databases."""
    body = json.dumps({"amount": 5, "currency": "EUR", "reference": text})
    answers = [
        await api.send("POST", "/payments", content=body, headers={"Content-Type": "application/json"}),
        await api.send("GET", "/payments/" + quote(text, safe="", errors="replace")),
        await api.send("GET", "/payments?cursor=" + quote(text, safe="", errors="replace")),
        await api.token(auth=None, grant_type="client_credentials", client_id=text.encode("utf-8", "replace").decode(),
                        client_secret="x"),
        await api.token(grant_type="refresh_token", refresh_token=text.encode("utf-8", "replace").decode()),
    ]
    assert [a.status_code for a in answers] == [400, 404, 400, 401, 400]
    assert (await api.pay("é € 日本")).json()["reference"] == "é € 日本"


async def test_a_revoked_key_is_refused_at_once(api: Any) -> None:
    """401 from the next request on, with a challenge."""
    revoke_key(api.store, KEY)
    answer = await api.pay()
    assert (answer.status_code, answer.headers["WWW-Authenticate"].split()[0]) == (401, "Bearer")
    assert read_ledger(api.store) == []


async def test_a_defect_says_nothing_of_itself(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody expected is a bare 500 problem."""
    from contracts.provider.payments import Payments

    def broken(*_: Any) -> None:
        raise RuntimeError(KEY)

    monkeypatch.setattr(Payments, "create", broken)
    answer = await api.pay()
    assert (answer.status_code, answer.json()["code"], "canary" in answer.text) == (500, "internal", False)


async def test_a_database_that_is_gone_is_503(api: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without its database the provider says so, and logs the kind of the error alone."""
    from sqlalchemy import event
    from sqlalchemy.exc import OperationalError

    def gone(*_: Any) -> None:
        raise OperationalError(KEY, {}, Exception(KEY))

    event.listen(api.store.engine, "begin", gone)
    caplog.set_level(logging.DEBUG)
    answer = await api.send("GET", "/payments")
    event.remove(api.store.engine, "begin", gone)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "database: OperationalError" in caplog.text
    assert "canary" not in caplog.text + answer.text


async def test_the_database_holds_no_secret(api: Any, database: str, tmp_path: Any) -> None:
    """Keys, client secrets and tokens are kept as digests: none stands in the file."""
    if not database.startswith("sqlite"):
        pytest.skip("one database's bytes are enough: the columns are the same")
    token = (await api.token(grant_type="client_credentials")).json()["access_token"]
    await api.pay(auth=token)
    held = b"".join(path.read_bytes() for path in tmp_path.glob("provider.db*"))
    assert [s for s in ("canary", token) if s.encode() in held] == []
    assert b'"reference":"r"' in held  # the bytes that were searched are those of the database


def _request(body: bytes, length: str) -> bytes:
    return (f"POST /payments HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nIdempotency-Key: cut\r\n"
            f"Content-Type: application/json\r\n{length}\r\n\r\n").encode() + body


@pytest.mark.parametrize("how", ["fin", "rst", "chunked"])
async def test_a_request_cut_in_its_body_has_no_effect(running: Running, store: Store, how: str) -> None:
    """A body that is whole JSON but shorter than it promised is not acted upon."""
    running.start()
    whole = b'{"amount":5,"currency":"EUR","reference":"cut"}'
    sent = _request(whole, f"Content-Length: {len(whole) + 10}")
    if how == "chunked":
        sent = _request(b"%x\r\n%s\r\n" % (len(whole), whole), "Transfer-Encoding: chunked")

    def cut() -> bytes:
        with socket.create_connection(("127.0.0.1", urlsplit(running.url).port or 0)) as link:
            link.settimeout(20)
            link.sendall(sent)
            if how == "rst":
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return b""
            link.shutdown(socket.SHUT_WR)
            return link.recv(65536)

    answer = await asyncio.to_thread(cut)
    # the same request whole, after it: the provider is alive, and this is the only effect
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as client:
        again = await client.post("/payments", content=whole, headers={
            "Authorization": f"Bearer {KEY}", "Idempotency-Key": "whole", "Content-Type": "application/json"})
    assert (b" 201 " in answer, again.status_code) == (False, 201)
    assert [line["key"] for line in read_ledger(store)] == ["whole"]
    assert "Traceback" not in running.log.read_text()
