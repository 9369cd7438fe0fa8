"""tenacity on our clock and our dice: when to try again, and after how long.

tenacity's own `stop_after_delay` and `wait_*` read the real clock and the global dice, so none of
them is used here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from galeproof.client.backoff import backoff_s
from galeproof.client.clock import Clock
from galeproof.client.eligibility import may_retry
from galeproof.client.operation import Attempt, Operation
from galeproof.client.settings import ClientSettings

__all__ = ["run_attempts"]


async def run_attempts(
    attempt: Callable[[], Awaitable[Attempt]],
    operation: Operation,
    settings: ClientSettings,
    clock: Clock,
    rng: Random,
) -> Attempt:
    """Run attempts until one succeeds or no further one is allowed.

    Args:
        attempt: makes one attempt and never raises for a failed one.
        operation: gives method, key and deadline.
        settings: attempts, backoff and the limit of Retry-After.
        clock: for the remaining budget and the waits.
        rng: for the jitter.

    Returns:
        The last attempt, successful or not.
    """

    def wanted(last: Attempt) -> bool:
        return not last.ok and may_retry(
            last.failure,
            method=operation.method,
            keyed=operation.idempotency_key is not None,
        )

    def wait(state: RetryCallState) -> float:
        # Retry-After is a floor; the jitter comes on top, or the herd comes back as one.
        jitter_s = backoff_s(
            rng,
            state.attempt_number,
            base_s=settings.backoff_base_s,
            factor=settings.backoff_factor,
            cap_s=settings.backoff_cap_s,
        )
        return (_last(state).retry_after_s or 0.0) + jitter_s

    def stop(state: RetryCallState) -> bool:
        # tenacity draws the wait before it asks here (since 8.3), so that we can refuse a wait
        # that would cross the deadline instead of sleeping up to it in vain.
        if state.attempt_number >= settings.max_attempts:
            return True
        if (_last(state).retry_after_s or 0.0) > settings.retry_after_max_s:
            return True
        return clock.monotonic() + state.upcoming_sleep >= operation.deadline_at_s

    retrying = AsyncRetrying(
        sleep=clock.sleep,
        stop=stop,
        wait=wait,
        retry=retry_if_result(wanted),
        retry_error_callback=_last,
    )
    return await retrying(attempt)


def _last(state: RetryCallState) -> Attempt:
    """Return the attempt that just ended."""
    assert state.outcome is not None
    result: Attempt = state.outcome.result()
    return result
