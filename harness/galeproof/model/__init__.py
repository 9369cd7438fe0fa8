"""Data only: histories, verdicts, profiles. Imports nothing but ``errors``."""

from galeproof.model.codec import dump_history, load_history, read_history
from galeproof.model.history import Event, History, make_history
from galeproof.model.profile import Profile, parse_profile, profile_schema
from galeproof.model.verdict import Finding, Outcome, Verdict, combine

__all__ = [
    "Event",
    "Finding",
    "History",
    "Outcome",
    "Profile",
    "Verdict",
    "combine",
    "dump_history",
    "load_history",
    "make_history",
    "parse_profile",
    "profile_schema",
    "read_history",
]
