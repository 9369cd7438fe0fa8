"""A scenario says how its operations should end for the caller; what ends otherwise is told."""

import pytest

from galeproof.runner.firing import unmet


@pytest.mark.parametrize(("wanted", "end", "told"), [
    ("success", "ok", None), ("failure", "failed", None), ("any", "failed", None),
    ("success", "failed", "1 of 1 operations ended otherwise than in success"),
    ("failure", "ok", "1 of 1 operations ended otherwise than in failure")])
def test_an_outcome_that_was_not_expected_is_told(gale_words, wanted, end, told):
    """It is a note: no verdict rests on it."""
    storm = gale_words.Storm(("503", "503"), expect={"outcome": wanted, "exercised": []})
    assert told == unmet(storm.start().request("503").answer(503).end(end).history())
