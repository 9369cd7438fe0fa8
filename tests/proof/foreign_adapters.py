"""Three clients that are not ours, each behind an adapter of a few lines.

Each library is imported by the adapter that needs it: a process starts for every scenario.
"""

from galeproof import read, write


class Requests:
    """requests with urllib3's Retry, as most services write it; no timeout, like its default."""

    PACKAGE = "requests"
    # urllib3: total=4 are retries after the first request; read errors count into it
    PROFILE = {"max_attempts": 5, "retry_on": ["connect", "reset", 503]}

    def __init__(self, base_url, secrets):
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util.retry import Retry

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

    def __init__(self, base_url, secrets):
        import openai

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

    def __init__(self, base_url, secrets):
        import stripe

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
