"""The gate of one dependency: breaker, adaptive throttle, cooldown and retry budget as one."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from galeproof.client.breaker import Breaker, Permit
from galeproof.client.budget import RetryBudget
from galeproof.client.errors import BreakerOpen, ClientError, Throttled
from galeproof.client.settings import ClientSettings
from galeproof.client.throttle import Throttle

__all__ = ["Gate", "Refusal"]

_FREE = Permit(-1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an attempt was not sent.

    Args:
        code: ours, for `ErrorFacts.code`.
        text: one line for people.
        error: the class of the error.
        retry_after_s: when it is worth asking again, in seconds, or None.
        status: what an authority other than the provider answered, or None.
    """

    code: str
    text: str
    error: type[ClientError]
    retry_after_s: float | None = None
    status: int | None = None


class Gate:
    """What all clients of one dependency share; safe between threads.

    Args:
        settings: sections `breaker` and `throttle`, and the features.
        budget: of the whole policy, that several dependencies may share.
        rng: dice for breaker and throttle.
        coordinate: True when one client's Retry-After holds back all clients.
    """

    def __init__(
        self, settings: ClientSettings, budget: RetryBudget, rng: Random, *, coordinate: bool
    ) -> None:
        features = settings.features
        self.breaker = Breaker(settings.breaker, rng) if features.breaker else None
        self.throttle = Throttle(settings.throttle, rng) if features.throttle else None
        self.budget = budget if features.retry_budget else None
        self.coordinate = coordinate
        self._not_before_s = 0.0

    def pause_s(self, now_s: float) -> float:
        """Return how long the provider has asked all of us to wait, 0.0 for not at all."""
        return max(0.0, self._not_before_s - now_s)

    def hold(self, now_s: float, wait_s: float) -> None:
        """Let nobody start for `wait_s` seconds."""
        self._not_before_s = max(self._not_before_s, now_s + wait_s)

    def admit(self, now_s: float) -> Permit | Refusal:
        """Ask for leave to send one attempt; a permit must come back by `ended` or `abandon`."""
        permit = _FREE
        if self.breaker is not None:
            given = self.breaker.admit(now_s)
            if given is None:
                left_s = self.breaker.remaining_s(now_s) or None
                return Refusal("breaker_open", "the circuit breaker is open", BreakerOpen, left_s)
            permit = given
            if self.breaker.state == "half_open":
                # probes are few already, and must show whether the provider is back
                return permit
        if self.throttle is not None and not self.throttle.admit(now_s):
            self.abandon(permit)
            return Refusal("throttled", "held back, for the provider is refusing", Throttled)
        return permit

    def ended(self, permit: Permit, now_s: float, *, ok: bool, refused: bool) -> None:
        """Take a permit back.

        Args:
            permit: from `admit`.
            now_s: the monotonic clock.
            ok: False when the provider or the way to it is broken.
            refused: True when the provider answered 429 or 503.
        """
        probed = self.breaker is not None and self.breaker.state == "half_open"
        if self.breaker is not None:
            self.breaker.record(permit, ok=ok, now_s=now_s)
        if self.throttle is None:
            return
        if refused and not probed:
            self.throttle.refused(now_s)
        elif probed and self.breaker is not None and self.breaker.state == "closed":
            # the probes have shown more than a window of the past
            self.throttle.forget()

    def abandon(self, permit: Permit) -> None:
        """Take a permit back whose attempt showed nothing."""
        if self.breaker is not None:
            self.breaker.abandon(permit)

    def may_retry(self) -> bool:
        """Pay for a retry; False when the budget is spent or the breaker open."""
        if self.breaker is not None and self.breaker.state == "open":
            return False
        return self.budget is None or self.budget.take()

    def succeeded(self, *, retried: bool) -> None:
        """Give tokens back after a success."""
        if self.budget is not None:
            self.budget.succeeded(retried=retried)
