"""The client under test: marked operations, in this process or in one of its own."""

from galeproof.subject.description import SubjectDescription, describe, load_target
from galeproof.subject.drive import Call, Driven, drive
from galeproof.subject.instance import DriverInstance, Instance, LocalInstance
from galeproof.subject.marks import OperationSpec, read, write
from galeproof.subject.sealed import Secrets, SecretValue

__all__ = [
    "Call",
    "Driven",
    "DriverInstance",
    "Instance",
    "LocalInstance",
    "OperationSpec",
    "SecretValue",
    "Secrets",
    "SubjectDescription",
    "describe",
    "drive",
    "load_target",
    "read",
    "write",
]
