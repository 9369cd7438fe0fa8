"""Named retry strategies: defaults that suit a kind of call; what is set explicitly wins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["PROFILES", "ProfileName"]

ProfileName = Literal["standard", "brisk", "patient", "single"]

PROFILES: Mapping[ProfileName, Mapping[str, Any]] = {
    # a service that answers a person
    "standard": {},
    # a person waits: fail early
    "brisk": {
        "max_attempts": 2, "deadline_s": 2.0, "connect_timeout_s": 0.5, "read_timeout_s": 0.8,
        "write_timeout_s": 0.8, "pool_timeout_s": 0.5, "backoff_base_s": 0.1, "backoff_cap_s": 0.5,
        "retry_after_max_s": 1.0,
    },
    # a nightly job: nobody waits
    "patient": {
        "max_attempts": 6, "deadline_s": 120.0, "connect_timeout_s": 5.0, "read_timeout_s": 15.0,
        "write_timeout_s": 15.0, "pool_timeout_s": 15.0, "backoff_base_s": 0.5,
        "backoff_cap_s": 20.0, "retry_after_max_s": 60.0,
    },
    # retries are made elsewhere (a queue, a mesh): one layer only
    "single": {"max_attempts": 1},
}  # fmt: skip
