"""``galeproof pact``: publish and can-i-deploy, through pact-python-cli, with a guard in front."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from galeproof.errors import UsageError

__all__ = ["pact"]

pact = typer.Typer(no_args_is_help=True, help="Pacts and a broker: publish, can-i-deploy.")

_MISSING = "pact-python-cli is not installed: pip install 'galeproof[broker]'"
Broker = Annotated[str, typer.Option("--broker", metavar="URL", envvar="PACT_BROKER_BASE_URL",
                                     help="The broker's base URL.")]


@pact.command()
def publish(
    broker: Broker,
    output: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path(".galeproof"),
) -> None:
    """Publish the pacts of the last test run, where it was whole and green."""
    from galeproof.cli.versions import Version
    from galeproof.contract.broker import Broker as Asked
    from galeproof.contract.reading import read_pact

    files = _stamped(output / "contracts.json")
    version = Version.of_here()
    pacts = [read_pact(path) for path in files]
    with Asked(broker) as asked:
        asked.reach()
        for one in pacts:
            done = _cli("publish", str(one.path), "--consumer-app-version", version.number, "--branch",
                        version.branch, "--broker-base-url", broker)
            print(done.stdout, end="")
            if done.returncode:
                print(done.stderr, end="", file=sys.stderr)
                raise typer.Exit(1)
            asked.holds(one.consumer, one.provider, version.number, len(one.interactions) + len(one.others))
    print(f"{len(pacts)} published as {version.number} of branch {version.branch}")


@pact.command("can-i-deploy")
def can_i_deploy(
    pacticipant: Annotated[str, typer.Argument(metavar="PACTICIPANT")],
    environment: Annotated[str, typer.Option("--to-environment", metavar="NAME",
                                             help="Where to.")],
    broker: Broker,
    version: Annotated[str | None, typer.Option(help="The version; git's commit if left out.")] = None,
) -> None:
    """Ask the broker whether a version may be deployed; an answer without a row is no yes."""
    from galeproof.cli.versions import Version
    from galeproof.contract.broker import Broker as Asked

    with Asked(broker) as asked:
        asked.reach()
    number = version if version is not None else Version.of_here().number
    done = _cli("can-i-deploy", "--pacticipant", pacticipant, "--version", number, "--to-environment",
                environment, "--broker-base-url", broker, "--output", "json")
    rows, deployable = _matrix(done.stdout)
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode or not deployable:
        raise typer.Exit(done.returncode or 1)
    if not rows:
        print("galeproof: the broker says yes without any verification: no yes", file=sys.stderr)
        raise typer.Exit(5)


def _matrix(text: str) -> tuple[int, bool]:
    """Return how many rows the broker's answer has, and what it says."""
    for at in (i for i, c in enumerate(text) if c == "{"):
        try:
            found: Any = json.JSONDecoder().raw_decode(text[at:])[0]
        except ValueError:
            continue
        if isinstance(found, dict) and "summary" in found:
            return len(found.get("matrix") or ()), found["summary"].get("deployable") is True
    return 0, False


def _stamped(path: Path) -> list[Path]:
    """Return the pacts that the last run wrote.

    Raises:
        UsageError: It was no whole, green run, or a file is another one since.
    """
    try:
        stamp = json.loads(path.read_text("utf-8"))
        pacts, refused = dict(stamp["pacts"]), list(stamp["refused"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{path}: no run of contract tests; run pytest first") from None
    if refused or not pacts:
        raise UsageError("pact publish: the last run was not whole and green: "
                         f"{refused[0] if refused else 'it wrote no pact'}")
    for name, digest in pacts.items():
        file = Path(name)
        if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            raise UsageError(f"{name}: is not the file that the last run wrote")
    return [Path(name) for name in pacts]


def _cli(*words: str) -> subprocess.CompletedProcess[str]:
    """Run pact-python-cli's own program, not another one that is called `pact`."""
    program = Path(sys.executable).with_name("pact")
    if not program.exists():
        raise UsageError(_MISSING)
    environment = {**os.environ, "PACT_DO_NOT_TRACK": "true"}
    return subprocess.run([str(program), "broker", *words], capture_output=True, text=True, env=environment,
                          timeout=300, check=False)
