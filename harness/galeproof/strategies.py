"""Hypothesis strategies: let a property test search for the storm that breaks your client.

    from hypothesis import given
    from galeproof.strategies import searching, storms

    @searching
    @given(storm=storms())
    def test_a_payment_is_made_once(gale, storm):
        with gale.storm(storm) as air:
            billing = BillingClient(air.base_url, api_key=air.secrets["api_key"], timeout=1.0)
            with air.operation("create", answer={"id": "{effect}"}, may_fail=True) as op:
                billing.create_invoice(reference=op.ref, amount=op.amount)
            air.holds("IDM001", "IDM002", "RTY001")

All examples share one world. A failing storm is shrunk and kept by Hypothesis as any example is, and
printed as a scenario file. Needs the extra ``property``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

try:
    from hypothesis import HealthCheck, settings
    from hypothesis import strategies as st
except ImportError as missing:
    raise ImportError("galeproof.strategies needs hypothesis: pip install 'galeproof[property]'"
                      ) from missing

from galeproof.scenario.storm import Storm

__all__ = ["Storm", "answers", "cuts", "lanes", "retry_after", "searching", "statuses", "steps", "storms"]

F = TypeVar("F", bound=Callable[..., Any])
_PASSING = (429, 503, 500, 502, 504, 408, 425)
_FINAL = (400, 401, 403, 404, 409, 410, 422)
_CUTS = ("rst after request", "rst after effect", "fin after request", "fin after effect",
         "rst after headers", "fin after headers", "rst after 5 bytes", "fin after 5 bytes")
_SLOW_CUTS = ("hang after request", "hang after effect", "hang after headers")


def searching(test: F) -> F:
    """Settings for a test that searches with real sockets: no deadline for an example, 100 examples,
    and the health checks that real waiting would trip switched off. Put it above ``@given``."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(deadline=None, max_examples=100, suppress_health_check=checks)(test)


def statuses(*, final: bool = True) -> st.SearchStrategy[int]:
    """Statuses of failure: those that pass (429, 503, 500, 502, 504, 408, 425) and, with ``final``,
    those that do not."""
    return st.sampled_from(_PASSING + (_FINAL if final else ()))


def retry_after(max_s: int = 1) -> st.SearchStrategy[Any]:
    """Retry-After as whole seconds (int), or as ``{"date_in_s": n, "date_form": ...}``, up to
    ``max_s`` seconds ahead."""
    forms = st.sampled_from(("imf", "rfc850", "asctime"))
    seconds = st.integers(0, max_s)
    return st.one_of(seconds, st.fixed_dictionaries({"date_in_s": seconds, "date_form": forms}))


def answers(*, final: bool = True, effects: bool = True) -> st.SearchStrategy[Any]:
    """Answers: ``"ok"``, a status, or with ``effects`` a status of failure whose effect was applied
    (``{"status": 504, "effect": True}``)."""
    kinds: list[st.SearchStrategy[Any]] = [st.just("ok"), statuses(final=final)]
    if effects:
        kinds.append(st.sampled_from((500, 502, 503, 504)).map(
            lambda status: {"status": status, "effect": True}))
    return st.one_of(*kinds)


def cuts(*, slow: bool = False) -> st.SearchStrategy[str]:
    """Cuts: ``rst`` and ``fin`` after the request, the effect, the headers and in mid-body; with
    ``slow`` also hangs, each of which costs your client's whole timeout."""
    return st.sampled_from(_CUTS + (_SLOW_CUTS if slow else ()))


def lanes(max_ms: int = 100) -> st.SearchStrategy[list[dict[str, Any]]]:
    """One toxic: latency with jitter, thin slices, or a slow close."""
    ms = st.integers(1, max_ms)
    return st.one_of(
        st.builds(lambda a, b: [{"type": "latency", "latency_ms": a, "jitter_ms": b}], ms, ms),
        st.builds(lambda size: [{"type": "slicer", "average_size_bytes": size}], st.integers(1, 64)),
        st.builds(lambda a: [{"type": "slow_close", "delay_ms": a}], ms))


def steps(*, slow: bool = False, final: bool = True, max_retry_after_s: int = 1
          ) -> st.SearchStrategy[Mapping[str, Any]]:
    """One step: what happens to one attempt, as in a scenario file.

    Args:
        slow: Hangs too.
        final: Statuses too that no client should try again.
        max_retry_after_s: The longest Retry-After.
    """
    busy = st.builds(lambda status, after: {"answer": status, "retry_after": after},
                     st.sampled_from((429, 503)), retry_after(max_retry_after_s))
    plain = answers(final=final).map(lambda answer: {"answer": answer})
    cut = cuts(slow=slow).map(lambda word: {"cut": word})
    late = st.builds(lambda step, lane: {**step, "lane": lane}, st.one_of(plain, cut), lanes())
    return st.one_of(plain, cut, busy, late)


def storms(max_steps: int = 6, *, slow: bool = False, final: bool = True, max_retry_after_s: int = 1
           ) -> st.SearchStrategy[Storm]:
    """Whole storms of up to ``max_steps`` attempts, after which the provider is well.

    Args:
        max_steps: The longest.
        slow: Hangs too, each of which costs your client's whole timeout.
        final: Statuses too that no client should try again.
        max_retry_after_s: The longest Retry-After.
    """
    each = steps(slow=slow, final=final, max_retry_after_s=max_retry_after_s)
    return st.lists(each, max_size=max_steps).map(lambda found: Storm(tuple(found)))
