"""Every exception that the harness raises on purpose.

    HarnessError
    |-- UsageError          the user's input is wrong (exit code 2)
    |   |-- ScenarioError   a scenario file: names file, line and key
    |   |-- ProfileError    a profile: names the key and the allowed values
    |   |-- SubjectError    a subject that cannot be imported or described
    |   `-- HistoryError    a damaged or newer history file
    |-- EngineError         Toxiproxy is unreachable or refused a call
    `-- WorldError          the world process ended or did not answer (exit code 4)

A broken invariant is no exception: it is a finding.
"""

from __future__ import annotations

__all__ = [
    "EngineError",
    "HarnessError",
    "HistoryError",
    "ProfileError",
    "ScenarioError",
    "SubjectError",
    "UsageError",
    "WorldError",
]


class HarnessError(Exception):
    """The root of the harness's own errors."""


class UsageError(HarnessError):
    """The user's input is wrong; the message says where and how to mend it."""


class ScenarioError(UsageError):
    """A scenario file is wrong."""


class ProfileError(UsageError):
    """A profile is wrong."""


class SubjectError(UsageError):
    """A subject cannot be imported, built or understood."""


class HistoryError(UsageError):
    """A stored history is damaged, or newer than this program."""


class EngineError(HarnessError):
    """Toxiproxy is unreachable or refused a call."""


class WorldError(HarnessError):
    """The world process ended, or did not answer in time."""
