"""A scenario's operations, fitted to what the subject offers."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from galeproof.kernel.chance import reference, stream
from galeproof.model import Profile
from galeproof.scenario import Scenario
from galeproof.scenario.model import OperationGroup
from galeproof.scenario.quantity import resolve
from galeproof.subject import Call
from galeproof.subject.description import SubjectDescription

__all__ = ["Group", "calls_of", "groups_of", "lacks", "left_out"]

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
    again: bool | str = False
    beside: bool = False
    rotate: str | None = None
    after_s: float = 0.0


def groups_of(scenario: Scenario, told: SubjectDescription, profile: Profile) -> list[Group]:
    """Choose the subject's operation for each group; a group that none serves is left out."""
    groups = []
    for wanted in scenario.operations:
        names = _serving(wanted, told)
        cancel_s = None
        if wanted.cancel_after_s is not None:
            cancel_s = resolve(wanted.cancel_after_s, profile.quantities())
        if names:
            groups.append(Group(names[0], wanted.kind, wanted.count, wanted.concurrent,
                                wanted.stagger_s, cancel_s, wanted.again, wanted.beside, wanted.rotate,
                                resolve(wanted.after_s, profile.quantities()) if wanted.after_s else 0.0))
    return groups


def _serving(wanted: OperationGroup, told: SubjectDescription) -> list[str]:
    names = told.of_kind(wanted.kind)
    if wanted.name is not None:
        names = [name for name in names if name == wanted.name]
    if wanted.takes is not None:
        names = [name for name in names if wanted.takes in told.operations[name].takes]
    if wanted.cancel_after_s is not None:
        names = [name for name in names if told.operations[name].cancellable]
    return [name for name in names if told.operations[name].origin == (wanted.origin or "base")]


def lacks(scenario: Scenario, told: SubjectDescription) -> str | None:
    """Say what the subject's constructor lacks for this scenario, or None."""
    if scenario.tls and "ca_file" not in told.wants:
        return "the subject takes no ca_file (an argument of its constructor): TLS cannot be trusted"
    if scenario.tokens and "token_url" not in told.wants:
        return "the subject takes no token_url (an argument of its constructor): it uses no tokens"
    return None


def left_out(scenario: Scenario, told: SubjectDescription) -> list[str]:
    """Say which operations a subject lacks, one phrase for each group that none serves."""
    lacking = []
    for wanted in scenario.operations:
        if _serving(wanted, told):
            continue
        more = [f"called {wanted.name}"] if wanted.name else []
        more += [f"that takes {wanted.takes}"] if wanted.takes else []
        more += ["at another origin (origin=\"other\")"] if wanted.origin else []
        more += ["that can be cancelled (async def)"] if wanted.cancel_after_s is not None else []
        lacking.append(" ".join([f"{wanted.kind} operation", *more]))
    return list(dict.fromkeys(lacking))


def calls_of(scenario: Scenario, groups: Sequence[Group], profile: Profile, seed: int,
             label: str) -> list[tuple[Group, list[Call]]]:
    """Draw the calls of each group: references, amounts, keys, bodies."""
    rng = stream(seed, f"{scenario.name}/{label}")
    amounts = itertools.count(1001)
    made: list[tuple[Group, list[Call]]] = []
    for group in groups:
        calls: list[Call] = []
        for number in range(group.count):
            # the caller changes the amount and calls again: the same business, another payload,
            # and therefore another key of the caller's
            ref = made[-1][1][number].ref if group.again and made else reference(rng)
            amount = next(amounts)
            if group.again == "same" and made:
                amount = made[-1][1][number].args["amount"]
            key = _key(ref, again=group.again is True)
            args = {"ref": ref, "amount": amount, "key": key, "body": _body(ref, amount),
                    "deadline_s": profile.deadline_s or 30.0}
            calls.append(Call(ref, group.operation, group.kind, args, group.cancel_s))
        made.append((group, calls))
    return made


def _key(ref: str, *, again: bool) -> str:
    """A key of the caller's: 48 characters and more, as long as some that callers have."""
    drawn = hashlib.sha256(f"{ref} again".encode() if again else ref.encode()).hexdigest()
    return f"key-{ref}-{drawn[:36]}"


def _body(ref: str, amount: int) -> str:
    """A request body of exactly 64 KiB of ASCII, a different one for each operation."""
    return (f"{ref} {amount} " * 4096)[:_BODY_BYTES]
