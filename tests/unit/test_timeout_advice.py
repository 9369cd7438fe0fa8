"""`galeproof profile --timeouts`: the interval, the advice, and the files that it reads."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from galeproof.cli.app import main
from galeproof.cli.durations import read_durations
from galeproof.cli.timeouts import advise
from galeproof.errors import UsageError
from galeproof.model import dump_history, make_history
from galeproof.model.quantiles import needed, quantile_of


def binomial_below(n: int, k: int, p: float) -> float:
    """P(at most k of n), by whole numbers."""
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


@pytest.mark.parametrize(("n", "share"), [(10, 0.5), (59, 0.95), (473, 0.99), (1000, 0.99), (3688, 0.999), (6000, 0.999)])
def test_the_interval_is_the_tightest_of_its_confidence(n: int, share: float) -> None:
    """Each bound misses the quantile with at most 2.5 %, and the next one inwards with more."""
    found = quantile_of([float(i) for i in range(1, n + 1)], share, 0.95)
    if found.upper is not None:
        above = n - int(found.upper)
        assert binomial_below(n, above, 1 - share) <= 0.025 < binomial_below(n, above + 1, 1 - share)
    if found.lower is not None:
        at_or_above = n - int(found.lower) + 1
        assert 1 - binomial_below(n, at_or_above - 1, 1 - share) <= 0.025 + 1e-12
        assert 1 - binomial_below(n, at_or_above - 2, 1 - share) > 0.025


@pytest.mark.parametrize(("share", "size"), [(0.999, 3688), (0.99, 368), (0.95, 72), (0.5, 6)])
def test_the_size_that_would_do_is_exact(share: float, size: int) -> None:
    """From that size on there is an upper bound; one value fewer has none."""
    assert needed(share, 0.95) == size
    bounds = [quantile_of([1.0] * n, share, 0.95).upper for n in (size - 1, size)]
    assert bounds == [None, 1.0]


def test_the_interval_covers_what_it_says() -> None:
    """Of 400 samples of a known distribution about 95 % or more cover its p99."""
    dice = random.Random(1)
    truth = -math.log(0.01)
    covered = 0
    for _ in range(400):
        found = quantile_of(sorted(dice.expovariate(1) for _ in range(1000)), 0.99, 0.95)
        covered += found.lower is not None and found.upper is not None and found.lower <= truth <= found.upper
    assert covered >= 370


def test_a_large_sample_is_advised_its_upper_bound() -> None:
    """Rounded up to two figures; how many answers took longer is said."""
    durations = [0.2 + n / 10_000 for n in range(10_000)]
    found = advise("GET /x", durations)
    assert (found.firm, found.samples, found.lower_s, found.upper_s) == (True, 10_000, 1.1982, 1.1996)
    assert (found.timeout_s, found.beyond) == (1.2, 0)
    slow = advise("GET /x", [*[0.2] * 9_998, 5.0, 6.0])
    assert (slow.timeout_s, slow.beyond) == (0.2, 2)
    assert "2 of 10000 sound answers took longer, up to 6 s" in slow.note


def test_a_small_sample_says_so_and_stays_above_what_was_seen() -> None:
    """No bound, the longest that was seen, and the size that would do."""
    found = advise("GET /x", [0.3, 0.4, 0.911])
    assert (found.firm, found.upper_s, found.timeout_s) == (False, None, 0.92)
    assert found.note.startswith("too small for p99.9: 3 durations, 3688 would do")


@pytest.mark.parametrize("seed", range(50))
def test_a_small_sample_is_never_advised_below_its_longest(seed: int) -> None:
    """Whatever the values, rounding included."""
    dice = random.Random(seed)
    durations = [dice.lognormvariate(dice.uniform(-6, 3), 1) for _ in range(dice.randint(1, 3687))]
    found = advise("x", durations)
    assert (found.timeout_s >= max(durations), found.beyond, found.firm) == (True, 0, False)


def test_quick_answers_are_not_cut_to_the_bone() -> None:
    """Answers of a millisecond do not make a timeout of a millisecond."""
    found = advise("x", [0.001] * 5000)
    assert (found.timeout_s, "own machine" in found.note) == (0.1, True)


GOOD = {
    "plain": ("0.1\n120ms\n\n# a remark\n0.2 s\n5e-1\n", {"all": [0.1, 0.12, 0.2, 0.5]}),
    "bytes-mark": ("\ufeff0.1\n", {"all": [0.1]}),
    "list": ('[0.1, "120ms",\n {"endpoint": "GET /a", "duration_ms": 7}]', {"all": [0.1, 0.12], "GET /a": [0.007]}),
    "lines": ('{"endpoint": "a", "duration": "2s"}\n{"duration_us": 5}\n', {"a": [2.0], "all": [5e-6]}),
    "csv": ("endpoint,duration_ms\nGET /a,12\nGET /b,7.5\n", {"GET /a": [0.012], "GET /b": [0.0075]}),
    "csv-turned": ("duration,status,endpoint\n0.5,200,GET /a\n", {"GET /a": [0.5]}),
    "csv-bare": ('GET /a,12ms\n"GET /b, c",1\n', {"GET /a": [0.012], "GET /b, c": [1.0]}),
    "one-column": ("duration_ms\n5\n", {"all": [0.005]}),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_each_form_is_read(name: str, tmp_path: Path) -> None:
    """Lines, JSON, JSON Lines and CSV, in seconds or with a unit."""
    text, expected = GOOD[name]
    path = tmp_path / name
    path.write_text(text, "utf-8")
    found, left_out = read_durations(path)
    assert ({k: pytest.approx(v) for k, v in expected.items()}, 0) == (found, left_out)


BAD = {
    "empty": ("", "empty"),
    "blank": ("\n\n", "empty"),
    "word": ("0.1\nsoon\n", "line 2: 'soon' is no duration"),
    "negative": ("0.1\n0.2\n-3\n", "line 3: '-3' is no duration"),
    "zero": ("0\n", "line 1: '0'"),
    "nan": ("nan\n", "line 1: 'nan'"),
    "infinite": ("[1, 1e999]", "line 1: 'inf'"),
    "unit": ("5min\n", "line 1: '5min'"),
    "two-units": ("duration_ms\n5s\n", "line 2: '5s'"),
    "true": ("[1,\ntrue]", "line 2: 'True'"),
    "null": ("[1,\n\nnull]", "line 3: 'None'"),
    "cut-list": ("[1,\n2", "line 2: not JSON"),
    "no-comma": ("[1\n2]", "line 2: not JSON"),
    "trailing": ("[1]\n2", "line 2: something follows"),
    "bad-line": ('{"duration": 1}\n{"duration": \n', "line 2: not JSON"),
    "no-key": ('{"duration": 1}\n{"time": 2}\n', "line 2: expected"),
    "endpoint": ('{"endpoint": 5, "duration": 1}\n', "line 1: expected"),
    "columns": ("1,2,3\n", "line 1: expected one duration"),
    "few": ("endpoint,duration\nGET /a\n", "line 2: too few columns"),
    "only-remarks": ("# nothing\n", "holds no duration"),
    "deep": ("[" * 100_000, "line 1: not JSON"),
    "history": ('{"galeproof_history": 99}\n', "history format 99"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_clear_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line that names the file, the line and what is wrong."""
    text, expected = BAD[name]
    path = tmp_path / "bad"
    path.write_text(text, "utf-8")
    assert main(["profile", "--timeouts", str(path)]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert str(path) in said.err
    assert expected in said.err


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder, and bytes that are no text are errors that name the file."""
    path = tmp_path / "bytes"
    path.write_bytes(b"0.1\n0.2\n\xff\n")
    for where, what in ((tmp_path / "none", "No such file"), (tmp_path, "directory"), (path, "line 3: not UTF-8")):
        with pytest.raises(UsageError, match=what):
            read_durations(where)


def history(*attempts: dict[str, Any]) -> str:
    """Return a history of attempts, each of one operation."""
    raw: list[Any] = []
    for x, more in enumerate(attempts, 1):
        at = x * 1_000_000_000
        took = int(more.get("took_s", 0.25) * 1e9)
        ref = f"op-{x}a"
        raw += [
            (at, at, "subject", "op_start", None, ref, {"name": "fetch", "kind": "read"}),
            (at, at + 5, "tap", "head", x, ref, {
                "x": x, "method": "GET", "target": f"/payments/{ref}?x=1", "headers": [], "by": "head",
                "word": more.get("word", "ok"), "lane": more.get("lane", "clean")}),
            (at + took, at + took, "tap", "answer", x, ref, {
                "x": x, "n": 9, "total": 9, "status": more.get("status", 200), "headers": []}),
        ]
        if more.get("whole", True):
            raw.append((at + took, at + took, "tap", "answer_end", x, ref, {"x": x, "total": 9}))
    refs = [f"op-{x}a" for x in range(1, len(attempts) + 1)]
    return dump_history(make_history({"refs": refs, "scenario": "s"}, raw))


def test_a_history_gives_its_sound_answers_by_endpoint(tmp_path: Path) -> None:
    """What met a fault is left out and counted; ids are taken out of the path."""
    path = tmp_path / "history.jsonl"
    path.write_text(history({}, {"took_s": 0.5}, {"status": 503}, {"status": 429}, {"word": "503"},
                            {"lane": "slow"}, {"whole": False}, {"status": 404}))
    assert read_durations(path) == ({"GET /payments/{}": [0.25, 0.5, 0.25]}, 5)


def test_a_history_without_a_sound_answer_is_refused(tmp_path: Path) -> None:
    """There is nothing to advise from."""
    path = tmp_path / "history.jsonl"
    path.write_text(history({"status": 503}))
    with pytest.raises(UsageError, match=r"no attempt of it was answered without a fault \(1 left out\)"):
        read_durations(path)


def test_the_table_and_the_json_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line an endpoint for people, a list for programs."""
    path = tmp_path / "d.csv"
    path.write_text("endpoint,duration\n" + "GET /a,0.2\n" * 4000 + "GET /b,1.23\n")
    assert main(["profile", "--timeouts", str(path)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert main(["profile", "--timeouts", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(e["endpoint"], e["timeout_s"], e["firm"]) for e in found["endpoints"]] == [
        ("GET /a", 0.2, True), ("GET /b", 1.3, False)]
    assert [line.rsplit("  ", 1)[1] for line in table[1:3]] == ["0.2 s", "1.3 s?"]
    assert table[3].startswith("GET /b: too small for p99.9: 1 durations, 3688 would do")


def test_a_profile_of_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file and a subject the command asks which one."""
    monkeypatch.chdir(tmp_path)
    assert main(["profile"]) == 2
    assert "--subject: which one?" in capsys.readouterr().err


def test_the_page_shows_what_the_command_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of docs/timeouts.md is the command's own output."""
    path = tmp_path / "durations.csv"
    path.write_text("endpoint,duration\n" + "GET /payments/{},0.2\n" * 4000 + "POST /payments,1.23\n")
    main(["profile", "--timeouts", str(path)])
    page = (Path(__file__).parents[2] / "docs" / "timeouts.md").read_text("utf-8")
    assert page.split("durations.csv\n")[1].split("```")[0] == capsys.readouterr().out
