"""Four clients of other languages that are not ours, as they come, behind drivers of foreign_other/.

Their packages are fetched into a folder at run time, in the versions that the lock files there name.
"""

import functools
import json
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent / "foreign_other"
FETCH_S = 300
NEEDS = {"curl": ("curl",), "got": ("node", "npm"), "axios-retry": ("node", "npm"), "go-retryablehttp": ("go",)}
OPERATIONS = {"fetch": {"kind": "read", "answer": {"id": "{ref}", "amount": 1250}},
              "create": {"kind": "write", "answer": {"id": "{effect}", "amount": "{amount}"}, "status": 201}}
PROFILES = {
    # its manual: --retry 3 are retries after the first; a timeout, 408, 429, 500, 502, 503, 504 are transient
    "curl": {"max_attempts": 4, "retry_on": ["timeout", 408, 429, 500, 502, 503, 504]},
    # its documentation: limit 2; these statuses and errors, of GET, PUT, HEAD, DELETE, OPTIONS and TRACE
    "got": {"max_attempts": 3, "retry_on": ["connect", "reset", "timeout", 408, 413, 429, 500, 502, 503, 504]},
    # its README: three retries, of network errors and 5xx of idempotent requests
    "axios-retry": {"max_attempts": 4, "retry_on": ["connect", "reset", 500, 502, 503, 504]},
    # its README: connection errors and 5xx but 501; RetryMax is 4; it says nothing of 429 but its Retry-After
    "go-retryablehttp": {"max_attempts": 5, "retry_on": ["connect", "reset", 429, 500, 502, 503, 504]},
}
# go's four delays are 15 s, curl's three 7 s: what is watched for less never shows the last attempt
OBSERVE_S = {"curl": 12.0, "got": 8.0, "axios-retry": 8.0, "go-retryablehttp": 20.0}


def lacking(name):
    """The programs that the client needs and this machine has not."""
    return [program for program in NEEDS[name] if shutil.which(program) is None]


def target(name):
    """Return the subject's settings: how the client is started, and what its operations are answered."""
    if name == "curl":
        return {"exec": shlex.quote(str(HERE / "curl.sh")), "operations": OPERATIONS}
    folder = _fetched("go" if name == "go-retryablehttp" else "node")
    line = str(folder / "client") if name == "go-retryablehttp" else f"node {folder / name}.mjs"
    return {"driver": line, "operations": OPERATIONS}


def version(name):
    """The release that is judged."""
    if name == "curl":
        return subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    if name == "go-retryablehttp":
        return re.search(r"go-retryablehttp v(\S+)", (HERE / "go.mod").read_text("utf-8"))[1]
    return json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"][name]


@functools.cache
def _fetched(runtime):
    """A folder with the drivers and the packages that they need."""
    folder = Path(tempfile.mkdtemp(prefix=f"galeproof-{runtime}-"))
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    words = {"node": ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
             "go": ["go", "build", "-mod=readonly", "-o", "client", "."]}[runtime]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=FETCH_S)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr[-3000:]}")
    return folder
