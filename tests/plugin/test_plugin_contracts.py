"""``gale.contract``: pacts of whole green runs only, and contract tests under storms."""

import json
from pathlib import Path

import pytest

pytest.importorskip("pact")

CLIENT = '''
import itertools
import json
import time
import urllib.error
import urllib.request

NUMBERS = itertools.count(1)


def send(url, method, body, headers):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, None


def create(base, *, again=(429, 503), new_key=False, no_body=False, no_key=False, waits=True):
    key = f"key-{next(NUMBERS)}"
    for attempt in range(3):
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if attempt and new_key:
            headers["Idempotency-Key"] += f"-{attempt}"
        if attempt and no_key:
            del headers["Idempotency-Key"]
        body = {} if attempt and no_body else {"n": 1}
        try:
            status, found, answer = send(f"{base}/things", "POST", body, headers)
        except OSError:
            time.sleep(0.05 * attempt)
            continue
        if status not in again:
            break
        time.sleep(float(found.get("Retry-After", 0)) if waits else 0.01)
    if status != 201:
        raise RuntimeError(f"answered {status}")
    return answer["id"]
'''
TESTS = '''
import pytest
from client import create, send
from galeproof.contract import Interaction, Request, Response, State, load_pact

match = load_pact().match


def interaction(what="a thing is made", status=201, body=None, headers=None, state="all is well", n=1):
    asked = {{"Idempotency-Key": match.regex("k", regex=r"\\S+")}}
    return Interaction("web", "things", what, Request("POST", "/things", asked, {{}}, {{"n": match.int(n)}}),
                       Response(status, headers or {{}}, body), (State(state),))


MADE = interaction(body={{"id": match.int(7)}})
LIMITED = interaction("limited", 429, headers={{"Retry-After": match.regex("1", regex="[0-9]+")}}, state="limited")
DOWN = interaction("down", 503, state="down")

{tests}
'''
MANY = TESTS.format(tests='''
@pytest.mark.parametrize("n", range(20))
@pytest.mark.contract
def test_one(gale, n):
    state = f"there are {n}"
    with gale.contract(interaction("a thing of many", body={"id": match.int(7)}, state=state)) as mock:
        assert create(mock.url) == 7

@pytest.mark.contract
def test_same_as_another(gale):
    with gale.contract(interaction("a thing of many", body={"id": match.int(7)}, state="there are 3")) as mock:
        assert create(mock.url) == 7
''')
ONE = '''
@pytest.mark.contract({storms})
@pytest.mark.profile(max_attempts=3, idempotency_key="Idempotency-Key")
def test_made(gale):
    with gale.contract(MADE, LIMITED, DOWN) as mock:
        assert create(mock.url{how}) == 7
'''
SEQUENCE = '''
name: sequence
why: Overloaded, then limited, then well.
operations:
  - {kind: write, count: 1, concurrent: 1}
steps:
  - {attempts: 1, answer: 503}
  - {attempts: 2, answer: 429}
  - {attempts: 3-, answer: ok}
expect: {outcome: success, exercised: [RTY003]}
'''


@pytest.fixture
def project(inner):
    inner.pytester.makepyfile(client=CLIENT)

    def one(how="", storms='"sequence"'):
        inner.tests(TESTS.format(tests=ONE.format(how=how, storms=storms)))
        (inner.pytester.path / "sequence.yaml").write_text(SEQUENCE.replace("\n\n", "\n"))
        return inner

    inner.one = one
    inner.pact = inner.pytester.path / "pacts" / "web-things.json"
    return inner


def said(result):
    return result.stdout.str()


def test_two_workers_write_one_whole_pact(project):
    """Twenty interactions from twenty-one tests over 2 workers, and the stamp that `pact publish` asks for."""
    project.tests(MANY)
    assert {"passed": 21} == project.run("-q", "-n", "2").parseoutcomes()
    found = [item["providerStates"][0]["name"] for item in json.loads(project.pact.read_text())["interactions"]]
    assert sorted(f"there are {n}" for n in range(20)) == found
    stamp = json.loads((project.pytester.path / ".galeproof" / "contracts.json").read_text())
    assert ([str(project.pact)], []) == (list(stamp["pacts"]), stamp["refused"])


@pytest.mark.full
@pytest.mark.parametrize("workers", ["0", "2", "4", "8"])
def test_workers_in_any_number(project, workers):
    """0, 2, 4 and 8 workers write the bytes that one process writes."""
    project.tests(MANY)
    project.run("-q")
    expected = project.pact.read_bytes()
    project.pact.unlink()
    assert {"passed": 21} == project.run("-q", "-n", workers).parseoutcomes()
    assert expected == project.pact.read_bytes()


def test_a_contract_that_was_never_held_writes_no_pact(project):
    """`gale.contract` without its `with`: nothing was sent, and the test is green."""
    project.tests(TESTS.format(tests="""
@pytest.mark.contract
def test_a(gale):
    with gale.contract(MADE) as mock:
        assert create(mock.url) == 7

@pytest.mark.contract
def test_b(gale):
    gale.contract(DOWN)
"""))
    assert "test_b[contract] held no contract" in said(project.run("-q"))
    assert not project.pact.exists()


@pytest.mark.parametrize("words", [
    ["-k", "test_one"], *(pytest.param(words, marks=pytest.mark.full) for words in (
        ["-n", "2", "-k", "test_one"], ["--deselect", "test_inner.py::test_same_as_another"],
        ["test_inner.py::test_same_as_another"]))])
def test_a_partial_run_replaces_nothing(project, words):
    """A filter, with and without workers, and a test's own name leave the file and say why."""
    project.tests(MANY)
    project.pact.parent.mkdir()
    project.pact.write_text("before")
    result = project.run("-q", *words)
    assert "before" == project.pact.read_text()
    assert "no pact written" in said(result)


@pytest.mark.full
def test_a_path_that_would_lose_an_interaction_replaces_nothing(project):
    """One file of two: what the other one wrote is kept, and the run is red."""
    project.tests(MANY)
    project.pytester.makepyfile(test_other=TESTS.format(tests=ONE.format(how="", storms="")))
    assert 0 == project.run("-q").ret
    before = project.pact.read_bytes()
    result = project.run("-q", "test_other.py")
    assert (1, before) == (result.ret, project.pact.read_bytes())
    assert "did not run" in said(result)


@pytest.mark.full
@pytest.mark.parametrize(("body", "word"), [
    ("assert False", "failed"), ("pytest.skip('x')", "skipped"), ("pytest.xfail('x')", "skipped")])
def test_a_test_that_did_not_pass_writes_nothing(project, body, word):
    """A failed, skipped or xfailed contract test keeps every pact from being written."""
    project.tests(MANY + f"\n@pytest.mark.contract\ndef test_last(gale):\n    {body}\n")
    result = project.run("-q")
    assert not project.pact.exists()
    assert f"test_last[contract] {word}" in said(result)


@pytest.mark.full
def test_two_tests_that_differ_are_a_conflict(project):
    """Over two workers, where neither sees the other: red, nothing is written."""
    project.tests(TESTS.format(tests='''
@pytest.mark.parametrize("n", [7, 8])
@pytest.mark.contract
def test_one(gale, n):
    with gale.contract(interaction(body={"id": match.int(n)})) as mock:
        create(mock.url)
'''))
    for words in ([], ["-n", "2"]):
        result = project.run("-q", *words)
        assert (1, False) == (result.ret, project.pact.exists())
        assert "not\nthe same" in said(result).replace("not the same", "not\nthe same") or (
            "different things" in said(result))


@pytest.mark.full
@pytest.mark.parametrize(("tests", "word"), [
    ("MADE, interaction('other', 201, state='x')", "nothing tells them apart"),
    ("MADE, interaction('other', 409, n='a')", "matcher"),
    ("Interaction('web', 'things', 'x', Request('GET', '/x', {'Authorization': 'Bearer abc'}), "
     "Response(200)),", "placeholder"),
    ("MADE, Interaction('web', 'things', 'x', Request('GET', '/x'), Response(404))", "its request is not")])
def test_refused_when_defined(project, tests, word):
    """Two answers of one status, another request, a literal secret."""
    project.tests(TESTS.format(tests=f'''
@pytest.mark.contract
def test_one(gale):
    with gale.contract({tests}) as mock:
        pass
'''))
    result = project.run("-q")
    assert 1 == result.ret
    assert word in said(result) or word == "matcher"


def test_a_sequence_is_routed_to_the_interaction_of_each_attempt(project):
    """503, then 429 with the contract's Retry-After, then 201: both calm air and the storm pass."""
    result = project.one().run("-v", "--galeproof-scenario", "sequence.yaml")
    assert {"passed": 2} == result.parseoutcomes(), said(result)
    (one,) = json.loads(project.pact.read_text())["interactions"]
    assert "a thing is made" == one["description"]


@pytest.mark.parametrize(("how", "lines"), [
    (", new_key=True", ["contract PASS", "resilience FAIL: IDM002", "fault evidence PASS"]),
    pytest.param(", no_body=True", ["contract FAIL", "Request-Mismatch", "fault evidence PASS"],
                 marks=pytest.mark.full),
    pytest.param(", no_key=True", ["contract FAIL", "Request-Mismatch", "fault evidence PASS"],
                 marks=pytest.mark.full),
    pytest.param(", waits=False", ["contract PASS", "resilience FAIL", "RAF"], marks=pytest.mark.full),
])
def test_a_seeded_defect_under_a_storm(project, how, lines):
    """A new key, a lost body and a lost header on the second attempt: each in its own verdict."""
    project.one(how)
    result = project.run("-q", "--galeproof-scenario", "sequence.yaml")
    assert {"passed": 1, "failed": 1} == result.parseoutcomes(), said(result)
    assert [line for line in lines if line not in said(result)] == [], said(result)


def test_a_client_that_retries_a_mismatch_fails_both_verdicts(project):
    """The mismatch is no fault of the provider's: it is answered 400, and trying again is a finding."""
    project.one(", no_body=True, again=(400, 429, 503)")
    result = project.run("-q", "--galeproof-scenario", "sequence.yaml")
    assert "contract FAIL" in said(result)
    assert "RTY002" in said(result)


@pytest.mark.full
def test_a_storm_that_never_came_is_no_evidence(project):
    """A client that asks once under a storm of the third attempt: the third verdict fails alone."""
    project.one()
    text = SEQUENCE.replace("attempts: 1, answer: 503", "attempts: 1-2, answer: ok").replace(
        "attempts: 2, answer: 429", "attempts: 3-, answer: 503").replace(
        "  - {attempts: 3-, answer: ok}\n", "")
    (project.pytester.path / "sequence.yaml").write_text(text)
    result = project.run("-q", "--galeproof-scenario", "sequence.yaml")
    assert "contract PASS\nresilience PASS\nfault evidence FAIL" in said(result).replace("E   ", "")


@pytest.mark.full
@pytest.mark.parametrize(("extra", "word"), [
    ("send(mock.url + '/things', 'OPTIONS', None, {})", "OPTIONS /things was asked too"),
    ("__import__('httpx').post(mock.url + '/things', json={'n': 1}, headers=[('Idempotency-Key', 'a'), "
     "('Idempotency-Key', 'b')])", "header idempotency-key came with two values"),
    ("__import__('httpx').post(mock.url + '/things?a=1', json={'n': 1}, headers={'Idempotency-Key': 'a'})",
     "query"),
    ("__import__('httpx').get(mock.url + '/never/defined')", "GET /never/defined was asked too"),
])
def test_what_a_mock_server_lets_pass(project, extra, word):
    """Requests that the contract does not have, although the one that it has has matched."""
    project.tests(TESTS.format(tests=f'''
@pytest.mark.contract
def test_one(gale):
    with gale.contract(MADE) as mock:
        create(mock.url)
        {extra}
'''))
    result = project.run("-q")
    assert {"failed": 1} == result.parseoutcomes()
    assert word in said(result)


@pytest.mark.full
def test_a_clients_error_does_not_hide_the_mismatch(project):
    """The client fails because the mock server refused it: the failure shows why."""
    project.tests(TESTS.format(tests='''
@pytest.mark.contract
def test_one(gale):
    with gale.contract(interaction(n="text")) as mock:
        create(mock.url)
''').replace("match.int(n)", "match.str(str(n))"))
    result = project.run("-q")
    assert "contract FAIL" in said(result)
    assert not Path(project.pact).exists()


@pytest.mark.full
def test_an_unmarked_test_is_refused(project):
    """Without the marker nobody would know what the whole contract is."""
    project.tests(TESTS.format(tests="def test_one(gale):\n    gale.contract(MADE)\n"))
    assert "mark the test" in said(project.run("-q"))


@pytest.mark.full
def test_telemetry_is_off(project):
    """Loading the library switches Pact's telemetry off."""
    project.tests(TESTS.format(tests='''
def test_one():
    import os
    assert "true" == os.environ["PACT_DO_NOT_TRACK"]
'''))
    assert {"passed": 1} == project.run("-q").parseoutcomes()


def test_a_pact_is_collected_an_item_an_interaction(project):
    """Each is verified alone against the provider that is named, with handlers of a file."""
    from tests.wire.contract_rig import interaction, pact, provider

    project.pact.parent.mkdir()
    project.pact.write_text(json.dumps(pact(
        interaction("one", providerStates=[{"name": "there"}]), interaction("two", response={"status": 404}),
        {"type": "Asynchronous/Messages", "description": "an event"})))
    project.pytester.makepyfile(handlers="""
        from galeproof.contract.state_server import state

        @state("there")
        async def there():
            return {}
    """)
    with provider(lambda *_: (200, {}, b"")) as url:
        result = project.run("-v", "--galeproof-provider", url, "--galeproof-states", "handlers.py", "pacts")
    assert {"passed": 1, "failed": 2} == result.parseoutcomes(), said(result)
    assert "not verified: Asynchronous/Messages" in said(result)


@pytest.mark.full
def test_a_pact_that_is_refused_is_no_empty_file(project):
    """An error of collection, never "no tests ran"."""
    project.pact.parent.mkdir()
    project.pact.write_text("{}")
    assert 5 == project.run("-q", "pacts").ret  # without a provider no pact is collected
    result = project.run("-q", "--galeproof-provider", "http://127.0.0.1:9", "pacts")
    assert 2 == result.ret
    assert "no pact" in said(result) or "metadata" in said(result)


@pytest.mark.full
def test_a_canary_never_gets_into_a_pact(project):
    """The secret of the run, given to the client and sent in a header that nobody suspects."""
    project.tests(TESTS.format(tests='''
@pytest.mark.contract
def test_one(gale):
    made = interaction(body={"id": match.int(7)}, headers={"X-Trace": str(gale.secrets["api_key"])})
    with gale.contract(made) as mock:
        create(mock.url)
'''))
    result = project.run("-q")
    assert (1, False) == (result.ret, project.pact.exists())
    assert "secret" in said(result)
