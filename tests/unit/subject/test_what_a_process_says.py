"""Capture hears every channel, whatever the subject does to levels, streams and descriptors."""

import logging
import os
import sys

import pytest

from galeproof.subject.capture import CHANNELS, Capture

SECRET = "sk_test_Q7vX2mLp9RtB4nKc8WzJ5hYd3GfS6aEu"


@pytest.fixture
def said(capfd):
    """Run something under a capture; its texts by channel, and the probes."""

    def run(speak):
        capture = Capture([SECRET])
        capture.start()
        try:
            speak()
        finally:
            captured, probes = capture.stop()
        texts = {}
        for _, data in captured:
            texts.setdefault(data["channel"], []).append(data["text"])
        return texts, {p["channel"]: p["found"] for p in probes}

    return run


def quiet(**more):
    logger = logging.getLogger("tests.capture.quiet")
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    logger.debug("x %s", SECRET, **more)


class Deaf(logging.Logger):
    def handle(self, record):
        """Keeps what it is given to itself."""


SPEAKERS = {
    "a logger that does not propagate, above its level": ("log", quiet),
    "basicConfig at INFO": ("log", lambda: (logging.basicConfig(level=logging.INFO),
                                            logging.getLogger("tests.capture").debug(SECRET))),
    "after logging.disable": ("log", lambda: (logging.disable(50), quiet(), logging.disable(0))),
    "a Logger subclass with a handle of its own": ("log", lambda: Deaf("deaf").warning(SECRET)),
    "a record made elsewhere": ("log", lambda: logging.getLogger("tests.capture").handle(
        logging.makeLogRecord({"msg": SECRET, "levelno": 10}))),
    "behind 4,096 characters of a record": ("log", lambda: logging.getLogger("t").debug(
        "x" * 5000 + SECRET)),
    "behind 5,000 records": ("log", lambda: [logging.getLogger("t").debug(
        SECRET if n == 6000 else "y") for n in range(6001)]),
    "extras": ("log", lambda: logging.getLogger("t").debug("z", extra={"headers": {"a": SECRET}})),
    "print": ("stdout", lambda: print(SECRET)),
    "behind a megabyte of output": ("stdout", lambda: print("x" * 1_000_000 + SECRET)),
    "standard error": ("stderr", lambda: print(SECRET, file=sys.stderr)),
    "a raw write": ("descriptor 2", lambda: os.write(2, SECRET.encode())),
    "a child's output": ("descriptor 1", lambda: os.system(f"echo {SECRET}")),
}


@pytest.mark.parametrize("name", SPEAKERS)
def test_a_secret_is_heard(said, name):
    """Every way to say it is in the record of its channel, and every probe was found."""
    channel, speak = SPEAKERS[name]
    texts, probes = said(speak)
    assert [True] == list({SECRET in "".join(texts[channel])})
    assert dict.fromkeys(CHANNELS, True) == probes


def test_a_replaced_descriptor_proves_nothing(said, tmp_path):
    """Where the subject leads fd 2 elsewhere, its channel's probe counts as lost."""
    def speak():
        with (tmp_path / "own.log").open("w") as log:
            os.dup2(log.fileno(), 2)

    kept = os.dup(2)
    try:
        _, probes = said(speak)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    assert [name for name, found in probes.items() if not found] == ["descriptor 2"]
    assert "" == (tmp_path / "own.log").read_text()


def test_a_replaced_stream_proves_nothing_and_stays(said, monkeypatch):
    """Where the subject puts another object into sys.stdout, the probe is lost and it is left there."""
    import io

    other = io.StringIO()
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    _, probes = said(lambda: setattr(sys, "stdout", other))
    assert (False, True) == (probes["stdout"], sys.stdout is other)


def test_what_is_printed_stays_as_the_subject_wants_it(said):
    """A record below its logger's level is captured, and no handler gets it."""
    got = []
    handler = logging.Handler()
    handler.emit = got.append
    logger = logging.getLogger("tests.capture.level")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    def speak():
        logger.debug("low")
        logger.info("high")

    texts, _ = said(speak)
    assert ["low", "high"] == [t for t in texts["log"] if t in ("low", "high")]
    assert ["high"] == [record.getMessage() for record in got]


def test_a_look_ends_nothing(said, capfd):
    """What was said so far can be read, and more is heard afterwards."""
    capture = Capture([SECRET])
    capture.start()
    try:
        print("one")
        assert "one\n" in [data["text"] for _, data in capture.look()[0]]
        print("two")
    finally:
        captured, probes = capture.stop()
    assert "one\ntwo\n" in [data["text"] for _, data in captured]
    assert all(probe["found"] for probe in probes)
