"""A storm test as users type it."""

from pathlib import Path
from typing import assert_type

from galeproof import Gale, History, OperationScope, Verdict, read_history


def test_storm(gale: Gale) -> None:
    """Steps, operations, verdicts and the history are typed."""
    gale.steps("rst after effect", 503, "ok")
    assert_type(gale.base_url, str)
    assert_type(gale.secrets["api_key"], str)
    with gale.operation("create", answer={"id": "{effect}"}, may_fail=True) as op:
        assert_type(op, OperationScope)
        assert_type(op.ref, str)
        assert_type(op.amount, int)
    verdicts = gale.check("IDM001", "IDM002")
    assert_type(verdicts, list[Verdict])
    assert_type(gale.effects(op), int)
    assert_type(gale.history, History)
    gale.steps(1.5)  # pyright: ignore[reportArgumentType]


async def test_whole_scenario(gale: Gale) -> None:
    """``arun`` is awaited, ``run`` is not."""
    assert_type(await gale.arun(), list[Verdict])
    assert_type(gale.run(), list[Verdict])
    assert_type(read_history(Path("history.jsonl")), History)
