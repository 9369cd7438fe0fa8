"""What the harness takes down of an exception and of a client's objects."""

import dataclasses
import logging
import threading

import httpx
import pydantic
import pytest

from galeproof.subject import shown as exceptions
from galeproof.subject import state
from galeproof.subject.outcome import failed

TOKEN = "sk_test_Q7vX2mLp9RtB4nKc8WzJ5hYd3GfS6aEu"


class Busy(Exception):
    """An error of a client."""


def _raised(make):
    try:
        make()
    except Exception as error:
        return error
    raise AssertionError


def _in(error):
    """The parts of what an error shows in which the token stands."""
    return {part for part, text in exceptions.shown(error).items() if TOKEN in text}


def _caused():
    raise Busy from ValueError(TOKEN)


def _hidden():
    try:
        raise ValueError(TOKEN)
    except ValueError:
        raise Busy from None


def _noted():
    error = Busy()
    error.add_note(TOKEN)
    raise error


@pytest.mark.parametrize("make", [_caused, _hidden, _noted])
def test_causes_contexts_and_notes_are_shown(make):
    """`from None` hides the context from the traceback, not from us."""
    assert "dump" in _in(_raised(make))


def test_args_are_shown_by_their_repr():
    """A mapping of headers in args."""
    assert {"dump", "pickle"} == _in(Busy({"Authorization": TOKEN}))


def test_a_plain_attribute_travels_in_the_pickle():
    """No text shows it."""
    error = Busy("503")
    error.token = TOKEN
    assert {"pickle"} == _in(error)


def test_an_object_that_masks_itself_is_masked_in_the_pickle_too():
    """The trap of SEC002: the error holds the request."""
    error = Busy("503")
    error.request = httpx.Request("GET", "http://a/", headers={"Authorization": TOKEN})
    error.secret = pydantic.SecretStr(TOKEN)
    assert set() == _in(error)


def test_what_cannot_be_pickled_goes_nowhere():
    """The rest is shown all the same."""
    error = Busy(TOKEN)
    error.lock = threading.Lock()
    error.logger = logging.getLogger("x")
    assert "dump" in _in(error)


def test_local_variables_of_libraries_are_apart():
    """httpx's frames hold the headers; ours do not count."""
    error = _raised(lambda: httpx.get("http://127.0.0.1:1/", headers={"X-Key": TOKEN}))
    assert {"locals"} == _in(error)

    def mine():
        token = TOKEN
        raise Busy(len(token))

    assert set() == _in(_raised(mine))


def test_an_error_whose_str_raises_is_an_outcome_all_the_same():
    """The subject's slip is not ours."""
    class Broken(Exception):
        def __repr__(self):
            raise RuntimeError

    assert "RuntimeError" in exceptions.shown(Broken())["dump"]


def test_the_probes_are_found():
    """Each in every place that it was planted in."""
    assert exceptions.probe() == {"channel": "exception", "found": True}
    assert [("repr", True), ("state", True)] == [(p["channel"], p["found"]) for p in state.probe()]


@pytest.mark.parametrize(("unknown", "told"), [(True, "unknown"), (False, "none"), (None, None), ("?", None)])
def test_an_error_tells_of_its_effect_by_an_attribute(unknown, told):
    """Only a truth value does; a driver says it in the same word."""
    error = Busy("lost")
    error.effect_unknown = unknown
    assert told == failed(error, 0, 1).error.get("effect")


def test_the_bases_of_an_error_are_named():
    """A declared class covers what derives from it."""
    class Busier(Busy):
        pass

    assert [f"{__name__}.Busy", "builtins.Exception"] == failed(Busier(), 0, 1).error["bases"]


@dataclasses.dataclass
class Config:
    """Shows its token."""

    token: str = TOKEN


@dataclasses.dataclass
class Half:
    """Masks its token in repr only."""

    token: str = dataclasses.field(default=TOKEN, repr=False)


class Slotted:
    """An object without a __dict__."""

    __slots__ = ("token",)

    def __init__(self):
        self.token = TOKEN


class Client:
    """Holds something."""

    def __init__(self, held):
        self.held = held


def _where(**attributes):
    adapter = type("Adapter", (), {})()
    vars(adapter).update(attributes)
    return {(data["channel"], data["logger"]) for _, data in state.state_of(adapter) if TOKEN in data["text"]}


@pytest.mark.parametrize(("held", "seen"), [
    (Config(), {("repr", "client"), ("state", "client")}), (Half(), {("state", "client")}),
    (Client(Config()), {("repr", "client.held"), ("state", "client.held")}),
    (Client(Half()), {("state", "client.held")}), (Client(TOKEN), {("state", "client")}),
    (Client({"Authorization": TOKEN}), {("state", "client")}), ({"a": TOKEN}, {("state", "client")}),
    (Slotted(), {("state", "client")}), (pydantic.SecretStr(TOKEN), set()),
    (Client(pydantic.SecretStr(TOKEN)), set()),
    (httpx.Headers({"Authorization": TOKEN}), set())])
def test_objects_are_shown_with_what_they_hold_one_level(held, seen):
    """repr and str of objects on one channel, plain attributes and asdict on the other."""
    assert seen == _where(client=held)


def test_the_adapters_own_plain_attributes_are_left_out():
    """They are the harness's side."""
    assert set() == _where(key=TOKEN)


def test_an_object_whose_repr_raises_shows_nothing():
    """And hides nothing of the others."""
    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert {("repr", "config"), ("state", "config")} == _where(client=Broken(), config=Config())


class _Speaking:
    """A client that is its own adapter's base."""

    def __init__(self):
        self.token = TOKEN

    def __repr__(self):
        return f"<Shop {self.token}>"


class _Inheriting(_Speaking):
    """An adapter that is the client."""


@dataclasses.dataclass
class _Generated:
    """An adapter whose repr nobody wrote."""

    token: str = TOKEN


@pytest.mark.parametrize(("adapter", "seen"), [
    (_Speaking(), {("repr", "_Speaking")}), (_Inheriting(), {("repr", "_Inheriting")}),
    (_Generated(), set())])
def test_a_repr_that_somebody_wrote_is_shown_of_the_adapter_too(adapter, seen):
    """An adapter may be the client itself; what a decorator generated is the harness's side."""
    assert seen == {(data["channel"], data["logger"]) for _, data in state.state_of(adapter)
                    if TOKEN in data["text"]}
