"""What clients that are not ours are found to do, with the evidence of the wire."""

import functools
import itertools
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import foreign_other
from foreign_clients import CLIENTS, OTHERS, judge_apart
from foreign_found import FOUND

pytestmark = pytest.mark.full  # two minutes a client
DOCS = HERE.parent.parent / "docs"
PAGES = {"foreign-clients.md": tuple(CLIENTS), "foreign-languages.md": OTHERS}
# what rests on time may be noise on a busy machine: only their decided verdicts are held
TIMED = ("TMO", "JIT", "RAF", "CON001", "CON002", "RTY003", "RTY005", "RTY006")
# retries within a few milliseconds, and whether they count as at once lies with the machine
AT_THE_EDGE = {"got": ("RAF003", "RTY006"), "axios-retry": ("RAF003",), "go-retryablehttp": ("RTY006",)}


@functools.cache
def _judged(name):
    lacking = foreign_other.lacking(name) if name in OTHERS else []
    if lacking:
        pytest.skip(f"no {' and no '.join(lacking)} on PATH")
    return judge_apart(name)


@pytest.fixture(scope="session")
def foreign():
    """Gives a client's verdicts and wire, from a process of its own, when first asked for."""
    return _judged


def _told(proof):
    return {code: " ".join(filter(None, (v["verdict"], v["reason"]))) for code, v in proof["verdicts"].items()}


def _open(name, told):
    """What the machine decides: noise of what rests on time, and what lies at the edge."""
    return set(AT_THE_EDGE.get(name, ())) | {
        code for found in (told, FOUND[name]) for code, text in found.items()
        if code.startswith(TIMED) and text == "UNKNOWN noise"}


@pytest.mark.parametrize("name", [*CLIENTS, *OTHERS])
def test_a_foreign_client_gets_the_verdicts_that_its_wire_deserves(foreign, name):
    """Every invariant is judged as found; where the machine decides, it may be noise."""
    proof = foreign(name)
    assert (None, None, 0) == (proof["invalid"], proof["fault"], proof["strays"])
    told = _told(proof)
    left = _open(name, told)
    assert {c: t for c, t in FOUND[name].items() if c not in left} == {
        c: t for c, t in told.items() if c not in left}


@pytest.mark.parametrize(("name", "most"), [
    ("requests", 5), ("openai", 3), ("stripe", 3), ("curl", 4), ("got", 3), ("axios-retry", 4), ("go-retryablehttp", 5)])
def test_a_foreign_client_stops_at_the_attempts_of_its_settings(foreign, name, most):
    """The first attempt, and as many retries as it is set to make."""
    assert most == foreign(name)["verdicts"]["RTY001"]["observed"]


def test_openai_sends_a_post_again_without_a_key_after_a_read_timeout(foreign):
    """The first POST was applied, its answer never came, and the second is applied too."""
    writes = foreign("openai")["writes"]["hang-after-effect"]
    assert 5 == len(writes)
    for attempts in writes:
        assert [("POST", "hang after effect", None, None), ("POST", "ok", 200, None)] == [
            (a["method"], a["word"], a["status"], a["key"]) for a in attempts]
        assert 2 == len({effect for a in attempts for effect in a["effects"]})
    findings = foreign("openai")["verdicts"]["IDM001"]["findings"]
    # of every storm that holds the answer back, each operation of this one among them
    assert 5 <= sum("hang after effect" in text and "2 effects" in text for text in findings)


def test_stripe_keeps_one_key_on_every_attempt_of_an_operation(foreign):
    """A lost answer is asked for again under the same key, and the effect happens once."""
    writes = foreign("stripe")["writes"]["reset-after-effect"]
    keys = [{a["key"] for a in attempts} for attempts in writes]
    assert [2] * 10 == [len(attempts) for attempts in writes]
    assert [1] * 10 == [len(found) for found in keys]
    assert 10 == len(set.union(*keys) - {None})
    assert [1] * 10 == [len({e for a in attempts for e in a["effects"]}) for attempts in writes]


def test_stripe_leaves_a_429_to_its_caller(foreign):
    """A rate limit is not tried again, whatever Retry-After says."""
    writes = foreign("stripe")["writes"]["429-storm"]
    assert [["429"]] * 5 == [[a["word"] for a in attempts] for attempts in writes]


def test_stripe_tries_again_before_the_time_that_a_503_asks_for(foreign):
    """Retry-After: 3 is not read: the second attempt comes at the backoff of half a second."""
    reads = foreign("stripe")["reads"]["busy-three-seconds"]
    assert [["503", "ok"]] * 5 == [[a["word"] for a in attempts] for attempts in reads]
    gaps = [attempts[1]["at_s"] - attempts[0]["at_s"] for attempts in reads]
    assert [] == [gap for gap in gaps if gap >= 2.9]
    # RAF001 tells the worst first, of any storm; these five are among what it found
    texts = foreign("stripe")["verdicts"]["RAF001"]["findings"]
    assert 5 <= sum(text.startswith("503 said Retry-After: 3, attempt 2 came after") for text in texts)


def test_requests_never_sends_a_post_again(foreign):
    """urllib3 leaves POST out of allowed_methods: neither a lost answer nor a 503 is retried."""
    writes = foreign("requests")["writes"]
    for scenario in ("reset-after-effect", "reset-after-request", "truncated-body", "503-storm"):
        assert {1} == {len(attempts) for attempts in writes[scenario]}, scenario


def test_the_longest_operation_of_all_scenarios_is_told_where_no_deadline_is_declared(foreign):
    """openai's worst is three timeouts of a second in ``hang``, not a 503 of an earlier one."""
    assert foreign("openai")["verdicts"]["TMO006"]["observed"] >= 3


@pytest.mark.parametrize("name", [*CLIENTS, *OTHERS])
def test_the_table_in_the_docs_is_what_was_found(foreign, name):
    """Client, version, invariant and verdict of each row; only the evidence may differ."""
    page = next(page for page, names in PAGES.items() if name in names)
    rows = [[cell.strip() for cell in line.strip("|").split("|")][:4]
            for line in (DOCS / page).read_text("utf-8").splitlines() if line.startswith(f"| {name} |")]
    proof = foreign(name)
    left = _open(name, _told(proof))
    release = rows[0][1] if name == "curl" else proof["version"]  # curl is the machine's own
    found = [[name, release, f"{code} {proof['verdicts'][code]['name']}", text]
             for code, text in _told(proof).items() if code not in left]
    assert found == [row for row in rows if row[2].split()[0] not in left]


def test_axios_retry_sends_a_post_again_after_a_reset(foreign):
    """Applied, lost, and applied again, without a key and at once."""
    writes = foreign("axios-retry")["writes"]["reset-after-effect"]
    for attempts in writes:
        assert [("POST", None), ("POST", 201)] == [(a["method"], a["status"]) for a in attempts]
        assert 2 == len({effect for a in attempts for effect in a["effects"]})
        assert {None} == {a["key"] for a in attempts}


def test_got_never_sends_a_post_again(foreign):
    """Neither after a lost answer nor after a 503."""
    for scenario in ("reset-after-effect", "reset-after-request", "503-storm"):
        assert {1} == {len(attempts) for attempts in foreign("got")["writes"][scenario]}, scenario


@pytest.mark.parametrize("name", ["got", "axios-retry"])
def test_a_timer_that_overflows_fires_at_once(foreign, name):
    """Asked to wait for 99999999999 s, all attempts are made within a second."""
    for attempts in foreign(name)["reads"]["busy-for-ages"]:
        assert len(attempts) > 1
        assert attempts[-1]["at_s"] < 1


@pytest.mark.parametrize(("name", "delays_s"), [("curl", (1, 2, 4)), ("go-retryablehttp", (1, 2, 4, 8))])
def test_delays_are_doubled_and_drawn_by_nobody(foreign, name, delays_s):
    """A POST under an endless 503, too."""
    for attempts in foreign(name)["writes"]["503-storm"]:
        gaps = [b["at_s"] - a["at_s"] for a, b in itertools.pairwise(attempts)]
        assert list(delays_s) == [round(gap) for gap in gaps]
