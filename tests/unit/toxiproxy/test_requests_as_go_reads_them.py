"""JSON, addresses and routes as Toxiproxy's Go libraries take them: no socket."""

import pytest

from galeproof.toxiproxy.embedded._address import AddressError, Where, port_of, split, text_of
from galeproof.toxiproxy.embedded._answers import Answer, write
from galeproof.toxiproxy.embedded._json import BadBody, Members, decode, float32
from galeproof.toxiproxy.embedded._routes import BadTarget, Guard, Route, route


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"name":"a"}', "a"),
        (b'{"NAME":"a"}', "a"),
        (b'{"name":"a","Name":"b"}', "b"),
        (b'{"name":"a","name":null}', "a"),
        (b'{"name":null}', None),
        (b"null", None),
        (b'{"name":"a"} and what follows', "a"),
        (b'{"name":"\\ud800"}', "\ufffd"),
        (b'{"name":"\xff\xe2\x82"}', "\ufffd\ufffd\ufffd"),
    ],
)
def test_a_string_is_read_as_go_does(body, name):
    """Any case, the last one given, null as nothing, broken text as replacement characters."""
    assert name == Members(decode(body)).text("name")


@pytest.mark.parametrize("text", ["1000.0", "1e3", '"100"', "true", "9223372036854775808", "[]", "1" * 5000])
def test_an_integer_has_no_fraction_exponent_or_quotes(text):
    """Whatever is no plain 64-bit integer is refused."""
    with pytest.raises(BadBody):
        Members(decode(f'{{"n":{text}}}'.encode())).integers(["n"])


@pytest.mark.parametrize(("text", "value"), [("-0", 0), ("-9223372036854775808", -(1 << 63)), ("7", 7)])
def test_an_integer_is_read_whole(text, value):
    """The whole range of 64 bits is taken."""
    assert {"n": value} == Members(decode(f'{{"n":{text}}}'.encode())).integers(["n"])


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "EOF"), (b"  ", "EOF"), (b"{", "unexpected EOF"), (b'{"a":"b', "unexpected EOF"),
     (b"nul", "invalid"), (b"{'a'}", "invalid"), (b"NaN", "invalid"), (b"[" * 100_000, "max depth")],
)
def test_what_is_no_json_is_refused(body, words):
    """The end of the body, and what does not belong there, are told apart."""
    with pytest.raises(BadBody, match=words):
        decode(body)


@pytest.mark.parametrize("text", ["1e39", "-1e39", "1e400"])
def test_a_number_too_large_for_float32_is_none(text):
    """What float32 cannot hold is refused, infinity too."""
    assert float32(text) is None


def test_text_is_written_with_gos_escapes():
    """HTML's characters and the line separators are escaped, other text is not."""
    assert write("<&>\u2028ü\b") == '"\\u003c\\u0026\\u003e\\u2028ü\\u0008"'


@pytest.mark.parametrize(
    ("address", "parts"),
    [("a:1", ("a", "1")), ("[::1]:1", ("::1", "1")), (":", ("", "")), ("[a]:x", ("a", "x"))],
)
def test_an_address_is_split(address, parts):
    """Host and port, with brackets around a host that has colons."""
    assert parts == split(address)


@pytest.mark.parametrize(
    ("address", "why"),
    [("a", "missing port"), ("::1", "too many colons"), ("[::1]", "missing port"), ("[::1", "missing ']'"),
     ("[a]b:1", "missing port"), ("a]:1", "unexpected ']'"), ("a[:1", "unexpected '\\['"), ("", "missing port")],
)
def test_a_bad_address_is_refused_in_gos_words(address, why):
    """The text is that of Go's net.SplitHostPort."""
    with pytest.raises(AddressError, match=why):
        split(address)


@pytest.mark.parametrize(("service", "port"), [("", 0), ("0", 0), ("+80", 80), ("65535", 65535), ("http", 80)])
def test_a_port_is_a_number_or_a_service(service, port):
    """Both are understood; nothing is port 0."""
    assert port == port_of(service)


@pytest.mark.parametrize("service", ["65536", "-1", "9" * 5000, "no such"])
def test_what_is_no_port_is_refused(service):
    """A number out of range and an unknown service are errors."""
    with pytest.raises(AddressError):
        port_of(service)


def test_an_address_is_joined():
    """An IPv6 host gets its brackets."""
    assert ["a:1", "[::]:2"] == [text_of("a", 1), text_of(*Where("::", 2))]


@pytest.mark.parametrize(
    ("method", "target", "found"),
    [
        ("GET", "/proxies/a%20b/toxics/c", ("show_toxic", ("a b", "c"))),
        ("GET", "http://any/version", ("version", ())),
        ("GET", "/proxies?x=1", ("list", ())),
        ("POST", "/proxies/a", ("update", ("a",))),
    ],
)
def test_a_request_finds_its_action(method, target, found):
    """By method and path; the path is decoded first."""
    action = route(method, target, metrics=False)
    assert isinstance(action, Route)
    assert found == (action.action, action.names)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "/proxies/", 404), ("GET", "/proxies/a%2Fb", 404), ("GET", "/metrics", 404), ("PUT", "/proxies", 405),
     ("HEAD", "/version", 405), ("GET", "//proxies", 301), ("GET", "/a/../proxies", 301), ("GET", "*", 301)],
)
def test_the_router_answers_by_itself(method, target, status):
    """Unknown paths, wrong methods, and paths that could be shorter."""
    answer = route(method, target, metrics=False)
    assert isinstance(answer, Answer)
    assert (status, False) == (answer.status, answer.matched)


@pytest.mark.parametrize("target", ["proxies", "/a%zz", "/%"])
def test_what_is_no_url_is_refused(target):
    """Before any routing."""
    with pytest.raises(BadTarget):
        route("GET", target, metrics=False)


@pytest.mark.parametrize(
    ("host", "headers", "refused"),
    [
        ("127.0.0.1", {}, False),
        ("127.0.0.1", {b"host": b"localhost:8474"}, False),
        ("127.0.0.1", {b"host": b"[::1]:8474"}, False),
        ("127.0.0.1", {b"host": b"127.8.8.8"}, False),
        ("127.0.0.1", {b"host": b"evil.example:8474"}, True),
        ("localhost", {b"host": b"localhost.evil.example"}, True),
        ("127.0.0.1", {b"host": b"localhost", b"origin": b"http://localhost"}, True),
        ("0.0.0.0", {b"host": b"evil.example", b"origin": b"x"}, False),
        ("0.0.0.0", {b"user-agent": b"Mozilla/5.0"}, True),
        ("127.0.0.1", {b"user-agent": b"mozilla/5.0"}, False),
    ],
)
def test_browsers_are_refused(host, headers, refused):
    """By User-Agent always, by Host and Origin only where this machine alone can ask."""
    assert refused is (Guard(host).refusal(headers) is not None)
