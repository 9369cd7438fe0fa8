"""Clients that are not ours, each behind an adapter, judged: prints what they do as Markdown.

Without arguments the table of docs/foreign-clients.md; with names, one JSON line a client.
"""

import asyncio
import importlib.metadata
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import requests
import stripe
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from galeproof import read, write
from galeproof.invariants import INVARIANTS
from galeproof.model import parse_profile
from galeproof.model.attribution import attribute
from galeproof.runner import Station, run_catalogue, subject_of
from galeproof.scenario import find, load_scenario

SEED = 7
OBSERVE_S = 8.0
LIMIT_S = 120


class Requests:
    """requests with urllib3's Retry, as most services write it; no timeout, like its default."""

    PACKAGE = "requests"
    # urllib3: total=4 are retries after the first request; read errors count into it
    PROFILE = {"max_attempts": 5, "retry_on": ["connect", "reset", 503]}
    SCENARIOS = ("503-storm", "429-storm", "busy-three-seconds", "fail-twice-then-recover",
                 "reset-after-effect", "reset-after-request", "truncated-body")
    APART = ("hang",)  # it never returns there, so that this says nothing of attempts

    def __init__(self, base_url, secrets):
        self.base = base_url
        self.http = requests.Session()
        retry = Retry(4, backoff_factor=0.3, status_forcelist=[503])
        self.http.mount("http://", HTTPAdapter(max_retries=retry, pool_maxsize=20))
        self.http.headers["Authorization"] = f"Bearer {secrets['api_key']}"

    @read(answer={"id": "{ref}", "amount": 1250})
    def fetch(self, ref):
        return self.answer(self.http.get(f"{self.base}/payments/{ref}"))

    @write(answer={"id": "{effect}", "amount": "{amount}"}, status=201)
    def create(self, ref, amount):
        return self.answer(self.http.post(f"{self.base}/payments/{ref}", json={"amount": amount}))

    def answer(self, response):
        response.raise_for_status()
        return response.json()

    def close(self):
        self.http.close()


class OpenAI:
    """openai's async client with a timeout of a second and its default of two retries."""

    PACKAGE = "openai"
    # its README: connection errors, 408, 409, 429 and >= 500 are retried two times by default
    PROFILE = {"max_attempts": 3, "read_timeout_s": 1.0,
               "retry_on": ["connect", "reset", "timeout", 408, 409, 429, 500, 502, 503, 504]}
    SCENARIOS = ("503-storm", "429-storm", "busy-three-seconds", "fail-twice-then-recover",
                 "reset-after-effect", "hang-after-effect", "hang-once", "hang")
    APART = ()

    def __init__(self, base_url, secrets):
        self.client = openai.AsyncOpenAI(api_key=secrets["api_key"], base_url=f"{base_url}/v1",
                                         timeout=1)

    @read(answer={"id": "{ref}", "object": "model", "created": "{now}", "owned_by": "galeproof"})
    async def fetch(self, ref):
        return await self.client.models.retrieve("gpt-4o", extra_headers={"X-Gale-Ref": ref})

    @write(answer={
        "id": "{effect}", "object": "chat.completion", "created": "{now}", "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None,
                     "message": {"role": "assistant", "content": "ok", "refusal": None}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
    async def create(self, ref, amount):
        return await self.client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": f"pay {amount}"}],
            extra_headers={"X-Gale-Ref": ref})

    async def close(self):
        await self.client.close()


class Stripe:
    """stripe's client with two network retries."""

    PACKAGE = "stripe"
    # its README: connection errors, timeouts and 409 are retried under a key; of 503 it says nothing
    PROFILE = {"max_attempts": 3, "idempotency_key": "Idempotency-Key",
               "retry_on": ["connect", "reset", "timeout", 409]}
    SCENARIOS = ("503-storm", "429-storm", "busy-three-seconds", "fail-twice-then-recover",
                 "reset-after-effect", "reset-after-request", "502-with-effect")
    APART = ()

    def __init__(self, base_url, secrets):
        self.client = stripe.StripeClient(secrets["api_key"], base_addresses={"api": base_url},
                                          max_network_retries=2)

    @read(answer={"id": "{ref}", "object": "charge", "amount": 1250, "currency": "eur",
                  "status": "succeeded"})
    def fetch(self, ref):
        return self.client.v1.charges.retrieve("ch_1", options={"headers": {"X-Gale-Ref": ref}})

    @write(answer={"id": "{effect}", "object": "payment_intent", "amount": "{amount}",
                   "currency": "eur", "status": "requires_payment_method"})
    def create(self, ref, amount):
        return self.client.v1.payment_intents.create(
            {"amount": amount, "currency": "eur"}, options={"headers": {"X-Gale-Ref": ref}})


CLIENTS = {"requests": Requests, "openai": OpenAI, "stripe": Stripe}


def judge(name, engine="auto"):
    """Run one client through its scenarios; verdicts, and its attempts as the tap saw them."""
    client = CLIENTS[name]
    with Station(engine, seed=SEED) as station:
        result = _run(station, name, client.SCENARIOS)
        runs, verdicts = list(result.judged), list(result.verdicts)
        if client.APART and not (result.invalid or result.fault):
            apart = _run(station, name, client.APART, frozenset({"TMO002"}))
            verdicts += apart.verdicts
            runs += apart.judged
    return {
        "client": name, "version": importlib.metadata.version(client.PACKAGE),
        "invalid": result.invalid, "fault": result.fault,
        "strays": sum(len(_attributed(j).strays) + len(_attributed(j).ambiguous) for j in runs),
        "verdicts": {v.code: {
            "name": v.name, "verdict": v.outcome.value, "reason": v.reason, "note": v.note,
            "observed": v.observed, "limit": v.limit, "unit": v.unit, "witnesses": v.witnesses,
            "findings": [f.text for f in v.findings],
        } for v in sorted(verdicts, key=lambda v: v.code)},
        "writes": {str(j.history.header["scenario"]): _attempts(j, "write") for j in runs},
        "reads": {str(j.history.header["scenario"]): _attempts(j, "read") for j in runs},
    }


def _run(station, name, scenarios, codes=None):
    client = CLIENTS[name]
    loaded = [load_scenario(find(s), frozenset(INVARIANTS)) for s in scenarios]
    return asyncio.run(run_catalogue(
        station, subject_of(client, parse_profile(client.PROFILE), name), loaded, SEED, codes,
        observe_s=OBSERVE_S))


def _attributed(judged):
    return attribute(judged.history)


def _attempts(judged, kind):
    """The attempts of every operation: method, key, what was planned and answered, effects."""
    return [[{"at_s": round((a.start_lo_ns - o.start.lo_ns) / 1e9, 2), "method": a.method,
              "target": a.target, "key": a.header("Idempotency-Key"), "word": a.word,
              "status": a.status if a.complete else None, "effects": a.effects}
             for a in o.requests]
            for o in _attributed(judged).operations if o.kind == kind]


def judge_apart(name):
    """Judge one client in a process of its own."""
    done = subprocess.run([sys.executable, str(Path(__file__)), name], capture_output=True,
                          text=True, timeout=LIMIT_S)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def judge_all():
    """Judge every client, all at once."""
    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        return dict(zip(CLIENTS, pool.map(judge_apart, CLIENTS), strict=True))


def evidence(verdict):
    """One line of evidence: the first finding, else what was measured."""
    if verdict["findings"]:
        more = len(verdict["findings"]) - 1
        return verdict["findings"][0] + (f" (and {more} more)" if more else "")
    parts = []
    if verdict["observed"] is not None:
        limit = "" if verdict["limit"] is None else f", limit {verdict['limit']:g}"
        parts.append(f"observed {verdict['observed']:.3g} {verdict['unit']}{limit}")
    if verdict["witnesses"]:
        parts.append(f"{verdict['witnesses']} operations")
    parts += [verdict["note"]] if verdict["note"] else []
    return "; ".join(parts) or "the situation never arose"


def markdown(proofs):
    """Return the table, a row an invariant and client."""
    lines = ["| client | version | invariant | verdict | evidence |", "|---|---|---|---|---|"]
    for name, proof in proofs.items():
        for code, verdict in proof["verdicts"].items():
            outcome = " ".join(filter(None, (verdict["verdict"], verdict["reason"])))
            text = evidence(verdict).replace("|", "/")
            lines.append(f"| {name} | {proof['version']} | {code} {verdict['name']} "
                         f"| {outcome} | {text} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:]:
        for wanted in sys.argv[1:]:
            print(json.dumps(judge(wanted)), flush=True)
    else:
        print(markdown(judge_all()))
