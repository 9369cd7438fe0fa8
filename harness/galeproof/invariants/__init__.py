"""The invariants: pure functions from a history and a profile to a verdict.

Imports ``model`` only; reads no clock, draws no chance, does no I/O.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from galeproof.invariants._alphas import false_alarm_bound
from galeproof.invariants._base import Invariant
from galeproof.invariants._case import Case
from galeproof.invariants.bud.adaptive_throttle import BUD002
from galeproof.invariants.bud.bulkhead import BUD003
from galeproof.invariants.bud.retry_budget import BUD001
from galeproof.invariants.cbk.breaker_scope import CBK005
from galeproof.invariants.cbk.client_errors_do_not_trip import CBK004
from galeproof.invariants.cbk.closes import CBK003
from galeproof.invariants.cbk.half_open_limited import CBK002
from galeproof.invariants.cbk.opens import CBK001
from galeproof.invariants.con.cancellation_frees_the_pool import CON002
from galeproof.invariants.con.healthy_connection_stays_usable import CON001
from galeproof.invariants.err.bounded_response import ERR005
from galeproof.invariants.err.malformed_is_not_success import ERR002
from galeproof.invariants.err.mapped_error import ERR001
from galeproof.invariants.err.redirect_policy import ERR006
from galeproof.invariants.err.truncation_detected import ERR003
from galeproof.invariants.err.typed_validation import ERR004
from galeproof.invariants.idm.declared_key_on_the_wire import IDM009
from galeproof.invariants.idm.exactly_once import IDM007
from galeproof.invariants.idm.key_bound_to_payload import IDM005
from galeproof.invariants.idm.key_conflict_handling import IDM008
from galeproof.invariants.idm.key_quality import IDM006
from galeproof.invariants.idm.key_unique_per_operation import IDM003
from galeproof.invariants.idm.no_unkeyed_ambiguous_retry import IDM001
from galeproof.invariants.idm.same_key_every_attempt import IDM002
from galeproof.invariants.idm.unkeyed_retry_on_status import IDM004
from galeproof.invariants.jit.jitter_at_cap import JIT003
from galeproof.invariants.jit.jitter_independent_across_instances import JIT004
from galeproof.invariants.jit.jitter_on_first_retry import JIT002
from galeproof.invariants.jit.jitter_present import JIT001
from galeproof.invariants.jit.jitter_wide import JIT005
from galeproof.invariants.oau.bounded_refresh import OAU002
from galeproof.invariants.oau.rotation_picked_up import OAU003
from galeproof.invariants.oau.single_flight_refresh import OAU001
from galeproof.invariants.obs.correlation_id import OBS001
from galeproof.invariants.obs.fallback_is_visible import OBS003
from galeproof.invariants.obs.telemetry_matches_wire import OBS002
from galeproof.invariants.raf.rate_limit_fields import RAF005
from galeproof.invariants.raf.retry_after_beyond_budget import RAF004
from galeproof.invariants.raf.retry_after_date import RAF002
from galeproof.invariants.raf.retry_after_invalid import RAF003
from galeproof.invariants.raf.retry_after_seconds import RAF001
from galeproof.invariants.rty.backoff_grows_and_caps import RTY005
from galeproof.invariants.rty.no_hot_loop import RTY006
from galeproof.invariants.rty.no_nested_retries import RTY004
from galeproof.invariants.rty.request_fidelity import RTY007
from galeproof.invariants.rty.retry_cap import RTY001
from galeproof.invariants.rty.retry_only_transient import RTY002
from galeproof.invariants.rty.retry_recovers import RTY003
from galeproof.invariants.sec.artefacts import SEC005
from galeproof.invariants.sec.cross_origin_redirect import SEC006
from galeproof.invariants.sec.exceptions import SEC002
from galeproof.invariants.sec.logs import SEC001
from galeproof.invariants.sec.no_downgrade import SEC007
from galeproof.invariants.sec.not_in_url import SEC008
from galeproof.invariants.sec.repr_and_state import SEC004
from galeproof.invariants.sec.telemetry import SEC003
from galeproof.invariants.tmo.attempt_timeout_shrinks import TMO007
from galeproof.invariants.tmo.body_stall_timeout import TMO003
from galeproof.invariants.tmo.connect_timeout import TMO001
from galeproof.invariants.tmo.deadline_covers_retries import TMO006
from galeproof.invariants.tmo.no_orphans import TMO008
from galeproof.invariants.tmo.response_timeout import TMO002
from galeproof.invariants.tmo.tls_timeout import TMO005
from galeproof.invariants.tmo.total_deadline import TMO004
from galeproof.model import History, Profile, Verdict

__all__ = ["INVARIANTS", "Invariant", "false_alarm_bound", "judge"]

INVARIANTS: Mapping[str, Invariant] = MappingProxyType({i.code: i for i in (
    BUD001, BUD002, BUD003,
    CBK001, CBK002, CBK003, CBK004, CBK005,
    CON001, CON002,
    ERR001, ERR002, ERR003, ERR004, ERR005, ERR006,
    IDM001, IDM002, IDM003, IDM004, IDM005, IDM006, IDM007, IDM008, IDM009,
    JIT001, JIT002, JIT003, JIT004, JIT005,
    OAU001, OAU002, OAU003,
    OBS001, OBS002, OBS003,
    RAF001, RAF002, RAF003, RAF004, RAF005,
    RTY001, RTY002, RTY003, RTY004, RTY005, RTY006, RTY007,
    SEC001, SEC002, SEC003, SEC004, SEC005, SEC006, SEC007, SEC008,
    TMO001, TMO002, TMO003, TMO004, TMO005, TMO006, TMO007, TMO008,
)})


def judge(history: History, profile: Profile,
          codes: Collection[str] | None = None) -> list[Verdict]:
    """Judge one history by all invariants built, or by the given codes.

    Args:
        history: The record of one run.
        profile: What the client's owner declares.
        codes: Which invariants; all if None.

    Returns:
        A verdict for each, in the order of the codes.
    """
    with _collector_paused():
        case = Case.of(history, profile)
        return [i.check(case) for i in INVARIANTS.values() if codes is None or i.code in codes]


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """What judging makes has no cycles; looking for them takes a third of the time of a long history."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
