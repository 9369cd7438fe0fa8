"""A baseline accepts today's findings with a reason, in the scenarios that it names."""

import pytest

from galeproof.errors import UsageError
from galeproof.model import Outcome, Verdict
from galeproof.runner.baseline import Baseline, baseline_text, read_baseline


def verdict(code="RTY001", outcome=Outcome.FAIL, scenarios=("503-storm",)):
    return Verdict(code, "n", outcome, "major", scenarios=scenarios)


@pytest.fixture
def kept(tmp_path):
    def write(text):
        path = tmp_path / "baseline.toml"
        path.write_text(text, "utf-8")
        return read_baseline(path)

    return write


def test_what_was_accepted_is_accepted_again(kept):
    """Written, read, and found to cover the same finding."""
    made = kept(baseline_text(Baseline(), [verdict(), verdict("SEC001", Outcome.PASS)], "shop", 'till "June"'))
    assert made.accepts(verdict(), "shop")
    assert ['till "June"'] == [e.reason for e in made.entries]


@pytest.mark.parametrize("other", [
    (verdict("IDM001"), "shop"), (verdict(scenarios=("503-storm", "429-storm")), "shop"), (verdict(), "billing")])
def test_another_finding_fails(kept, other):
    """Another invariant, another scenario, another subject."""
    made = kept(baseline_text(Baseline(), [verdict()], "shop", "known"))
    assert not made.accepts(*other)


def test_an_entry_whose_invariant_holds_now_is_told(kept):
    """So that it is taken out."""
    made = kept(baseline_text(Baseline(), [verdict()], "shop", "known"))
    assert ["RTY001"] == [e.code for e in made.stale([verdict(outcome=Outcome.PASS)], "shop")]


@pytest.mark.parametrize(("text", "said"), [
    ('[[accepted]]\ncode = "XXX001"\nreason = "r"\n', "no such invariant"),
    ('[[accepted]]\ncode = "RTY001"\n', "say why RTY001"), ("accepted = 3\n", r"expected \[\[accepted"),
    ('[[accepted]]\ncode = "RTY001"\nreason = "r"\nuntil = "x"\n', "allowed keys"), ("[[", "baseline")])
def test_a_damaged_file_is_one_clear_error(kept, text, said):
    """Naming the entry."""
    with pytest.raises(UsageError, match=said):
        kept(text)
