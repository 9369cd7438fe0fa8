"""The same client in five languages, sound and with one defect: the same verdicts, by command and by driver."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLIENTS = Path(__file__).resolve().parents[2] / "docs/clients"
SETTINGS = '''
[subjects.shop]
{way} = "{command}"
[subjects.shop.operations]
fetch = {{ kind = "read" }}
create = {{ kind = "write", status = 201 }}
[subjects.shop.profile]
max_attempts = 3
read_timeout_s = 1.0
deadline_s = 6.0
retry_on = ["connect", "reset", "timeout", "truncated", 429, 502, 503, 504]
backoff = {{ base_s = 0.2, factor = 2, cap_s = 2.0, jitter = "full" }}
retry_after_max_s = 5.0
idempotency_key = "Idempotency-Key"
'''
DEFECTS = {  # the storms that show it, and the invariant that must fail
    "no-jitter": (["herd-of-thirty"], "JIT001"), "unkeyed": (["reset-after-effect"], "IDM001"),
    "new-key": (["reset-after-effect"], "IDM002"), "ignores-retry-after": (["busy-three-seconds"], "RAF001"),
    "no-cap": (["503-storm"], "RTY001"), "no-deadline": (["hang-once"], "TMO002"),
    "secret-in-error": (["503-storm"], "SEC002")}
STORMS = ["503-storm", "reset-after-effect", "busy-three-seconds", "hang-once"]
BLURRED = {("exec", "no-jitter"): "noise"}  # a cold process hides it; the driver tells


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """How a language's client is started; skipped by name where the language is absent."""
    built = {}

    def start(language):
        needed = {"python": sys.executable, "node": "node", "go": "go", "java": "javac",
                  "rust": "rustc"}[language]
        if shutil.which(needed) is None:
            pytest.skip(f"no {needed} on PATH")
        if language not in built:
            folder = tmp_path_factory.mktemp(language)
            if language == "go":
                shutil.copy(CLIENTS / "client.go", folder / "main.go")
                (folder / "go.mod").write_text("module client\n\ngo 1.22\n", "utf-8")
                subprocess.run(["go", "build", "-o", "client", "."], cwd=folder, check=True)
            if language == "java":
                subprocess.run(["javac", "-d", folder, CLIENTS / "Client.java"], check=True)
            if language == "rust":
                subprocess.run(["rustc", "--edition", "2021", "-O", "-o", folder / "client",
                                CLIENTS / "client.rs"], check=True)
            built[language] = {
                "python": f"{sys.executable} {CLIENTS / 'client.py'}", "node": f"node {CLIENTS / 'client.mjs'}",
                "go": f"{folder / 'client'}", "rust": f"{folder / 'client'}", "java": f"java -cp {folder} Client"}[language]
        return built[language]

    return start


@pytest.fixture
def judge(tmp_path, command):
    def run(language, way, defect, storms):
        (tmp_path / "galeproof.toml").write_text(SETTINGS.format(way=way, command=command(language)), "utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "galeproof", "run", *storms, "--subject", "shop", "--engine", "embedded", "--json"],
            cwd=tmp_path, env={**os.environ, "DEFECT": defect}, capture_output=True, text=True, timeout=300, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        document = json.loads(done.stdout)
        assert (None, None) == (document["invalid"], document["fault"])
        return {v["code"]: (v["verdict"], v["reason"]) for v in document["verdicts"]}

    return run


def failed(verdicts):
    return {code for code, (verdict, _) in verdicts.items() if verdict == "FAIL"}


class TestQuick:
    @pytest.mark.parametrize(("language", "way", "defect"), [
        ("node", "driver", "new-key"), ("go", "driver", "no-cap")])
    def test_a_defect_is_found(self, judge, language, way, defect):
        """One of each way in the quick tier; all of them in the full one."""
        storms, code = DEFECTS[defect]
        assert code in failed(judge(language, way, defect, storms))

    def test_a_sound_client_in_node_is_cleared(self, judge):
        """By driver."""
        verdicts = judge("node", "driver", "", ["503-storm", "reset-after-effect"])
        assert set() == failed(verdicts)
        assert {("PASS", None)} == {verdicts[c] for c in ("RTY001", "IDM001", "IDM002", "SEC001", "SEC002")}


@pytest.mark.full
@pytest.mark.parametrize("way", ["driver", "exec"])
@pytest.mark.parametrize("language", ["python", "node", "go", "java", "rust"])
class TestAll:
    @pytest.mark.parametrize("defect", DEFECTS)
    def test_a_defect_has_the_same_verdict_everywhere(self, judge, language, way, defect):
        """FAIL, or where a cold process blurs it, UNKNOWN noise by command."""
        storms, code = DEFECTS[defect]
        verdict = judge(language, way, defect, storms)[code]
        assert verdict in {("FAIL", None), ("UNKNOWN", BLURRED.get((way, defect), "-"))}

    def test_a_sound_client_is_cleared(self, judge, language, way):
        """No FAIL, and what these storms exercise is decided."""
        verdicts = judge(language, way, "", STORMS)
        assert set() == failed(verdicts)
        wanted = ("RTY001", "IDM001", "IDM002", "RAF001", "SEC001", "SEC002", "TMO002")
        assert {("PASS", None)} == {verdicts[c] for c in wanted}, verdicts


class TestShell:
    @pytest.mark.full
    @pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on PATH")
    @pytest.mark.parametrize(("script", "leaks"), [("sound.sh", False), ("defective.sh", True)])
    def test_a_shell_client_is_judged(self, tmp_path, script, leaks):
        """One operation at a time: a shell is honest up to about six."""
        storm = tmp_path / "busy.yaml"
        storm.write_text("name: busy\nwhy: A provider that is busy.\noperations: [{kind: read, count: 4, concurrent: 2}]\n"
                         "steps: [{attempts: 1-, answer: 503}]\nexpect: {exercised: [SEC001, RTY001]}\n", "utf-8")
        done = subprocess.run([sys.executable, "-m", "galeproof", "run", str(storm), "--exec", str(CLIENTS / script),
                               "--engine", "embedded", "--json"], cwd=tmp_path, env=os.environ, capture_output=True,
                              text=True, timeout=300, check=False)
        verdicts = {v["code"]: v["verdict"] for v in json.loads(done.stdout)["verdicts"]}
        assert ("FAIL" if leaks else "PASS") == verdicts["SEC001"]
        assert ("FAIL" if leaks else "PASS") == verdicts["RTY001"]
