"""The stored form of a history."""

import pytest

from galeproof.errors import HistoryError
from galeproof.model import dump_history, load_history, make_history

RAW = [
    (7, 9, "tap", "head", 1, "opa", {"method": "GET"}),
    (3, 3, "subject", "op_start", None, "opa", {}),
]


def test_events_come_in_order_of_their_instants():
    """Records of several witnesses are merged on the one clock."""
    history = make_history({"seed": 1}, RAW, start_ns=3)
    assert [(e.kind, e.lo_ns, e.hi_ns) for e in history] == [("op_start", 0, 0), ("head", 4, 6)]


def test_a_history_survives_its_stored_form():
    """Dumping and loading gives an equal history and equal bytes."""
    history = make_history({"seed": 1}, RAW)
    text = dump_history(history)
    assert history == load_history(text)
    assert text == dump_history(load_history(text))


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda t: t[: len(t) // 2], "line"),
        (lambda t: t.replace('"galeproof_history":2', '"galeproof_history":9'), "format 9"),
        (lambda t: t.rsplit("\n", 2)[0] + "\n", "cut off"),
        (lambda t: t.replace('"GET"', '"GOT"'), "its checksum is another"),
        (lambda t: t.replace('"seed":1', '"seed":2'), "its checksum is another"),
        (lambda t: "", "empty"),
        (lambda t: "[]\n", "header"),
        (lambda t: t.replace('"tap"', '"nobody"'), "not an event"),
    ],
)
def test_a_damaged_or_newer_file_is_refused_with_its_place(damage, word):
    """One clear error says what is wrong and where."""
    with pytest.raises(HistoryError, match=word):
        load_history(damage(dump_history(make_history({"seed": 1}, RAW))))
