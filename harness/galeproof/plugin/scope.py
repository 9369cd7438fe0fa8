"""One operation of a test: ``with gale.operation("create") as op``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from galeproof.kernel.clock import now_ns
from galeproof.subject.outcome import failed, ok

if TYPE_CHECKING:
    from galeproof.plugin.gale import Gale

__all__ = ["OperationScope"]


class OperationScope:
    """One operation of a test: ``with gale.operation("create") as op``.

    Attributes:
        ref: The reference; it must reach the wire.
        amount: A number of this operation's own.
        value: Set it to what the client returned, to have it compared with the provider's answer.
    """

    def __init__(self, gale: Gale, name: str, spec: Mapping[str, Any], may_fail: bool) -> None:
        self._gale, self._name, self._spec, self._may_fail = gale, name, spec, may_fail
        self.ref, self.amount = gale.next_operation()
        self.value: Any = None
        self._start = 0

    def __enter__(self) -> OperationScope:
        self._gale.begin_operation(self.ref, {**self._spec, "amount": self.amount})
        self._start = now_ns()
        self._gale.recorder.add("subject", "op_start", None, self.ref, lo_ns=self._start,
                                name=self._name, kind=self._spec["kind"], amount=self.amount,
                                instance=1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: object) -> bool:
        end = now_ns()
        outcome = ok(self.value, self._start, end) if error is None else failed(
            error, self._start, end)
        self._gale.recorder.add("subject", "op_end", None, self.ref, lo_ns=end,
                                outcome=outcome.outcome, value=outcome.value, error=outcome.error,
                                returned=self.value is not None)
        self._gale.end_operation(self.ref)
        if error is not None and not isinstance(error, Exception):
            self._gale.close()  # Ctrl-C: give the process its streams back at once
        return self._may_fail and isinstance(error, Exception)

    async def __aenter__(self) -> OperationScope:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: object) -> bool:
        return self.__exit__(kind, error, traceback)
