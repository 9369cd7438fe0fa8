"""Clients with a hard-wired https URL: judged through the tap as their forward proxy, TLS verified."""

import json
import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("trustme")
PYTHON = '''
import os, random, sys, time
import {library}

REF, SECRET = os.environ["GALEPROOF_REF"], os.environ["GALEPROOF_SECRET_API_KEY"]
for attempt in range(3):
    time.sleep(attempt and random.uniform(0.05, 0.2))
    try:
        answer = {library}.post(f"https://api.billing.example/payments/{{REF}}", json={{"amount": 5}}, timeout=2,
                                headers={{"Authorization": f"Bearer {{SECRET}}", "Idempotency-Key": {key}}})
    except {error}:
        continue
    if answer.status_code != 503:
        print(answer.text)
        sys.exit(0 if answer.status_code < 300 else 1)
sys.exit("no answer")
'''
NODE = '''
const http = require('node:http'), tls = require('node:tls')
const proxy = new URL(process.env.HTTPS_PROXY), { GALEPROOF_REF: ref, GALEPROOF_SECRET_API_KEY: secret } = process.env
function send() {
  return new Promise((done, failed) => {
    http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: 'api.billing.example:443' })
      .on('error', failed).on('connect', (_, socket) => {
        socket.on('error', failed)
        const secure = tls.connect({ socket, servername: 'api.billing.example' }).on('error', failed)
        const request = http.request({ createConnection: () => secure, host: 'api.billing.example',
          path: '/payments/' + ref, headers: { Authorization: 'Bearer ' + secret } }, answer => {
          let text = ''
          answer.on('data', piece => { text += piece }).on('end', () => done([answer.statusCode, text])).on('error', failed)
        })
        request.on('error', failed).end()
      }).end()
  })
}
(async () => {
  for (let n = 0; n < 3; n++) {
    await new Promise(d => setTimeout(d, n && 100 + Math.random() * 150))
    try {
      const [status, text] = await send()
      if (status === 200) { console.log(text); process.exit(0) }
    } catch {}
  }
  process.exit(1)
})()
'''


@pytest.fixture
def run(tmp_path):
    def start(command, *words, scenario="reset-after-effect"):
        done = subprocess.run(
            [sys.executable, "-m", "galeproof", "run", scenario, "--proxy", "--exec", command, "--engine", "embedded",
             "--json", *words], cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stderr, json.loads(done.stdout) if done.stdout else {}

    return start


def client(tmp_path, library, key="REF"):
    error = {"requests": "requests.RequestException", "httpx": "httpx.TransportError"}[library]
    (tmp_path / "client.py").write_text(PYTHON.format(library=library, error=error, key=key), "utf-8")
    return f"{sys.executable} client.py"


def verdicts(document):
    assert (None, None) == (document["invalid"], document["fault"])
    return {v["code"]: v["verdict"] for v in document["verdicts"]}


@pytest.mark.parametrize("library", ["requests", "httpx"])
@pytest.mark.parametrize(("key", "verdict"), [("REF", "PASS"), ('f"{REF}-{attempt}"', "FAIL")])
def test_a_client_with_a_fixed_url_is_judged(run, tmp_path, library, key, verdict):
    """Resets after the effect reach it through TLS; its keys are seen."""
    _, _, document = run(client(tmp_path, library, key), "--proxy-host", "api.billing.example")
    assert verdict == verdicts(document)["IDM002"]


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on PATH")
def test_node_is_judged_too(run, tmp_path):
    """Its own authority variable is set."""
    (tmp_path / "client.js").write_text(NODE, "utf-8")
    _, _, document = run("node client.js", "--proxy-host", "api.billing.example", scenario="503-storm")
    assert "PASS" == verdicts(document)["RTY001"]


def test_another_host_is_refused_and_named(run, tmp_path):
    """Nothing leaves the machine; the reason says which host was asked for."""
    code, _, document = run(client(tmp_path, "requests"), "--proxy-host", "api.other.example")
    assert 3 == code
    assert "refused by the proxy: api.billing.example" in document["invalid"]


def test_hosts_must_be_named(run, tmp_path):
    """A proxy for everything is never meant."""
    code, said, _ = run(client(tmp_path, "requests"))
    assert (2, True) == (code, "name the hosts" in said)


def test_nothing_is_left_of_the_authority(run, tmp_path):
    """Its certificate lay in a folder of the run, its key nowhere."""
    run(client(tmp_path, "requests"), "--proxy-host", "api.billing.example")
    left = subprocess.run(["grep", "-rl", "BEGIN .*PRIVATE KEY", str(tmp_path)], capture_output=True, text=True)
    assert "" == left.stdout
