"""``gale`` around an existing test: steps, operations, checks."""

import pytest

LOST_ANSWER = '''
from shop import BillingClient


def test_a_lost_answer_never_charges_twice(gale):        # no adapter needed
    gale.steps("rst after effect", 503, "ok")            # attempts 1, 2, 3 of each operation
    billing = BillingClient(gale.base_url, api_key=gale.secrets["api_key"], timeout=1.0)
    with gale.operation("create", answer={"id": "{effect}"}) as op:
        billing.create_invoice(reference=op.ref, amount=op.amount)
    gale.check("IDM001", "IDM002")                       # exercised and PASS, or the test fails
    assert 1 == gale.effects(op)
'''


def test_the_test_of_a_lost_answer_passes_for_a_sound_client(inner):
    """INTERFACES' test as printed, on a client of 20 lines that keeps its key."""
    inner.client()
    inner.tests(LOST_ANSWER)
    result = inner.run()
    assert {"passed": 1} == result.parseoutcomes()


def test_the_test_of_a_lost_answer_fails_for_a_new_key_on_each_attempt(inner, sound_client):
    """The failure shows what was planned and observed for each attempt, and how to run it again."""
    inner.client(sound_client.replace('"Idempotency-Key": key', '"Idempotency-Key": str(uuid.uuid4())'))
    inner.tests(LOST_ANSWER)
    result = inner.run("--galeproof-seed", "41")
    assert {"failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines([
        "FAIL*IDM002*",
        "*IDM002 on the wire:",
        "*attempt 1: POST /invoices*<- rst after effect*",
        "*effect*",
        "*attempt 2: POST /invoices*<- 503*",
        "*attempt 3: POST /invoices*<- ok*",
        'run kept in *; again: pytest "test_inner.py::test_a_lost_answer_never_charges_twice"'
        " --galeproof-seed=41",
    ])


def test_a_client_without_a_key_is_found(inner, sound_client):
    """A retry after an ambiguous loss without any key fails IDM001."""
    inner.client(sound_client.replace('headers={"Idempotency-Key": key}, ', ""))
    inner.tests(LOST_ANSWER)
    result = inner.run()
    assert {"failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["FAIL*IDM001*"])


def test_an_invariant_that_was_not_exercised_is_no_pass(inner):
    """``gale.check`` of a code whose situation never arose fails, and says why."""
    inner.client()
    inner.tests(LOST_ANSWER.replace('"rst after effect", 503, "ok"', '"ok"'))
    result = inner.run()
    assert {"failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["UNKNOWN*IDM001*not_exercised*"])


def test_an_unknown_that_was_expected_is_accepted(inner):
    """``expect_unknown`` accepts UNKNOWN of the codes that it names, and of no other."""
    inner.client()
    text = LOST_ANSWER.replace('"rst after effect", 503, "ok"', '"ok"').replace(
        "def test_a", "import pytest\n\n@pytest.mark.expect_unknown({})\ndef test_a")
    inner.tests(text.replace("{}", '"IDM001", "IDM002"', 1))
    assert {"passed": 1} == inner.run().parseoutcomes()
    inner.tests(text.replace("{}", '"IDM001"', 1))
    result = inner.run()
    assert {"failed": 1} == result.parseoutcomes()
    result.stdout.no_fnmatch_line("UNKNOWN*IDM001*")


def test_a_failing_code_is_never_excused(inner, sound_client):
    """``expect_unknown`` does not excuse a FAIL."""
    inner.client(sound_client.replace('"Idempotency-Key": key', '"Idempotency-Key": str(uuid.uuid4())'))
    inner.tests(LOST_ANSWER.replace(
        "def test_a", 'import pytest\n\n@pytest.mark.expect_unknown("IDM001", "IDM002")\ndef test_a'))
    assert {"failed": 1} == inner.run().parseoutcomes()


def test_an_unknown_code_is_refused(inner):
    """``gale.check`` of no invariant is an error that names those that there are."""
    inner.client()
    inner.tests(LOST_ANSWER.replace('"IDM002"', '"IDM999"'))
    result = inner.run()
    assert {"failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["*UsageError: gale.check: 'IDM999': no such invariant; known: *IDM001*"])


def test_a_client_error_is_raised_unless_it_may_fail(inner):
    """An exception of the client goes on to the test; with ``may_fail`` it is an outcome only."""
    inner.client()
    inner.tests('''
import pytest
from shop import BillingClient

def storm(gale, **more):
    gale.steps(503)
    billing = BillingClient(gale.base_url, api_key="k", timeout=1.0)
    with gale.operation("create", answer={"id": "{effect}"}, **more) as op:
        billing.create_invoice(op.ref, op.amount)
    return op

def test_raised(gale):
    with pytest.raises(RuntimeError, match="no invoice after 3 attempts"):
        storm(gale)
    assert ["failed"] == [e.data["outcome"] for e in gale.history.of("op_end")]

def test_outcome(gale):
    op = storm(gale, may_fail=True)
    (end,) = gale.history.of("op_end")
    assert ("failed", "builtins.RuntimeError") == (end.data["outcome"], end.data["error"]["type"])
    assert 0 == gale.effects(op)

def test_raised_on(gale):
    storm(gale)
''')
    result = inner.run()
    assert {"passed": 2, "failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["FAILED test_inner.py::test_raised_on*no invoice after 3 attempts*"])


def test_effects_are_counted_for_each_operation(inner):
    """``gale.effects`` counts distinct effects: none, one, or one for each new key."""
    inner.client()
    inner.tests('''
import requests

def post(gale, op, key):
    return requests.post(f"{gale.base_url}/pay/{op.ref}", headers={"Idempotency-Key": key}, timeout=2)

def test_effects(gale):
    with gale.operation("create", answer={"id": "{effect}"}) as none:
        pass
    with gale.operation("create", answer={"id": "{effect}"}) as one:
        assert post(gale, one, "a").json() == post(gale, one, "a").json()
    with gale.operation("create", answer={"id": "{effect}"}) as two:
        assert post(gale, two, "b").json() != post(gale, two, "c").json()
    assert [0, 1, 2] == [gale.effects(op) for op in (none, one, two)]
''')
    assert {"passed": 1} == inner.run().parseoutcomes()


def test_an_operation_of_an_asynchronous_test(inner):
    """``async with gale.operation`` under anyio, two tests in a row on one world."""
    inner.tests('''
import httpx
import pytest

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
@pytest.mark.parametrize("sound", [True, False])
async def test_async(gale, sound):
    gale.steps("rst after effect", "ok")
    async with httpx.AsyncClient(base_url=gale.base_url) as client:
        async with gale.operation("create", answer={"id": "{effect}"}) as op:
            for attempt in range(2):
                try:
                    key = "same" if sound else f"key-{attempt}"
                    await client.post(f"/pay/{op.ref}", headers={"Idempotency-Key": key})
                except httpx.TransportError:
                    pass
    gale.check("IDM002")
    assert 1 == gale.effects(op)
''')
    result = inner.run("-p", "anyio")
    assert {"passed": 1, "failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["FAILED test_inner.py::test_async*False*IDM002*"])


def test_steps_come_before_the_base_url(inner):
    """Steps given after the storm has begun are refused, not forgotten."""
    inner.tests('''
import pytest
from galeproof.errors import ScenarioError, UsageError

def test_late(gale):
    gale.base_url
    with pytest.raises(UsageError, match="before base_url"):
        gale.steps(503)

def test_nonsense(gale):
    with pytest.raises(ScenarioError):
        gale.steps("rst after lunch")
''')
    assert {"passed": 2} == inner.run().parseoutcomes()


def test_a_check_judges_all_that_has_happened(inner):
    """Operations may go on after a check, an effects or a history; the next check sees them."""
    inner.client()
    inner.tests('''
import uuid
import requests
from shop import BillingClient

def test_twice(gale):
    gale.steps("rst after effect", "ok")
    client = BillingClient(gale.base_url, gale.secrets["api_key"], 1.0)
    with gale.operation("create", answer={"id": "{effect}"}) as one:
        client.create_invoice(one.ref, one.amount)
    gale.check("IDM001", "IDM002")
    assert 1 == gale.effects(one)
    with gale.operation("create", answer={"id": "{effect}"}) as two:
        for _ in range(2):
            try:
                requests.post(f"{gale.base_url}/x/{two.ref}", timeout=1,
                              headers={"Idempotency-Key": str(uuid.uuid4())})
            except requests.ConnectionError:
                pass
    assert 2 == gale.effects(two)
    gale.check("IDM002")
''')
    result = inner.run()
    assert {"failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["FAIL*IDM002*1 of 2 ops*"])


def test_operations_that_overlap_are_never_guessed(inner):
    """With references in the head they are told apart; in the body only, attribution is UNKNOWN."""
    inner.client()
    inner.tests('''
import threading
import pytest
import requests
from shop import BillingClient

def five(gale, call):
    scopes, barrier = [], threading.Barrier(5, timeout=5)

    def one():
        with gale.operation("create", answer={"id": "{effect}"}, may_fail=True) as op:
            scopes.append(op)
            barrier.wait()
            call(op)
            barrier.wait()

    threads = [threading.Thread(target=one) for _ in range(5)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    return scopes

def test_head(gale):
    gale.steps(503, "ok")
    def call(op):
        for _ in range(2):
            requests.post(f"{gale.base_url}/{op.ref}", headers={"Idempotency-Key": op.ref}, timeout=2)
    assert [1] * 5 == [gale.effects(op) for op in five(gale, call)]
    gale.check("IDM002")

def test_body(gale):
    gale.steps(503, "ok")
    client = BillingClient(gale.base_url, gale.secrets["api_key"], 1.0)
    five(gale, lambda op: client.create_invoice(op.ref, op.amount))
    gale.check("IDM002")
''')
    result = inner.run()
    assert {"passed": 1, "failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["UNKNOWN*IDM002*attribution*"])


@pytest.mark.parametrize("leak", [
    'os.write(2, gale.secrets["api_key"].encode())',
    'os.system("echo " + gale.secrets["api_key"] + " >&2")',
    'logging.getLogger("early").debug(gale.secrets["api_key"])',
    'print(gale.secrets["api_key"])',
])
def test_a_leak_of_the_process_is_found_in_a_test_too(inner, leak):
    """Raw writes, children, and what is said before the base URL is used."""
    inner.client()
    inner.tests(f'''
import logging, os
from shop import BillingClient

def test_leak(gale):
    {leak}
    client = BillingClient(gale.base_url, gale.secrets["api_key"], 1.0)
    with gale.operation("create", answer={{"id": "{{effect}}"}}) as op:
        client.create_invoice(op.ref, op.amount)
    gale.check("SEC001")
''')
    result = inner.run()
    assert {"failed": 1} == result.parseoutcomes()
    result.stdout.fnmatch_lines(["FAIL*SEC001*"])


REMAINING = '''
from shop import BillingClient

def test_storm(gale):
    gale.steps("rst after effect", "rst after effect", 503, "ok"{more})
    billing = BillingClient(gale.base_url, api_key=gale.secrets["api_key"], timeout=1.0)
    with gale.operation("create", answer={{"id": "{{effect}}"}}, may_fail={fails}) as op:
        {call}
'''
CALL = "billing.create_invoice(reference=op.ref, amount=op.amount)"


@pytest.mark.parametrize(("attempts", "more", "call", "expected"), [
    (4, "", CALL, {"passed": 1}), (2, "", CALL, {"failed": 1}), (2, ", may_remain=True", CALL, {"passed": 1}),
    (4, "", "pass", {"failed": 1})])
def test_a_planned_fault_that_met_no_attempt_fails_the_test(inner, sound_client, attempts, more, call, expected):
    """Unless it may remain; what was expected and what came are shown."""
    inner.client(sound_client.replace("range(3)", f"range({attempts})"))
    inner.tests(REMAINING.format(more=more, fails=attempts == 2, call=call))
    result = inner.run()
    assert expected == result.parseoutcomes()
    if "failed" in expected and call == CALL:
        result.stdout.fnmatch_lines([
            "planned faults that no attempt met: attempt 3: 503", "  expected rst after effect, rst after effect, 503, ok",
            "  observed rst after effect, rst after effect  (create *, failed)", "*may_remain=True*"])


def test_a_failing_test_is_not_told_of_remaining_faults_too(inner, sound_client):
    """Its own error comes first, and alone."""
    inner.client(sound_client)
    inner.tests(REMAINING.format(more="", fails=False, call="assert 1 == 2"))
    result = inner.run()
    result.stdout.no_fnmatch_line("*no attempt met*")
