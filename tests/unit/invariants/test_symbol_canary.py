"""The second set of canaries: symbols that every encoding changes."""

import base64
import html
import json
import random
import re
from urllib.parse import quote, quote_plus

import pytest

from galeproof.invariants.sec import find_canary
from galeproof.kernel.chance import canary_of, symbol_canary
from galeproof.scenario import shipped

SECRETS = [symbol_canary(random.Random(seed)) for seed in range(20)]


def _unicode_escaped(secret):
    """What serialisers write that are wary of HTML: ``&`` as ``\\u0026``."""
    return "".join(c if c.isalnum() else f"\\u{ord(c):04x}" for c in secret)


@pytest.mark.parametrize("form", [
    str, repr, json.dumps, quote, quote_plus, html.escape, _unicode_escaped,
    lambda s: s[::-1].upper(), lambda s: s.encode().hex(), lambda s: s[:20] + "\n  " + s[20:],
    lambda s: quote(s, safe=""), lambda s: quote(quote(s, safe=""), safe=""),
    lambda s: quote(s, safe=":/@"), lambda s: quote(s, safe="=/:@\"\\").lower(),
    lambda s: json.dumps(json.dumps({"token": s})), lambda s: repr([json.dumps({"token": s})]),
    lambda s: json.dumps(s).replace("/", "\\/"), lambda s: str(s.encode()),
    lambda s: base64.b64encode(f"user:{s}".encode()).decode(),
    lambda s: base64.urlsafe_b64encode(f"ab{s}!".encode()).decode()])
def test_a_secret_of_symbols_is_found_whole_in_every_form(form):
    """Whichever characters a library escapes, and however."""
    found = [find_canary(secret, f"GET /a?b=c&t={form(secret)} failed") for secret in SECRETS]
    assert [True] * len(SECRETS) == [seen is not None and seen.whole for seen in found]


def test_what_a_pattern_of_letters_leaves_behind_is_a_leak():
    """A redactor that ends at the first symbol leaves more than twelve characters."""
    left = [re.sub(r"sk_test_\w+", "***", secret) for secret in SECRETS]
    seen = [find_canary(secret, text) for secret, text in zip(SECRETS, left, strict=True)]
    assert [True] * len(SECRETS) == [s is not None and s.size >= 12 for s in seen]


@pytest.mark.parametrize("shown", [
    lambda s: f"Bearer ****{s[-4:]}", lambda s: quote(s[:14]), lambda s: "sk_test_***",
    lambda s: "a=1&b=%22%5C%40&c=\\\"\\\\@"])
def test_a_mask_of_a_secret_of_symbols_is_no_sighting(shown):
    """Six characters and fewer, and symbols alone."""
    assert [None] * len(SECRETS) == [find_canary(secret, shown(secret)) for secret in SECRETS]


def test_every_symbol_stands_in_the_secret_and_it_fits_a_header():
    """Printable ASCII, all nine symbols."""
    for secret in SECRETS:
        assert set('+/=&"\\@:%') == {c for c in secret if not c.isalnum()} - {"_"}
        assert secret.isascii() and secret.isprintable()


def test_both_sets_are_drawn_over_the_shipped_scenarios():
    """By the scenario's name alone: a scenario has the same kind in every run."""
    names = [path.stem for path in shipped()]
    plain = [canary_of(random.Random(1), name).removeprefix("sk_test_").isalnum() for name in names]
    assert plain == [canary_of(random.Random(2), name)[8:].isalnum() for name in names]
    assert len(names) / 3 < sum(plain) < len(names) * 2 / 3
