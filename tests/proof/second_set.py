"""Judges the second set: `second_set.py [--engine E] [--at-once N] [--keep FILE] [--score FILE] [NAME]...`

Each client in a process of its own, over the shipped scenarios of its INVARIANTS; a JSON line each,
and at the end the score of its pairs. `--score FILE` scores lines that were kept.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import prove
from second_clients import CLIENTS

prove.CLIENTS = CLIENTS


def score(lines):
    """Yield the word, client, code and why of each pair."""
    for line in lines:
        name = line["client"]
        client = CLIENTS[name]
        if line["fault"] or line["invalid"]:
            for code in sorted(client.EXPECT | set(client.INVARIANTS)):
                yield "undecided", name, code, f"run: {line['invalid'] or line['fault'][-200:]}"
            continue
        said = line["verdicts"]
        failed = {code for code, told in said.items() if told[0] == "FAIL"}
        for code in sorted(client.EXPECT | set(client.INVARIANTS) | set(client.MAY) | failed):
            outcome, reason, note, texts, scenarios = said.get(code, ["absent", None, "", [], []])
            why = f"{outcome} {reason or ''} {texts[:1] or note or ''} {','.join(scenarios)}"
            if code in client.EXPECT:
                word = {"FAIL": "right", "PASS": "wrong"}.get(outcome, "undecided")
            elif outcome == "FAIL":
                word = "allowed" if code in client.MAY else "wrong"
            elif code in client.INVARIANTS:
                word = "right" if outcome == "PASS" else "undecided"
            else:
                continue
            yield word, name, code, why


def tell(lines):
    """Print the score."""
    pairs = list(score(lines))
    for word, name, code, why in pairs:
        if word in ("wrong", "undecided"):
            print(f"{word:9} {name} {code}: {why}")
    told = {word: sum(p[0] == word for p in pairs) for word in ("right", "allowed", "wrong", "undecided")}
    print(json.dumps({"clients": len(lines), **told}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--score", type=Path)
    parser.add_argument("names", nargs="*")
    given = parser.parse_intermixed_args()
    if given.score:
        last = {}
        for text in given.score.read_text().splitlines():
            last[json.loads(text)["client"]] = json.loads(text)
        tell(list(last.values()))
        return
    left, running, lines = list(given.names or CLIENTS), {}, []
    while left or running:
        while left and len(running) < given.at_once:
            name = left.pop(0)
            sys.stdout.flush()
            out, into = os.pipe()
            child = os.fork()
            if child == 0:
                began = time.monotonic()
                text = prove.told(given.engine, name, False)
                print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
                with os.fdopen(into, "w") as file:
                    file.write(text)
                os._exit(0)
            os.close(into)
            running[child] = out
        # read to the end in the order in which they ended: a line may be longer than a pipe holds
        import select

        ready, _, _ = select.select(list(running.values()), [], [])
        child = next(c for c, out in running.items() if out == ready[0])
        with os.fdopen(running.pop(child)) as file:
            text = file.read()
        os.waitpid(child, 0)
        print(text, flush=True)
        if given.keep:
            with given.keep.open("a") as file:
                file.write(text + "\n")
        lines.append(json.loads(text))
    tell(lines)


if __name__ == "__main__":
    main()
