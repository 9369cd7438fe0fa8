"""How to mend a finding in the words of the library that was seen on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from galeproof.model import History

__all__ = ["ACTIONS", "Library", "library_of", "mend_for"]

ACTIONS = {"critical": "block the release and fix now", "major": "fix this sprint",
           "minor": "fix within two sprints"}


@dataclass(frozen=True, slots=True)
class Library:
    """What a User-Agent tells: a name that people know, and the version or ''."""

    name: str
    version: str


_AGENTS = (
    ("openai", r"^(?:Async)?OpenAI/(?:Python|JS) ?([\w.]*)"), ("stripe", r"^Stripe/v1 \w+/([\w.]*)"),
    ("boto3", r"(?:Boto3|Botocore|aiobotocore)/([\w.]*)"), ("requests", r"^python-requests/([\w.]*)"),
    ("urllib3", r"^python-urllib3/([\w.]*)"), ("httpx", r"^python-httpx2?/([\w.]*)"),
    ("aiohttp", r"aiohttp/([\w.]*)"), ("urllib", r"^Python-urllib/([\w.]*)"),
    ("axios", r"^axios/([\w.]*)"), ("got", r"^got(?:/([\w.]*))?"), ("fetch", r"^(?:node|undici)()$"),
    ("go", r"^Go-http-client/([\w.]*)"), ("java", r"^Java-http-client/([\w.]*)"),
    ("reqwest", r"^reqwest/([\w.]*)"), ("curl", r"^curl/([\w.]*)"), ("okhttp", r"^okhttp/([\w.]*)"),
)
_TIMEOUT = ("TMO001", "TMO002", "TMO003")
_TOTAL = ("TMO004", "TMO005", "TMO006")
_CAP = ("RTY001", "RTY004")
_JITTER = ("JIT001", "JIT002", "JIT003")
_HOT = ("RTY006",)
_AFTER = ("RAF001", "RAF002")
_KEYED = ("IDM001", "IDM004")
_SAME = ("IDM002",)


def _each(codes: Iterable[str], text: str) -> dict[str, str]:
    return dict.fromkeys(codes, text)


_URLLIB3 = (
    _each(_CAP, "one layer: HTTPAdapter(max_retries=Retry(total=2)) and no loop around it")
    | _each(_JITTER, "Retry(backoff_factor=0.3, backoff_jitter=0.3, backoff_max=2)")
    | _each(_HOT, "Retry(backoff_factor=0.3): the default is 0, which does not wait")
    | _each(_AFTER, "Retry(respect_retry_after_header=True), and 429 and 503 in status_forcelist")
    | _each(_KEYED, "leave POST out of Retry(allowed_methods=...), or send an Idempotency-Key")
    | _each(_SAME, "make the key once, before the session's call: Retry sends the same headers again"))
_MENDS: dict[str, dict[str, str]] = {
    "urllib3": _each(_TIMEOUT, "PoolManager(timeout=Timeout(connect=1, read=1)): there is no default")
    | _each(_TOTAL, "a read timeout is between bytes: run the call under a deadline of its own")
    | _URLLIB3,
    "requests": _each(_TIMEOUT, "session.request(..., timeout=(1, 1)) on every call: there is no default")
    | _each(_TOTAL, "timeout is between bytes: stream the body and check a deadline between pieces")
    | _URLLIB3,
    "httpx": _each(_TIMEOUT, "httpx.Client(timeout=httpx.Timeout(connect=1, read=1, write=1, pool=1))")
    | _each(_TOTAL, "the four timeouts are no total: asyncio.timeout(6) around the whole operation")
    | _each(_CAP, "one layer: HTTPTransport(retries=0) below tenacity.stop_after_attempt(3)")
    | _each(_JITTER, "tenacity.wait_random_exponential(multiplier=0.2, max=2)")
    | _each(_HOT, "tenacity retries at once by default: wait=wait_random_exponential(...)")
    | _each(_AFTER, "a tenacity wait= that reads response.headers['Retry-After'] first"),
    "aiohttp": _each(_TIMEOUT, "ClientTimeout(total=6, sock_connect=1, sock_read=1): total is 300 s else")
    | _each(_TOTAL, "asyncio.timeout(6) around all attempts: ClientTimeout.total is an attempt's")
    | _each(_CAP, "aiohttp itself sends an idempotent request again where a kept connection is "
                  "lost: count that into max_attempts")
    | _each(_JITTER, "aiohttp_retry.JitterRetry, or tenacity.wait_random_exponential"),
    "openai": _each((*_TIMEOUT, *_TOTAL), "OpenAI(timeout=httpx.Timeout(1, connect=1)) for an attempt; "
                    "asyncio.timeout(6) around the call for the whole: the default is 600 s")
    | _each(_CAP, "OpenAI(max_retries=2), and no retry around the call")
    | _each((*_KEYED, *_SAME), 'extra_headers={"Idempotency-Key": key}, made once, or max_retries=0'),
    "stripe": _each((*_TIMEOUT, *_TOTAL), "stripe.HTTPXClient(timeout=1): the default is 80 s")
    | _each(_CAP, "max_network_retries=2, and no retry around the call"),
    "boto3": _each((*_TIMEOUT, *_TOTAL), "Config(connect_timeout=1, read_timeout=1): the default is 60 s")
    | _each(_CAP, 'Config(retries={"mode": "standard", "total_max_attempts": 3})')
    | _each(_JITTER, 'Config(retries={"mode": "standard"}): full jitter up to 20 s'),
    "urllib": _each((*_TIMEOUT, *_TOTAL), "urlopen(..., timeout=1), and a deadline around reading"),
    "axios": _each((*_TIMEOUT, *_TOTAL), "axios.get(url, {timeout: 1000, signal: AbortSignal.timeout(6000)})")
    | _each(_JITTER, "axiosRetry(client, {retryDelay: axiosRetry.exponentialDelay}): its default is none")
    | _each(_HOT, "axiosRetry(client, {retryDelay: axiosRetry.exponentialDelay}): its default is none")
    | _each(_KEYED, "axiosRetry's default condition leaves POST out: keep it, or send a key"),
    "got": _each((*_TIMEOUT, *_TOTAL), "got.extend({timeout: {connect: 1000, response: 1000, "
                 "request: 6000}})")
    | _each(_CAP, "got.extend({retry: {limit: 2}})")
    | _each(_AFTER, "got.extend({retry: {maxRetryAfter: 5000}})"),
    "fetch": _each((*_TIMEOUT, *_TOTAL), "fetch(url, {signal: AbortSignal.timeout(1000)})"),
    "go": _each((*_TIMEOUT, *_TOTAL), "http.Client{Timeout: time.Second}, and a context with a deadline "
                "around all attempts")
    | _each((*_CAP, *_KEYED), "the transport sends again whatever has an Idempotency-Key or a safe "
            "method where a kept connection is lost: count it, or set req.GetBody = nil"),
    "java": _each((*_TIMEOUT, *_TOTAL), "HttpClient.newBuilder().connectTimeout(...) and "
                  "HttpRequest.newBuilder().timeout(...)")
    | _each(_CAP, "java.net.http sends a GET again by itself: -Djdk.httpclient.disableRetryConnect=true"),
    "reqwest": _each((*_TIMEOUT, *_TOTAL), "Client::builder().connect_timeout(...).timeout(...): there is "
                     "no default"),
    "curl": _each(("TMO001",), "--connect-timeout 1") | _each(("TMO002", "TMO003", *_TOTAL), "--max-time 6")
    | _each(_CAP, "--retry 2 --retry-max-time 6")
    | _each(_JITTER, "curl has no jitter: --retry 0, and a loop with a random sleep"),
}


def library_of(history: History) -> Library | None:
    """Return the library that a run's requests name in their User-Agent, or None."""
    for event in history.of("head"):
        for name, value in event.data.get("headers") or ():
            if str(name).lower() == "user-agent":
                return _library(str(value))
    return None


def _library(agent: str) -> Library | None:
    for name, pattern in _AGENTS:
        if found := re.search(pattern, agent):
            return Library(name, found[1] or "")
    return None


def mend_for(code: str, library: Library | None) -> str | None:
    """Say how to mend a finding in that library's words; None where there are none."""
    return _MENDS.get(library.name, {}).get(code) if library else None
