"""One generated sequence of calls against both servers: equal answers, but for what is documented.

A sequence ends at a documented difference: attributes that would kill the real server, a PATCH
of a toxic that is refused (the real one may keep a part of it), a failed /reset (the real one
visits proxies in random order). Names of ours are not generated.
"""

import http.client
import json
import re
import socket
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ["a", "b", "c<&>", "ü 1"]
PORTS = []  # two free ones, below the ephemeral range; each server has an address of its own
IPS = {"embedded": "127.0.0.2", "real": "127.0.0.3"}
LISTENS = ["IP:0", "localhost:0", "127.0.0.1:0", "", ":0", "0.0.0.0:0", "[::]:0", "IP:PORT0", "IP:PORT0",
           "IP:PORT1", "bogus", "IP:99999", "IP:-1", "IP:", "[IP:0", "IP]:0", "a:b:c", "[::1]:0", "IP:00", "[IP]:0",
           "IP:nosuchport"]
TYPES = ["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "noop"]
ATTRIBUTES = ["latency", "jitter", "rate", "delay", "timeout", "average_size", "bytes", "LATENCY", "other"]
TOXICS = ["t1", "latency_downstream", "noop_upstream", "nope"]

junk = st.sampled_from(["null", "true", "5", "-0", "1.5", "1e3", '"x"', "[]", "{}", '"\\ud800"', "[1]", "1e400",
                        "99999999999999999999", '{"a":1}'])


def text(values):
    return st.sampled_from(values).map(lambda value: json.dumps(value, ensure_ascii=False))


def members(**values):
    """A JSON object as text: some keys, some twice, in any case, some with the wrong value."""
    pair = st.one_of(*(
        st.tuples(st.sampled_from([key, key, key, key.upper(), key.title()]), st.one_of(value, value, value, junk))
        for key, value in values.items()))
    whole = st.tuples(*(st.tuples(st.just(key), value) for key, value in values.items()))
    pairs = st.one_of(whole, whole, st.lists(pair, max_size=5).map(tuple))
    return pairs.map(lambda items: "{" + ",".join(f'"{key}":{value}' for key, value in items) + "}")


numbers = st.one_of(st.integers(1, 5000).map(str), st.sampled_from(["0", "-1", "1.0", "9223372036854775808", '"1"']))
positive = st.integers(1, 5000).map(str)
toxicities = st.sampled_from(["1", "0.3", "0", "0.1234567891", "2", "-1", "1e-7", "16777217", "1e21", "0.5", '"1"', "1e39"])
attributes = st.one_of(
    st.dictionaries(st.sampled_from(ATTRIBUTES), positive, max_size=3),
    st.tuples(st.sampled_from(["latency", "bytes", "timeout"]), numbers).map(lambda pair: dict([pair])),
).map(lambda given: "{" + ",".join(f'"{key}":{value}' for key, value in given.items()) + "}")

proxy = members(name=text(NAMES), listen=text(LISTENS), upstream=text(["127.0.0.1:9", "nonsense", ""]),
                enabled=st.sampled_from(["true", "true", "false"]))
change = members(enabled=st.sampled_from(["true", "false"]), listen=text(LISTENS), upstream=text(["127.0.0.1:9", ""]))
few = members(enabled=st.sampled_from(["true", "false"]))
toxic = members(name=text([*TOXICS, ""]), type=text([*TYPES, "nope", ""]), toxicity=toxicities,
                stream=text(["upstream", "downstream", "UPSTREAM", ""]), attributes=attributes)
sliced = st.integers(2, 999).map(lambda size: json.dumps(
    {"type": "slicer", "attributes": {"average_size": size, "size_variation": size // 2, "delay": size}}))
bare = members(type=text(TYPES), stream=text(["upstream", "downstream"]))
update = members(toxicity=toxicities, attributes=attributes)
listed = st.one_of(st.lists(st.one_of(proxy, proxy, junk), max_size=3).map(lambda items: f"[{','.join(items)}]"), junk)
broken = st.sampled_from(["", " ", "{", '{"name":', '{"name":"a"}}', '{"name":"a","upstream":"b"} x', "nul", "[", '"', "{}",
                          "\ufeff{}", '{"name":"\\u00e9\x7f","upstream":"x"}', "{'a':1}", '{"name":"a\nb"}', "01"])


def calls():
    """One call: method, path, body."""
    one = st.sampled_from(["a", "a", "a", "b", *NAMES]).map(lambda name: f"/proxies/{quote(name)}")
    its = st.tuples(one, st.sampled_from(["t1", "t1", *TOXICS])).map(lambda pair: f"{pair[0]}/toxics/{pair[1]}")
    patch = st.sampled_from(["PATCH", "POST"])

    def call(method, path, body=None):
        strategies = (st.just(item) if isinstance(item, str) or item is None else item for item in (method, path, body))
        return st.tuples(*strategies)

    return st.one_of(
        *[call("POST", "/proxies", proxy)] * 4,
        *[call(patch, one, st.one_of(change, few))] * 4,
        call("DELETE", one),
        *[call("POST", one.map("{}/toxics".format), st.one_of(toxic, bare, sliced))] * 4,
        *[call(patch, its, update)] * 2,
        call("DELETE", its),
        call("GET", its),
        call("GET", one.map("{}/toxics".format)),
        *[call("POST", "/populate", listed)] * 2,
        call("POST", "/reset", "whatever"),
        call("POST", st.sampled_from(["/proxies", "/populate", "/proxies/a", "/proxies/a/toxics"]), broken),
        call(st.sampled_from(["GET", "PUT", "OPTIONS", "DELETE", "HEAD"]),
             st.sampled_from(["/", "/proxies", "/proxies/", "/version", "/populate", "/reset", "/nope", "//proxies",
                              "/proxies/a/../b", "/proxies/a%2Fb", "/proxies?x=1", "/metrics"])),
    )


def begun():
    """Two proxies that are there, and toxics on the first."""

    def good(name):
        listen = st.sampled_from(["IP:0", "IP:PORT0", "IP:PORT1", "localhost:0", ""])
        return st.tuples(listen, st.sampled_from([True, True, False])).map(lambda given: (
            "POST", "/proxies",
            json.dumps({"name": name, "listen": given[0], "upstream": "127.0.0.1:9", "enabled": given[1]})))

    kinds = st.sampled_from([kind for kind in TYPES if kind != "slicer"])  # all zero would kill the real one
    toxics = st.lists(st.tuples(kinds, st.sampled_from(["upstream", "downstream"])), max_size=3).map(lambda given: [
        ("POST", "/proxies/a/toxics", json.dumps({"type": kind, "stream": stream, "name": f"t{number}"}))
        for number, (kind, stream) in enumerate(given, 1)])
    return st.tuples(good("a"), good("b"), toxics).map(lambda parts: [parts[0], parts[1], *parts[2]])


sequences = st.tuples(begun(), st.lists(calls(), min_size=2, max_size=12)).map(lambda parts: [*parts[0], *parts[1]])


DEADLY = re.compile(r"bad request body: (average_size|size_variation) must be")  # a slicer without sizes, for instance


class Client:
    def __init__(self, name, url):
        self.ip = IPS[name]
        parts = urlsplit(url)
        self.http = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)

    def call(self, method, path, body):
        if body is not None:
            body = body.replace("IP", self.ip)
            for number, port in enumerate(PORTS):
                body = body.replace(f"PORT{number}", str(port))
            body = body.encode("utf-8", "surrogatepass")
        self.http.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = self.http.getresponse()
        said = answer.read().decode()
        headers = {key: answer.headers[key] for key in ("Content-Type", "X-Content-Type-Options", "Location", "Allow")}
        return answer.status, self.plain(said), headers, "X-Toxiproxy-Request-Id" in answer.headers

    def plain(self, said):
        """Without what may differ: our own address, free ports, the decoder's words."""
        said = said.replace(self.ip, "IP")
        said = re.sub(r'(bad request body: )(?!(?:average_size|size_variation) )(?:[^"\\]|\\.)*', r"\1...", said)
        return re.sub(r"((?:IP|127\.0\.0\.1|\[::1?\]|0\.0\.0\.0)):(\d+)",
                      lambda found: f"{found[1]}:{found[2] if int(found[2]) in PORTS else '*'}", said)

    def clear(self):
        self.http.request("GET", "/proxies")
        for name in json.loads(self.http.getresponse().read()):
            self.http.request("DELETE", "/proxies/" + quote(name, safe=""))
            assert self.http.getresponse().read() == b""


@pytest.fixture(scope="module")
def both(embedded_url, real_url):
    """A client of each."""
    port = 20_000
    while len(PORTS) < 2:
        port += 1
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) and sock.connect_ex((IPS["real"], port)):
                PORTS.append(port)
    return Client("embedded", embedded_url), Client("real", real_url)


def compare(both, sequence):
    for side in both:
        side.clear()
    for call in sequence:
        ours, theirs = (side.call(*call) for side in both)
        if call[1] == "/reset" and theirs[0] == 500:
            assert 500 == ours[0]
            return
        if DEADLY.search(ours[1]) and (ours[0], theirs[0]) == (400, 200):
            return
        assert theirs == ours, call
        if ours[0] == 400 and "/toxics/" in call[1]:  # the real one may have changed it all the same
            return
        assert both[1].call("GET", "/proxies", None) == both[0].call("GET", "/proxies", None), call


AS_IT_IS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@given(sequence=sequences)
@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=AS_IT_IS)
def test_sixty_sequences(both, sequence):
    """Both servers give the same answers to sixty generated sequences of calls."""
    compare(both, sequence)


@pytest.mark.full
@given(sequence=sequences)
@settings(max_examples=2000, deadline=None, database=None, suppress_health_check=AS_IT_IS, print_blob=True)
def test_two_thousand_sequences(both, sequence):
    """Both servers give the same answers to two thousand generated sequences of calls."""
    compare(both, sequence)
