# Generated from ../aio/retrying.py by ci/unasync: do not edit.
"""tenacity on our clock and our dice: when to try again, and after how long.

tenacity's own `stop_after_delay` and `wait_*` read the real clock and the global dice, so none of
them is used here.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tenacity import RetryCallState, Retrying, retry_if_result

from galeproof.client.backoff import backoff_s
from galeproof.client.clock import BlockingClock
from galeproof.client.eligibility import may_retry
from galeproof.client.gate import Gate, Refusal
from galeproof.client.operation import Attempt, Operation, Progress
from galeproof.client.settings import ClientSettings

__all__ = ["run_attempts"]


class _Rules:
    """When an operation is tried again, and when not."""

    def __init__(
        self,
        operation: Operation,
        progress: Progress,
        settings: ClientSettings,
        clock: BlockingClock,
        rng: Random,
        gate: Gate,
    ) -> None:
        self._operation, self._progress, self._settings = operation, progress, settings
        self._clock, self._rng, self._gate = clock, rng, gate

    def wanted(self, last: Attempt) -> bool:
        """Tell whether the matrix, or a new credential, allows another attempt."""
        if last.ok or last.failure is None:
            return False
        if last.renewed:
            return True
        if last.retry_after_s is not None and not self._settings.features.retry_after:
            return False
        return may_retry(
            last.failure,
            method=self._operation.method,
            keyed=self._operation.idempotency_key is not None,
            effect_unknown=self._progress.effect_unknown,
            features=self._settings.features,
            statuses=self._settings.retry_statuses,
        )

    def wait(self, state: RetryCallState) -> float:
        """Return the wait: Retry-After is a floor, with the jitter on top of it."""
        last = _last(state)
        if last.renewed:
            return 0.0
        settings = self._settings
        jitter_s = backoff_s(
            self._rng,
            state.attempt_number,
            base_s=settings.backoff_base_s,
            factor=settings.backoff_factor,
            cap_s=settings.backoff_cap_s,
            jitter=settings.backoff_jitter,
        )
        return (last.retry_after_s or 0.0) + jitter_s

    def stop(self, state: RetryCallState) -> bool:
        """Refuse a wait that would cross the deadline, instead of sleeping up to it in vain.

        tenacity draws the wait before it asks here (since 8.3). The budget is asked last, for
        asking it pays.
        """
        settings, last = self._settings, _last(state)
        if state.attempt_number >= settings.max_attempts:
            return True
        if (last.retry_after_s or 0.0) > settings.retry_after_max_s:
            return True
        if self._clock.monotonic() + state.upcoming_sleep >= self._operation.deadline_at_s:
            return True
        return not last.renewed and not self._gate.may_retry()


def run_attempts(
    attempt: Callable[[], Attempt],
    operation: Operation,
    progress: Progress,
    settings: ClientSettings,
    clock: BlockingClock,
    rng: Random,
    gate: Gate,
) -> Attempt:
    """Run attempts until one succeeds or no further one is allowed.

    Args:
        attempt: makes one attempt and never raises for a failed one.
        operation: gives method, key and deadline.
        progress: tells whether an earlier attempt may still be at work.
        settings: attempts, backoff and the limit of Retry-After.
        clock: for the remaining budget and the waits.
        rng: for the jitter.
        gate: gives the retry budget.

    Returns:
        The last attempt that was sent, or why none was.
    """
    rules = _Rules(operation, progress, settings, clock, rng, gate)
    first = attempt()
    if not rules.wanted(first):
        return first
    # Calm air does not pay for tenacity: it begins with the attempt that has failed already.
    made = [first]

    def again() -> Attempt:
        if state_of_first:
            return state_of_first.pop()
        made.append(attempt())
        return made[-1]

    state_of_first = [first]
    retrying = Retrying(
        sleep=clock.sleep,
        stop=rules.stop,
        wait=rules.wait,
        retry=retry_if_result(rules.wanted),
        retry_error_callback=_last,
    )
    last: Attempt = retrying(again)
    # A retry that we held back ourselves says less than the failure that asked for it.
    return made[-2] if isinstance(last.outcome, Refusal) else last


def _last(state: RetryCallState) -> Attempt:
    """Return the attempt that just ended."""
    assert state.outcome is not None
    result: Attempt = state.outcome.result()
    return result
