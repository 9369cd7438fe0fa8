"""Commands, and the one place where errors become exit codes."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from galeproof.cli import completing
from galeproof.cli.pact import pact
from galeproof.cli.toxiproxy import toxiproxy
from galeproof.errors import HarnessError, UsageError
from galeproof.invariants import INVARIANTS

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False,
                  help="Blow a storm at your HTTP client. Get verdicts that are true.")
app.add_typer(toxiproxy, name="toxiproxy")
app.add_typer(pact, name="pact")

Engine = Annotated[str, typer.Option(help="auto, toxiproxy, embedded, or a URL.",
                                     autocompletion=completing.engines)]
Again = Annotated[str | None, typer.Option(help="Another engine than the kept run's.",
                                           autocompletion=completing.engines)]
Named = Annotated[str | None, typer.Option("--subject", help="NAME of the settings, or module:attribute.",
                                           autocompletion=completing.subjects)]
Run = Annotated[Path, typer.Argument(metavar="RUN", autocompletion=completing.runs)]
Code = Annotated[str | None, typer.Argument(metavar="[CODE]", autocompletion=completing.codes)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON only.")]
Output = Annotated[Path, typer.Option("--output", help="Where runs are kept.")]
DEFAULT_OUTPUT = Path(".galeproof")


def _subject(subject: str | None, command: str | None, driver: str | None) -> str | dict[str, str] | None:
    if sum(given is not None for given in (subject, command, driver)) > 1:
        raise UsageError("--subject, --exec and --driver: only one of them")
    if command is not None:
        return {"exec": command}
    return {"driver": driver} if driver is not None else subject


@app.command()
def run(
    what: Annotated[list[str] | None, typer.Argument(
        metavar="[SCENARIO|FILE|CODE|FAMILY]...", autocompletion=completing.storms,
        help="Scenarios, files, invariant codes or families (CBK); all that ship if left out.")] = None,
    subject: Named = None,
    command: Annotated[str | None, typer.Option("--exec", metavar="COMMAND", help="Any command: a "
                                                "process an operation.")] = None,
    driver: Annotated[str | None, typer.Option(metavar="COMMAND", help="A process that speaks the "
                                               "driver protocol.")] = None,
    proxy: Annotated[bool, typer.Option("--proxy", help="Be the client's forward proxy, for the hosts of "
                                        "--proxy-host or of the settings.")] = False,
    proxy_host: Annotated[list[str] | None, typer.Option(metavar="HOST", help="A host that the proxy may "
                                                         "answer for; again for another.")] = None,
    engine: Engine = "auto",
    seed: Annotated[int | None, typer.Option(help="Seed; drawn and printed if left out.")] = None,
    shrink_s: Annotated[float, typer.Option("--shrink", metavar="SECONDS", min=0, help="Cut failing "
                                            "schedules down for so long.")] = 0.0,
    effort: Annotated[str, typer.Option(
        autocompletion=completing.efforts, help="quick; ci: the harness checks itself first; nightly: also "
        "the scenarios that take a minute each.")] = "quick",
    as_json: Json = False,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Run scenarios against a subject and judge what went over the wire."""
    from galeproof.cli.running import run_command

    if effort not in ("quick", "ci", "nightly"):
        raise UsageError(f"--effort {effort}: quick, ci or nightly")
    hosts = tuple(proxy_host or ()) if proxy or proxy_host else None
    code = run_command(what or [], _subject(subject, command, driver), hosts, engine, seed, as_json, output,
                       effort)
    if shrink_s and code == 1:
        from galeproof.cli.shrinking import shrink_command

        shrink_command(output / "latest", None, shrink_s, None, as_json, silent=as_json)
    raise typer.Exit(code)


@app.command()
def replay(
    run_folder: Run,
    code: Code = None,
    engine: Again = None,
    as_json: Json = False,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Drive the subject of a kept run again: same scenarios, same seed."""
    from galeproof.cli.running import replay_command

    raise typer.Exit(replay_command(run_folder, code, engine, as_json, output))


@app.command()
def judge(
    run_folder: Run,
    as_json: Json = False,
) -> None:
    """Judge the kept histories of a run again; nothing is driven."""
    from galeproof.cli.running import judge_command

    raise typer.Exit(judge_command(run_folder, as_json))


@app.command()
def report(
    run_folder: Run,
    form: Annotated[str, typer.Option("--format", autocompletion=completing.forms,
                                      help="html, markdown, junit, sarif or json.")] = "html",
    output: Annotated[Path | None, typer.Option(help="The file; report.html in the run's folder, or "
                                                     "stdout, if left out.")] = None,
) -> None:
    """Write a report of a kept run: HTML in one file that needs no network, or for a CI system."""
    from galeproof.cli.running import report_command

    if form not in ("html", "markdown", "junit", "sarif", "json"):
        raise UsageError(f"--format {form!r}; allowed: html, markdown, junit, sarif, json")
    raise typer.Exit(report_command(run_folder, output, form))


@app.command()
def shrink(
    run_folder: Run,
    code: Code = None,
    budget: Annotated[float, typer.Option(help="Seconds; run again to go on.", min=1)] = 120.0,
    engine: Again = None,
    as_json: Json = False,
) -> None:
    """Cut the failing schedules of a kept run down to the least that shows each failure."""
    from galeproof.cli.shrinking import shrink_command

    raise typer.Exit(shrink_command(run_folder, code, budget, engine, as_json))


@app.command()
def baseline(
    run_folder: Run,
    reason: Annotated[str, typer.Option(help="Why these findings are lived with.")],
) -> None:
    """Accept today's findings, with a reason; new ones fail."""
    from galeproof.cli.running import baseline_command

    raise typer.Exit(baseline_command(run_folder, reason))


@app.command()
def invariants(as_json: Json = False) -> None:
    """List the invariants that are built."""
    rows: list[dict[str, Any]] = [
        {"code": i.code, "name": i.name, "family": i.family, "severity": i.severity}
        for i in INVARIANTS.values()]
    if as_json:
        print(json.dumps({"schema": 1, "invariants": rows}))
        return
    for row in rows:
        print(f"{row['code']}  {row['name']:<28} {row['severity']}")


@app.command()
def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", autocompletion=completing.codes,
                                        help="For instance RTY001.")],
    as_json: Json = False,
) -> None:
    """Print an invariant's page: what it does, why, what to use instead."""
    from galeproof.cli.explain import explain_command

    raise typer.Exit(explain_command(code, as_json))


@app.command()
def profile(
    subject: Named = None,
    command: Annotated[str | None, typer.Option("--exec", metavar="COMMAND", help="Any command.")] = None,
    driver: Annotated[str | None, typer.Option(metavar="COMMAND", help="A driver.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A short watch; Retry-After up to 11 s.")] = False,
    lock: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep what was measured.")] = None,
    check: Annotated[Path | None, typer.Option(metavar="FILE", help="Exit 1 where the client does "
                                               "otherwise than this file says.")] = None,
    timeouts: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Recommend timeouts instead, from p99.9 of a history.jsonl or of a file of "
        "durations (lines, JSON, CSV; seconds, or with ms or s).")] = None,
    engine: Engine = "auto",
    seed: Annotated[int | None, typer.Option(help="Seed; drawn if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a client's policy and print its profile; or recommend timeouts from latencies."""
    if timeouts is not None:
        from galeproof.cli.timeouts import timeouts_command

        raise typer.Exit(timeouts_command(timeouts, as_json))
    from galeproof.cli.profiling import profile_command

    raise typer.Exit(profile_command(_subject(subject, command, driver), engine, seed, quick, lock, check,
                                     as_json))


@app.command()
def init(
    client: Annotated[str | None, typer.Option(help="Your client: module:Class, or a module of functions "
                                                    "with a constant base URL.")] = None,
    name: Annotated[str | None, typer.Option(help="What the settings call it.")] = None,
    adapters: Annotated[Path, typer.Option(help="The file to write.")] = Path("adapters.py"),
    force: Annotated[bool, typer.Option(help="Write over it.")] = False,
) -> None:
    """Write an adapter and settings for a client of your own."""
    from galeproof.cli.init import init_command

    raise typer.Exit(init_command(client, name, adapters, force))


@app.command()
def nightly(
    what: Annotated[list[str] | None, typer.Argument(
        metavar="[SCENARIO|FILE|CODE|FAMILY]...", autocompletion=completing.storms)] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="For how long.")] = 60.0,
    subject: Named = None,
    database: Annotated[str, typer.Option(help="sqlite:///FILE, or postgresql://...")] =
        "sqlite:///.galeproof/nights.db",
    rounds: Annotated[int | None, typer.Option(min=1, help="So many rounds at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the night; drawn if left out.")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Leave an unfinished night as it is.")] = False,
    engine: Engine = "auto",
    as_json: Json = False,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Try every scenario with many seeds, keep what is found, tell regression from flake."""
    from galeproof.cli.nightly import nightly_command

    raise typer.Exit(nightly_command(what or [], minutes, subject, database, rounds, seed, anew, engine,
                                     as_json, output))


@app.command("verify-provider")
def verify_provider(
    url: Annotated[str, typer.Argument(metavar="URL", help="Base URL of the running provider.")],
    provider: Annotated[str, typer.Option(help="Its name in the pacts.")],
    pacts: Annotated[Path | None, typer.Option(metavar="FILE|FOLDER", help="Pacts to verify.")] = None,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Or a broker that has them.")] = None,
    consumer: Annotated[str | None, typer.Option(help="Only this consumer's.")] = None,
    states: Annotated[Path | None, typer.Option(metavar="FILE", help="Python file with handlers of provider "
                                                "states.")] = None,
    state_url: Annotated[str | None, typer.Option(metavar="URL", help="Or where the provider sets "
                                                  "them.")] = None,
    only: Annotated[str | None, typer.Option(metavar="DESCRIPTION", help="Only this interaction.")] = None,
    state: Annotated[str | None, typer.Option(help="Only interactions in this state.")] = None,
    network: Annotated[str, typer.Option(help="calm, or slow: latency and small pieces.")] = "calm",
    checks: Annotated[bool, typer.Option(help="Keys, cut bodies, Retry-After, secrets too.")] = True,
    publish: Annotated[bool, typer.Option("--publish", help="Publish the results to the broker.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds for one answer.", min=0.1)] = 5.0,
    as_json: Json = False,
) -> None:
    """Hold a running provider against its consumers' pacts, and check what they cannot say."""
    from galeproof.cli.verify_provider import Wanted, verify_provider_command

    raise typer.Exit(verify_provider_command(Wanted(
        url, provider, pacts, broker, consumer, states, state_url, only, state, network, checks, publish,
        timeout, as_json)))


@app.command()
def demo(
    engine: Engine = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 7,
    as_json: Json = False,
) -> None:
    """Judge a popular client under three settings; needs no file of yours."""
    from galeproof.cli.demo import demo_command

    raise typer.Exit(demo_command(engine, seed, as_json))


@app.command()
def doctor(
    engine: Annotated[str | None, typer.Option(
        help="URL of a shared Toxiproxy: look for proxies that runs of ours left behind.")] = None,
    remove_stale: Annotated[bool, typer.Option(help="Delete those.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is missing on this machine, and how to get it."""
    from galeproof.cli.doctor import doctor_command

    raise typer.Exit(doctor_command(engine, remove_stale, as_json))


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code.
    """
    logging.getLogger("asyncio").addFilter(_is_news)
    with contextlib.suppress(ValueError):  # only the main thread may; elsewhere nobody sends them
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
                signal.signal(number, _end)
    try:
        code = app(argv, standalone_mode=False, prog_name="galeproof")  # by `python -m` too
        return int(code or 0)
    except typer.Exit as done:
        return int(done.exit_code)
    except KeyboardInterrupt:
        return _refuse("interrupted", 130)
    except UsageError as error:
        return _refuse(str(error), 2)
    except HarnessError as error:
        return _refuse(str(error), 4 if type(error).__name__ == "WorldError" else 2)
    except Exception as error:
        if hasattr(error, "format_message"):  # click's own errors: an unknown option, say
            return _refuse(error.format_message(), 2)
        if type(error).__name__ == "Abort":  # typer's word for Ctrl-C
            return _refuse("interrupted", 130)
        raise


def _end(*_: object) -> None:
    """End as on Ctrl-C, which a shell's background job ignores."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether asyncio's word is worth a line: what a second Ctrl-C left undone (a run that the world has
    closed already, a child whose loop is gone) is not."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HarnessError) and "that handles pid" not in record.getMessage()


def _refuse(message: str, code: int) -> int:
    from galeproof.report.plain import plain

    print(f"galeproof: {plain(message)}", file=sys.stderr)
    return code
