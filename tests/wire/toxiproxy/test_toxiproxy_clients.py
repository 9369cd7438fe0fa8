"""Published clients, and Toxiproxy's own API tests, drive the embedded server."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from toxirig import Origin, client, echo, exactly, read_all, serving

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "galeproof"
NODE_CLIENT = "4.1.0"
NODE_LOCK = {
    "name": "galeproof-node", "lockfileVersion": 3, "requires": True,
    "packages": {
        "": {"name": "galeproof-node", "dependencies": {"toxiproxy-node-client": NODE_CLIENT}},
        "node_modules/toxiproxy-node-client": {
            "version": NODE_CLIENT,
            "resolved": f"https://registry.npmjs.org/toxiproxy-node-client/-/toxiproxy-node-client-{NODE_CLIENT}.tgz",
            "integrity": "sha512-hdCvgbS6fUtzxPzrbvvE7MZ7dl5dt+c4c0d4T2G1I+clz3QEmjEvIpzObyojUY3WNdDuoYI7sT4kcTqgUVyXAQ==",
        },
    },
}
NODE_SCRIPT = r"""
const { Toxiproxy } = require("toxiproxy-node-client");
const assert = require("node:assert");
(async () => {
  const [url, upstream] = process.argv.slice(1);
  const server = new Toxiproxy(url);
  assert.equal(JSON.parse(await server.getVersion()).version, "2.12.0");
  const proxy = await server.createProxy({ name: "one", listen: "127.0.0.1:0", upstream });
  assert.match(proxy.listen, /^127\.0\.0\.1:\d+$/);
  const toxic = await proxy.addToxic({ type: "latency", attributes: { latency: 5 } });
  assert.deepEqual(toxic.toJson(), { name: "latency_downstream", type: "latency", stream: "downstream",
    toxicity: 1, attributes: { latency: 5, jitter: 0 } });
  const changed = await toxic.update({ attributes: { jitter: 2 }, toxicity: 0.2 });
  assert.deepEqual([changed.attributes, changed.toxicity], [{ latency: 5, jitter: 2 }, 0.2]);
  assert.equal((await proxy.getToxic("latency_downstream")).toxicity, 0.2);
  const made = await server.populate([{ name: "one", listen: proxy.listen, upstream },
                                      { name: "two", listen: "localhost:0", upstream }]);
  assert.deepEqual(Object.keys(made).sort(), ["one", "two"]);
  await assert.rejects(server.createProxy({ name: "one", listen: "127.0.0.1:0", upstream }), /409/);
  assert.equal((await proxy.update({ enabled: false, listen: proxy.listen, upstream })).enabled, false);
  await server.reset();
  assert.equal((await server.get("one")).enabled, true);
  await assert.rejects(proxy.getToxic("latency_downstream"), /404/);
  await (await proxy.addToxic({ type: "noop", stream: "upstream" })).remove();
  await made.two.remove();
  assert.deepEqual(Object.keys(await server.getAll()), ["one"]);
  await proxy.remove();
  assert.deepEqual(await server.getAll(), {});
  console.log("all of it");
})();
"""


@pytest.fixture
def origin():
    """An origin that echoes."""
    origin = Origin(echo)
    yield origin
    origin.close()


def test_toxiproxy_python(origin):
    """Create, toxic, populate, disable, reset, delete; and what they do to a connection."""
    from toxiproxy import Toxiproxy
    from toxiproxy.api import APIConsumer
    from toxiproxy.exceptions import InvalidToxic, ProxyExists

    before = APIConsumer.host, APIConsumer.port
    with serving() as (url, _):
        server = Toxiproxy()
        server.update_api_consumer("127.0.0.1", int(url.rsplit(":", 1)[1]))
        try:
            drive(server, origin, InvalidToxic, ProxyExists)
        finally:
            server.update_api_consumer(*before)


def drive(server, origin, invalid, exists):
    assert server.running()
    assert {"version": "2.12.0"} == json.loads(server.version())
    proxy = server.create(upstream=origin.address, name="one")
    with pytest.raises(exists):
        server.create(upstream=origin.address, name="one")
    proxy.add_toxic(type="limit_data", attributes={"bytes": 3})
    with pytest.raises(invalid):
        proxy.add_toxic(type="nope")
    assert {"bytes": 3} == proxy.get_toxic("limit_data_downstream").attributes
    host, port = proxy.listen.split(":")

    class made:
        pass

    made.host, made.port = host, int(port)
    with client(made) as sock:
        sock.sendall(b"hello")
        assert (b"hel", "FIN") == read_all(sock)
    with proxy.down(), pytest.raises(ConnectionRefusedError), client(made):
        pass
    populated = server.populate([{"name": "two", "upstream": origin.address, "listen": "127.0.0.1:0"}])
    assert ["two"] == [found.name for found in populated]
    assert server.reset()
    assert {} == proxy.toxics()
    with client(made) as sock:
        sock.sendall(b"hello")
        assert b"hello" == exactly(sock, 5)
    proxy.add_toxic(type="noop", stream="upstream")
    assert proxy.destroy_toxic("noop_upstream")
    assert proxy.destroy()
    server.destroy_all()
    assert {} == server.proxies()


@pytest.fixture(scope="module")
def node_modules():
    """The pinned client from npm, kept in the cache folder."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("no node or npm on PATH: toxiproxy-node-client is not run")
    folder = CACHE / f"toxiproxy-node-client-{NODE_CLIENT}"
    if not (folder / "node_modules" / "toxiproxy-node-client" / "dist").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps(
            {"name": "galeproof-node", "private": True, **{"dependencies": {"toxiproxy-node-client": NODE_CLIENT}}}))
        (folder / "package-lock.json").write_text(json.dumps(NODE_LOCK))
        done = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, timeout=120,
                              capture_output=True, text=True)
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            pytest.skip(f"npm could not fetch toxiproxy-node-client {NODE_CLIENT}: {done.stderr.strip()[-200:]}")
    return folder


def test_toxiproxy_node_client(origin, node_modules):
    """Create, toxic, populate, disable, reset, delete by the client from npm."""
    with serving() as (url, _):
        done = subprocess.run(["node", "-e", NODE_SCRIPT, url, origin.address], cwd=node_modules, timeout=60,
                              capture_output=True, text=True, env={**os.environ, "NO_PROXY": "*"})
    assert ("all of it\n", "") == (done.stdout, done.stderr)


def go_sources():
    """The folder of Toxiproxy's own sources, where a build of the real server has left them."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no go on PATH: Toxiproxy's own API tests are not run")
    cache = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    folder = Path(cache) / "github.com" / "!shopify" / "toxiproxy" / "v2@v2.12.0"
    if not folder.is_dir():
        pytest.skip("Toxiproxy's sources are not in Go's module cache: its own API tests are not run")
    return go, folder


def pointed_elsewhere(source, port):
    """Its API tests with their server taken out: they use the one at the port, and clear it after each test.

    The address is a constant there and the server is started in the test's own process, so the
    text has to be changed; Go lets nobody overlay a file of its module cache, hence the copy.
    """
    begin = source.index("func WithServer(")
    end = source.index("\n}\n", begin) + 3
    source = source[:begin] + """func WithServer(t *testing.T, f func(string)) {
	defer func() {
		proxies, err := client.Proxies()
		if err != nil {
			t.Error("Failed to list proxies", err)
		}
		for _, proxy := range proxies {
			if err := proxy.Delete(); err != nil {
				t.Error("Failed to delete a proxy", err)
			}
		}
	}()
	f("http://localhost:8475")
}
""" + source[end:]
    for line in ('\t"flag"\n', '\t"os"\n', '\t"github.com/prometheus/client_golang/prometheus"\n',
                 '\t"github.com/rs/zerolog"\n', '\t"github.com/Shopify/toxiproxy/v2"\n', '\t"time"\n',
                 "var testServer *toxiproxy.ApiServer\n"):
        word = line.strip().strip('"').rsplit("/", 1)[-1].replace("v2", "toxiproxy")
        if line.startswith("var") or not re.search(rf"\b{word}\.", source.replace(line, "").replace(
                "var testServer *toxiproxy.ApiServer", "")):
            source = source.replace(line, "", 1)
    return source.replace("8475", str(port)).replace('\\"version\\": \\"git\\"', '\\"version\\": \\"2.12.0\\"')


@pytest.mark.full
def test_toxiproxys_own_api_tests(tmp_path):
    """All 34 tests of its api_test.go pass against the embedded server (the version it wants is ours)."""
    go, folder = go_sources()
    copy = tmp_path / "toxiproxy"
    shutil.copytree(folder, copy)
    text = (copy / "api_test.go").read_text()
    names = re.findall(r"^func (Test\w+)", text, re.MULTILINE)
    for path in (copy, copy / "api_test.go"):  # the module cache is read-only
        path.chmod(0o755)
    with serving() as (url, _):
        (copy / "api_test.go").write_text(pointed_elsewhere(text, int(url.rsplit(":", 1)[1])))
        done = subprocess.run([go, "test", "-count=1", "-v", "-run", f"^({'|'.join(names)})$", "."],
                              cwd=copy, capture_output=True, text=True, timeout=600)
    if "no required module provides" in done.stderr or "missing go.sum" in done.stderr:
        pytest.skip(f"Go could not build Toxiproxy's tests: {done.stderr.strip()[-200:]}")
    passed = re.findall(r"^--- PASS: (Test\w+)", done.stdout, re.MULTILINE)
    assert (sorted(names), 34) == (sorted(passed), len(passed)), done.stdout[-3000:] + done.stderr[-2000:]


