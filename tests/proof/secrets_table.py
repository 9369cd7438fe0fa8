"""Every form of a secret through every channel: `python tests/proof/secrets_table.py [CHANNEL]...`

Each cell is a run of its own: a client that lets one form of its secret out by one channel, and the verdict
over it. Prints JSON; with --write the table goes to docs/secrets.md.
"""

import asyncio
import base64
import contextlib
import json
import logging
import os
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
from opentelemetry import metrics, trace

from galeproof import read
from galeproof.invariants import INVARIANTS
from galeproof.kernel.chance import canary_of
from galeproof.model import parse_profile
from galeproof.runner import Station, subject_of
from galeproof.runner.judging import Judged, judge_one
from galeproof.runner.weather import run_scenario
from galeproof.scenario import load_scenario

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "secrets.md"
SETS = {"letters": "secret-of-letters", "symbols": "secret-symbols"}
STORM = """
name: {name}
why: One form of a secret by one channel.
operations:
  - {{kind: read, count: 1}}
steps:
  - {{attempts: 1, answer: {answer}}}
  - {{attempts: 2-, answer: 503}}
expect: {{outcome: any, exercised: [{code}]}}
"""

FORMS = {
    "plain": str,
    "url-encoded": lambda s: quote(s, safe=""),
    "url-encoded twice": lambda s: quote(quote(s, safe=""), safe=""),
    "form-encoded": quote_plus,
    "json": lambda s: json.dumps({"token": s}),
    "json twice": lambda s: json.dumps(json.dumps({"token": s})),
    "repr": repr,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64, one off": lambda s: base64.b64encode(b"a" + s.encode()).decode(),
    "base64, two off": lambda s: base64.b64encode(b"ab" + s.encode()).decode(),
    "base64url": lambda s: base64.urlsafe_b64encode(b"x:" + s.encode()).decode(),
    "Basic": lambda s: "Basic " + base64.b64encode(f"shop:{s}".encode()).decode(),
    "hex": lambda s: s.encode().hex(),
    "reversed": lambda s: s[::-1],
    "other case": lambda s: s.upper(),
    "over two lines": lambda s: s[:20] + "\r\n    " + s[20:],
    "twelve characters": lambda s: s[-12:],
    "nine bytes of hex": lambda s: s.encode().hex()[-18:],
}


class Refused(Exception):
    """What the client raises."""


class Leaky:
    """A client that shows one form of its secret by one channel, in the storm only."""

    channel, form = "", ""

    def __init__(self, base_url, secrets, other_url):
        self.secret, self.other = secrets["api_key"], other_url
        self.http = httpx.Client(base_url=base_url, timeout=2)
        self.shown = "nothing yet"

    @read(answer={"id": "{ref}"})
    def fetch(self, ref):
        answer = self.http.get(f"/payments/{ref}", headers={"Authorization": f"Bearer {self.secret}"})
        if answer.status_code == 200:
            return answer.json()
        text = FORMS[self.form](self.secret)
        CHANNELS[self.channel][1](self, f"token={text}", ref)
        return None

    def __repr__(self):
        return f"<Leaky {self.shown}>"

    def close(self):
        self.http.close()


def _quiet_logger():
    logger = logging.getLogger("shop.audit")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger


def _raise(client, text, ref):
    raise Refused(text)


def _cause(client, text, ref):
    raise Refused("503") from ValueError(text)


def _context(client, text, ref):
    try:
        raise ValueError(text)
    except ValueError:
        raise Refused("503")  # noqa: B904 - the context is the point


def _note(client, text, ref):
    error = Refused("503")
    error.add_note(text)
    raise error


def _attribute(client, text, ref):
    error = Refused("503")
    error.request = {"headers": text}
    raise error


def _library_frame(client, text, ref):
    with contextlib.suppress(AttributeError):
        json.JSONDecoder(object_hook=lambda found: 1 / 0).decode(json.dumps({"a": text}))


def _state(client, text, ref):
    client.shown = text


def _span(client, text, ref):
    with trace.get_tracer("shop").start_as_current_span("call") as span:
        span.set_attribute("http.request.header", text)


def _event(client, text, ref):
    with trace.get_tracer("shop").start_as_current_span("call") as span:
        span.add_event("retry", {"with": text})


def _label(client, text, ref):
    metrics.get_meter("shop").create_counter("calls").add(1, {"with": text})


def _file(client, text, ref):
    Path(tempfile.mkstemp(suffix=".cassette")[1]).write_text(text, "utf-8", newline="")


def _zip(client, text, ref):
    with zipfile.ZipFile(tempfile.mkstemp(suffix=".zip")[1], "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("dump.txt", text)


def _argument(client, text, ref):
    subprocess.run(["true", text], check=False)


def _url(client, text, ref):
    client.http.get(f"/payments/{ref}?{text}", headers={"Authorization": f"Bearer {client.secret}"})


def _elsewhere(client, text, ref):
    httpx.get(f"{client.other}/payments/{ref}", headers={"X-Token": text})


CHANNELS = {
    "log": ("SEC001", lambda c, text, ref: logging.getLogger("shop").warning("busy: %s", text)),
    "log, debug": ("SEC001", lambda c, text, ref: logging.getLogger("shop").debug(text)),
    "log, extra": ("SEC001", lambda c, text, ref: logging.getLogger("shop").info("busy", extra={"x": text})),
    "log that does not propagate": ("SEC001", lambda c, text, ref: _quiet_logger().info(text)),
    "stdout": ("SEC001", lambda c, text, ref: print(text)),
    "stderr": ("SEC001", lambda c, text, ref: print(text, file=sys.stderr)),
    "descriptor 1": ("SEC001", lambda c, text, ref: os.write(1, text.encode())),
    "descriptor 2": ("SEC001", lambda c, text, ref: os.write(2, text.encode())),
    "exception": ("SEC002", _raise), "cause": ("SEC002", _cause), "context": ("SEC002", _context),
    "note": ("SEC002", _note), "attribute of an exception": ("SEC002", _attribute),
    "a library's frame": ("SEC002", _library_frame),
    "span": ("SEC003", _span), "event of a span": ("SEC003", _event), "label of a metric": ("SEC003", _label),
    "repr of the client": ("SEC004", _state),
    "file": ("SEC005", _file), "packed file": ("SEC005", _zip),
    "argument of a process": ("SEC005", _argument),
    "another origin": ("SEC006", _elsewhere), "URL": ("SEC008", _url),
}
ANSWERS = {"SEC006": "{status: 302, location: other, effect: false}"}


def fits(channel, form, kind):
    """Whether a form can go that way at all: a URL and a header hold no line breaks."""
    text = FORMS[form](canary_of(random.Random(1), SETS[kind]))
    wanted = {"URL": r"[!-~]+", "another origin": r"[ -~]+"}.get(channel)
    return wanted is None or re.fullmatch(wanted, text) is not None


def cell(station, channel, form, kind):
    """Run one; the verdict of the channel's invariant."""
    code = CHANNELS[channel][0]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(STORM.format(name=SETS[kind], answer=ANSWERS.get(code, "503"), code=code))
        file.flush()
        scenario = load_scenario(Path(file.name), frozenset(INVARIANTS))
    client = type("Leaky", (Leaky,), {"channel": channel, "form": form, "__module__": __name__})
    subject = subject_of(client, parse_profile({"max_attempts": 1}))
    run = asyncio.run(run_scenario(station, subject, scenario, 7))
    if run.history is None or run.fault:
        return f"{run.invalid or run.fault or run.skipped}"
    verdict = {v.code: v for v in judge_one(Judged(run.history), frozenset({code}))}[code]
    return " ".join(filter(None, (verdict.outcome.value, verdict.reason)))


def table(channels=()):
    """All cells, or those of some channels: {channel: {form: [verdict of each kind of secret]}}."""
    found = {}
    with Station("embedded", seed=7) as station:
        for channel in channels or CHANNELS:
            found[channel] = {form: [cell(station, channel, form, kind) if fits(channel, form, kind) else "-"
                                     for kind in SETS] for form in FORMS}
    return found


def markdown(found):
    """The page: a row a form, a column a channel."""
    lines = ["# Secrets: forms and channels", "",
             "Each cell is a run of its own: a client lets one form of its secret out by one channel. `F`: FAIL by "
             "the channel's invariant, for a secret of letters and for one full of symbols; `-`: the form cannot go "
             "that way (a line break in a URL). Written by `python tests/proof/secrets_table.py --write`; "
             "`ci/test --full` holds it.", "",
             "| channel | invariant | " + " | ".join(FORMS) + " |", "|---" * (len(FORMS) + 2) + "|"]
    for channel, row in found.items():
        cells = ["".join(dict.fromkeys({"FAIL": "F"}.get(v, v) for v in row[form])) for form in FORMS]
        lines.append(f"| {channel} | {CHANNELS[channel][0]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    out = os.dup(1)  # what a run captures is given back to it afterwards
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    wanted = [name for name in sys.argv[1:] if name != "--write"]
    result = table(wanted)
    if "--write" in sys.argv:
        DOCUMENT.write_text(markdown(result), "utf-8")
    os.write(out, (json.dumps(result) + "\n").encode())
