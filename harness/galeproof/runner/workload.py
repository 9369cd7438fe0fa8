"""A scenario's operations, fitted to what the subject offers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from galeproof.kernel.chance import reference, stream
from galeproof.model import Profile
from galeproof.scenario import Scenario
from galeproof.scenario.quantity import resolve
from galeproof.subject import Call
from galeproof.subject.description import SubjectDescription

__all__ = ["Group", "calls_of", "groups_of", "what_is_missing"]

_BODY_BYTES = 65_536


@dataclass(slots=True)
class Group:
    """So many operations of one name, so many at once."""

    operation: str
    kind: str
    count: int
    concurrent: int
    stagger_s: float
    cancel_s: float | None = None


def groups_of(scenario: Scenario, told: SubjectDescription, profile: Profile) -> list[Group]:
    """Choose the subject's operation for each group; a group that none serves is left out."""
    groups = []
    for wanted in scenario.operations:
        names = told.of_kind(wanted.kind)
        if wanted.name is not None:
            names = [name for name in names if name == wanted.name]
        if wanted.takes is not None:
            names = [name for name in names if wanted.takes in told.operations[name].takes]
        cancel_s = None
        if wanted.cancel_after_s is not None:
            cancel_s = resolve(wanted.cancel_after_s, profile.quantities())
            names = [name for name in names if told.operations[name].cancellable]
        if names:
            groups.append(Group(names[0], wanted.kind, wanted.count, wanted.concurrent,
                                wanted.stagger_s, cancel_s))
    return groups


def what_is_missing(scenario: Scenario) -> str:
    """Say which operation a subject lacks that serves no group of a scenario."""
    wanted = []
    for group in scenario.operations:
        more = [f"called {group.name}"] if group.name else []
        more += [f"that takes {group.takes}"] if group.takes else []
        more += ["that can be cancelled (async def)"] if group.cancel_after_s is not None else []
        wanted.append(" ".join([f"{group.kind} operation", *more]))
    return f"the subject has no {' or '.join(dict.fromkeys(wanted))}"


def calls_of(scenario: Scenario, groups: Sequence[Group], profile: Profile, seed: int,
             label: str) -> list[tuple[Group, list[Call]]]:
    """Draw the calls of each group: references, amounts, keys, bodies."""
    rng = stream(seed, f"{scenario.name}/{label}")
    amounts = itertools.count(1001)
    made = []
    for group in groups:
        calls = []
        for _ in range(group.count):
            ref, amount = reference(rng), next(amounts)
            args = {"ref": ref, "amount": amount, "key": f"key-{ref}", "body": _body(ref, amount),
                    "deadline_s": profile.deadline_s or 30.0}
            calls.append(Call(ref, group.operation, group.kind, args, group.cancel_s))
        made.append((group, calls))
    return made


def _body(ref: str, amount: int) -> str:
    """A request body of exactly 64 KiB of ASCII, a different one for each operation."""
    return (f"{ref} {amount} " * 4096)[:_BODY_BYTES]
