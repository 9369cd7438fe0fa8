"""What ``--json`` prints and a kept run holds is what the published JSON Schema says, and strict JSON."""

import json

import jsonschema
import pytest

from galeproof.model import Profile
from galeproof.report.schema import night_schema, run_schema


def read(text):
    def refused(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refused)


def valid(text):
    document = read(text)
    jsonschema.Draft202012Validator(run_schema()).validate(document)
    return document


@pytest.mark.parametrize("schema", [run_schema, night_schema])
def test_a_published_schema_is_one(schema):
    """Of the dialect that it names."""
    jsonschema.Draft202012Validator.check_schema(schema())


def test_findings(kept):
    """``run --json`` and verdicts.json."""
    done, folder = kept
    document = valid(done.stdout)
    assert (1, True) == (document["exit"], any(v["findings"] for v in document["verdicts"]))
    assert document == valid((folder / "verdicts.json").read_text("utf-8"))


@pytest.mark.parametrize("command", [("judge", "--json"), ("report", "--format", "json")])
def test_a_kept_run_again(gale, kept, command):
    """``judge`` and ``report`` give that document too."""
    done, folder = kept
    name, *options = command
    again = valid(gale(name, folder, *options).stdout)
    assert {**read(done.stdout), "run": str(folder)} == {**again, "verdicts": [
        {**v, "findings": [{**f, "replay": f["replay"].replace(str(folder), str(read(done.stdout)["run"]))}
                           for f in v["findings"]]} for v in again["verdicts"]]}


def test_everything_that_ships(gale):
    """Sound verdicts, UNKNOWN ones with figures, and scenarios that were not run."""
    document = valid(gale("run", "status-401", "key-of-the-caller", "tls-stall", "--subject",
                          "billing:Billing", "--engine", "embedded", "--json").stdout)
    assert {"PASS", "UNKNOWN"} <= {v["verdict"] for v in document["verdicts"]}
    assert {} != document["not_run"]


@pytest.mark.parametrize(("subject", "key"), [("Broken", "invalid"), ("NoSecret", "run")])
def test_what_was_not_judged(gale, subject, key):
    """INVALID subjects have the same document, with the reason."""
    document = valid(gale("run", "reset-after-effect", "--subject", f"billing:{subject}", "--engine",
                          "embedded", "--json").stdout)
    assert isinstance(document[key], str)


@pytest.mark.parametrize("broken", [{"exit": 2}, {"verdicts": [{}]}, {"more": 1}, {"seed": "7"}])
def test_the_schema_refuses(kept, broken):
    """What is no such document."""
    document = {**read(kept[0].stdout), **broken}
    assert not jsonschema.Draft202012Validator(run_schema()).is_valid(document)


def test_the_profile_of_the_schema_is_the_models():
    """The published profile schema takes what the model takes."""
    jsonschema.Draft202012Validator(Profile.model_json_schema()).validate(
        {"max_attempts": 3, "backoff": {"base_s": 0.2, "cap_s": 2, "jitter": "full"}})
