"""Smaller versions of a scenario: steps move forward, holes are healthy answers."""

from galeproof.runner.reduction import plain, reductions, size_of

TWO = {"name": "two", "why": "w", "operations": [{"kind": "write", "count": 8, "concurrent": 4}],
       "steps": [{"attempts": "1-2", "answer": 503}, {"attempts": 4, "cut": "rst after effect"}]}


def versions(plan, code="IDM002"):
    return list(reductions(plain(plan, code)))


def steps(plan):
    return [(step["attempts"], step.get("cut") or step.get("answer")) for step in plan["steps"]]


class TestPlain:
    def test_an_attempt_that_no_step_names_is_a_healthy_answer(self):
        """It goes like any other step."""
        assert [("1-2", 503), (3, "ok"), (4, "rst after effect")] == steps(plain(TWO, "IDM002"))

    def test_only_one_invariant_is_expected(self):
        """The one that fails; what the file expected else is another matter."""
        assert {"exercised": ["IDM002"]} == plain({**TWO, "expect": {"outcome": "success"}}, "IDM002")["expect"]

    def test_a_size_counts_steps_operations_and_concurrency(self):
        """In the order in which they are made small."""
        assert (3, 8, 4) == size_of(plain(TWO, "IDM002"))


class TestReductions:
    def test_later_steps_move_forward(self):
        """The attempt that met the next fault still meets it."""
        assert [(1, "ok"), (2, "rst after effect")] in map(steps, versions(TWO))

    def test_a_range_becomes_one_attempt(self):
        """And what comes after moves."""
        assert [(1, 503), (2, "ok"), (3, "rst after effect")] in map(steps, versions(TWO))

    def test_an_open_end_stays_open_as_it_moves(self):
        """Attempts 3 and on become 1 and on."""
        plan = {**TWO, "steps": [{"attempts": "1-2", "answer": 503}, {"attempts": "3-", "answer": 429}]}
        assert [("1-", 429)] in map(steps, versions(plan))

    def test_operations_go_down_to_one(self):
        """The concurrency with them."""
        assert (3, 1, 1) in map(size_of, versions(TWO))

    def test_a_group_that_calls_again_keeps_the_one_before_it(self):
        """It cannot stand first."""
        plan = {**TWO, "operations": [{"kind": "write", "count": 2}, {"kind": "write", "count": 2, "again": True}]}
        assert all(not p["operations"][0].get("again") for p in versions(plan))

    def test_steps_of_chance_are_not_moved(self):
        """They overlap with what holds where the dice spare them."""
        plan = {**TWO, "steps": [{"attempts": "1-", "answer": 503, "chance": 0.1}, {"attempts": "2-", "answer": 429, "chance": 0.5}]}
        assert [("2-", 429)] in map(steps, versions(plan))

    def test_toxics_and_extras_are_taken_away(self):
        """One at a time."""
        lane = [{"type": "latency", "latency_ms": 1}, {"type": "bandwidth", "rate_kb_s": 9}]
        plan = {**TWO, "starts": 2, "steps": [{"attempts": 1, "answer": 503, "lane": lane, "retry_after": 1}]}
        made = versions(plan)
        assert any("starts" not in p for p in made)
        assert any("lane" not in p["steps"][0] for p in made if p["steps"])
        assert any([lane[0]] == p["steps"][0].get("lane") for p in made if p["steps"])
        assert any("retry_after" not in p["steps"][0] for p in made if p["steps"])
