"""``@read`` and ``@write``: which methods of an adapter are operations, and what a healthy
provider answers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

__all__ = ["MARK", "OperationSpec", "read", "write"]

F = TypeVar("F", bound=Callable[..., Any])
MARK = "__galeproof_operation__"


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """One operation: its kind (``read`` or ``write``) and the provider's healthy answer.

    ``takes`` are the arguments that it asks for; ``cancellable`` tells whether its caller can
    cancel it (``async def``); ``origin`` is ``other`` where it goes to ``other_url``.
    """

    kind: str
    answer: Any = None
    status: int = 200
    headers: Mapping[str, str] | None = None
    effect: bool = True
    takes: tuple[str, ...] = ()
    cancellable: bool = False
    origin: str = "base"

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form that the origin is given."""
        return {"kind": self.kind, "answer": self.answer, "status": self.status,
                "headers": dict(self.headers or {}), "effect": self.effect,
                "takes": list(self.takes), "cancellable": self.cancellable,
                "origin": self.origin}


def _mark(spec: OperationSpec) -> Callable[[F], F]:
    def apply(function: F) -> F:
        setattr(function, MARK, spec)
        return function

    return apply


@overload
def read(answer: F, /) -> F: ...
@overload
def read(
    answer: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None,
    origin: Literal["base", "other"] = "base",
) -> Callable[[F], F]: ...
def read(answer: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None,
         origin: Literal["base", "other"] = "base") -> Any:
    """Mark a method as an operation that changes nothing at the provider.

    Args:
        answer: What a healthy provider says: the body as a JSON template.
        status: The healthy status.
        headers: Further headers of the healthy answer.
        origin: ``other`` where it asks the provider at ``other_url``.
    """
    if callable(answer):
        return _mark(OperationSpec("read"))(answer)
    return _mark(OperationSpec("read", answer, status, headers, effect=False, origin=origin))


@overload
def write(answer: F, /) -> F: ...
@overload
def write(
    answer: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None,
    effect: bool = True,
) -> Callable[[F], F]: ...
def write(answer: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None,
          effect: bool = True) -> Any:
    """Mark a method as an operation with an effect at the provider.

    Args:
        answer: What a healthy provider says: the body as a JSON template.
        status: The healthy status.
        headers: Further headers of the healthy answer.
        effect: False where a 2xx answer is no effect (a search by POST).
    """
    if callable(answer):
        return _mark(OperationSpec("write"))(answer)
    return _mark(OperationSpec("write", answer, status, headers, effect))
