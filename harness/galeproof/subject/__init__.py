"""The client under test: marked operations, in this process or in one of its own."""

from galeproof.subject.command import CommandInstance
from galeproof.subject.description import SubjectDescription, describe, load_target
from galeproof.subject.drive import Call, Driven, drive
from galeproof.subject.driver import DriverInstance
from galeproof.subject.foreign import Foreign, foreign_of
from galeproof.subject.instance import Instance
from galeproof.subject.local import LocalInstance
from galeproof.subject.marks import OperationSpec, read, write
from galeproof.subject.sealed import Secrets, SecretValue

__all__ = [
    "Call",
    "CommandInstance",
    "Driven",
    "DriverInstance",
    "Foreign",
    "Instance",
    "LocalInstance",
    "OperationSpec",
    "SecretValue",
    "Secrets",
    "SubjectDescription",
    "describe",
    "drive",
    "foreign_of",
    "load_target",
    "read",
    "write",
]
