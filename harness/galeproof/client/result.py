"""From the end of an operation to its value or its error."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from galeproof.client.clock import Now
from galeproof.client.eligibility import may_have_effect
from galeproof.client.errors import ClientError, DeadlineExceeded, PayloadError
from galeproof.client.exchange import Answer, Failure
from galeproof.client.mapping import error_of, facts_of
from galeproof.client.operation import Attempt, Operation, Progress
from galeproof.client.payload import Malformed, read_json
from galeproof.client.redaction import Redactor

__all__ = ["result_of"]

M = TypeVar("M", bound=BaseModel)


def result_of(
    operation: Operation,
    progress: Progress,
    last: Attempt | None,
    model: type[M],
    clock: Now,
    redactor: Redactor,
) -> M | ClientError:
    """Turn the end of an operation into its value or its error, which is not raised.

    Args:
        operation: the operation.
        progress: what was tried.
        last: the last attempt, None when the deadline cut it off.
        model: the shape of a success.
        clock: tells whether the deadline has passed, and when.
        redactor: applied to everything that the provider wrote.
    """
    where = f"{operation.method} {operation.route}"
    late = last is None or (
        isinstance(last.outcome, Failure) and clock.monotonic() >= operation.deadline_at_s
    )
    if last is None or late:
        facts = facts_of(operation, progress, seen_at_s=clock.wall(), code="deadline_exceeded")
        return DeadlineExceeded(f"{where}: the deadline passed", facts)
    if not last.ok or not isinstance(last.outcome, Answer):
        return error_of(operation, progress, last, redactor)
    answer = last.outcome
    try:
        return model.model_validate(read_json(answer.body, answer.headers.get("content-type")))
    except Malformed as error:
        reason, code = str(error), "malformed_body"
    except ValidationError as error:
        fields = (".".join(map(str, item["loc"])) or "body" for item in error.errors())
        reason, code = f"wrong or missing: {', '.join(list(fields)[:10])}", "schema_mismatch"
    unknown = progress.effect_unknown or may_have_effect(answer.status, method=operation.method)
    facts = facts_of(operation, progress, seen_at_s=last.seen_at_s, code=code)
    return PayloadError(
        f"{where}: {redactor.text(reason)}",
        replace(facts, status=answer.status, effect_unknown=unknown),
    )
