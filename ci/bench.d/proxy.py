"""`ci/bench proxy`: the embedded Toxiproxy against the real one, interleaved, as ratios."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from galeproof.toxiproxy.server import find_server

_HERE = Path(__file__).parent
_MIB = 1 << 20
_SLICE = 100
_TOXICS: dict[str, tuple[str, dict[str, int]]] = {
    "noop": ("noop", {}),
    "latency 0": ("latency", {"latency": 0}),
    "latency 5": ("latency", {"latency": 5}),
    "bandwidth": ("bandwidth", {"rate": 10_000_000}),
    "slicer": ("slicer", {"average_size": 16384, "size_variation": 1024}),
    "limit_data": ("limit_data", {"bytes": 1 << 40}),
    "slow_close": ("slow_close", {}),
}


@dataclass(frozen=True, slots=True)
class Path_:
    """One way to the origin: direct, or through a server."""

    name: str
    address: tuple[str, int]
    url: str | None
    pid: int | None

    def connect(self) -> socket.socket:
        """Open a connection."""
        sock = socket.create_connection(self.address, timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def cpu_s(self) -> float:
        """CPU seconds that the server has used."""
        if self.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def toxic(self, kind: str, **attributes: int) -> None:
        """Add a downstream toxic; the direct way has none."""
        if self.url:
            _call(self.url, "POST", "/proxies/bench/toxics",
                  {"name": "t", "type": kind, "attributes": attributes})

    def untoxic(self) -> None:
        """Remove it."""
        if self.url:
            _call(self.url, "DELETE", "/proxies/bench/toxics/t")


def _call(url: str, method: str, path: str, body: object = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"User-Agent": "bench"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return bytes(answer.read())


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def _running(command: list[str], out: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    # A pipe that nobody reads would stop a server that logs.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                               stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _ready(url: str) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError):
            _call(url, "GET", "/version")
            return
        time.sleep(0.02)
    raise SystemExit(f"{url} does not answer")


def throughput(path: Path_, connections: int, mib: int) -> dict[str, float]:
    """MB/s over all connections downstream, and the server's CPU seconds per GB."""
    socks = [path.connect() for _ in range(connections)]
    done: list[int] = []

    def drain(sock: socket.socket) -> None:
        view, total = memoryview(bytearray(_MIB)), 0
        sock.sendall(b"s%08d" % mib)
        while total < mib * _MIB and (count := sock.recv_into(view)):
            total += count
        done.append(total)

    threads = [threading.Thread(target=drain, args=(sock,)) for sock in socks]
    cpu_s, begin = path.cpu_s(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - begin
    for sock in socks:
        sock.close()
    total = connections * mib * _MIB
    if sum(done) != total:
        raise SystemExit(f"{path.name}: {sum(done)} of {total} bytes arrived")
    return {"MB/s": total / 1e6 / took_s, "CPU s/GB": (path.cpu_s() - cpu_s) / (total / 1e9)}


def round_trips(paths: list[Path_], count: int, size: int = 1024) -> list[list[float]]:
    """Seconds of each round trip, by path; in slices, path by path, so that all meet one weather."""
    message, view = bytes(size), memoryview(bytearray(size))
    times: list[list[float]] = [[] for _ in paths]
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(path.connect()) for path in paths]
        for sock in socks:
            sock.sendall(b"e")
        for _ in range(0, count, _SLICE):
            for sock, kept in zip(socks, times, strict=True):
                for number in range(_SLICE + 5):
                    begin = time.perf_counter()
                    sock.sendall(message)
                    got = 0
                    while got < size:
                        got += sock.recv_into(view[got:])
                    if number >= 5:
                        kept.append(time.perf_counter() - begin)
    return times


def connects(path: Path_, count: int) -> float:
    """Connections a second: opened, one byte through, closed by the origin; one at a time."""
    begin = time.perf_counter()
    for _ in range(count):
        with path.connect() as sock:
            sock.sendall(b"c")
            sock.recv(1)
    return count / (time.perf_counter() - begin)


def _quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


class Table:
    """Samples by row and way; prints medians and the ratio."""

    def __init__(self) -> None:
        self.samples: dict[str, dict[str, list[float]]] = {}

    def add(self, row: str, way: str, value: float) -> None:
        """Keep one sample."""
        self.samples.setdefault(row, {}).setdefault(way, []).append(value)

    def rows(self) -> list[dict[str, float | str]]:
        """Medians, the ratio of medians, and the median of the ratios round by round."""
        out: list[dict[str, float | str]] = []
        for row, ways in self.samples.items():
            line: dict[str, float | str] = {"row": row}
            line |= {way: statistics.median(values) for way, values in ways.items()}
            ours, theirs = ways.get("embedded", []), ways.get("real", [])
            pairs = [a / b for a, b in zip(ours, theirs, strict=False) if b]
            if pairs:
                line["ratio"] = statistics.median(ours) / (statistics.median(theirs) or 1)
                line["ratio, low"], line["ratio, high"] = min(pairs), max(pairs)
            out.append(line)
        return out


def _measure(paths: list[Path_], rounds: int, only: set[str], quick: bool) -> Table:
    table = Table()
    size = 4 if quick else 1

    def part(name: str) -> bool:
        return not only or name in only

    for _ in range(rounds):
        if part("throughput"):
            for row, connections, mib in (("1", 1, 512), ("32", 32, 16)):
                for path in paths:
                    got = throughput(path, connections, mib // size)
                    for unit, value in got.items():
                        if path.pid or unit == "MB/s":
                            table.add(f"{unit}, {row} connection{'s' * (row != '1')}", path.name, value)
        if part("rtt"):
            _round_trip_rows(table, paths, 4000 // size)
        if part("connects"):
            for path in paths:
                table.add("connections/s", path.name, connects(path, 1000 // size))
        if part("toxics"):
            _toxic_rows(table, paths[1:], size)
        if part("accuracy"):
            _accuracy_rows(table, paths[1:], 200 // size)
    return table


def _round_trip_rows(table: Table, paths: list[Path_], count: int) -> None:
    before = [path.cpu_s() for path in paths]
    found = round_trips(paths, count)
    for path, cpu_s, times in zip(paths, before, found, strict=True):
        for name, quantile in (("p50", 0.5), ("p99", 0.99)):
            value = _quantile(times, quantile)
            table.add(f"1 KB round trip {name}, us", path.name, value * 1e6)
            if path.pid:
                added = value - _quantile(found[0], quantile)
                table.add(f"1 KB round trip {name}, added, us", path.name, added * 1e6)
        if path.pid:
            table.add("CPU us/round trip", path.name, (path.cpu_s() - cpu_s) / len(times) * 1e6)


def _toxic_rows(table: Table, paths: list[Path_], size: int) -> None:
    for row, (kind, attributes) in _TOXICS.items():
        for path in paths:
            path.toxic(kind, **attributes)
        for path in paths:
            table.add(f"{row}: MB/s", path.name, throughput(path, 1, 128 // size)["MB/s"])
        if row != "latency 5":
            for path, times in zip(paths, round_trips(paths, 1000 // size), strict=True):
                table.add(f"{row}: round trip p50, us", path.name, _quantile(times, 0.5) * 1e6)
        for path in paths:
            path.untoxic()


def _accuracy_rows(table: Table, paths: list[Path_], count: int) -> None:
    plain = [_quantile(times, 0.5) for times in round_trips(paths, 200)]
    for path in paths:
        path.toxic("latency", latency=20)
    for path, base, times in zip(paths, plain, round_trips(paths, count), strict=True):
        late = [took - 0.020 - base for took in times]
        table.add("latency 20 ms, error p50, ms", path.name, _quantile(late, 0.5) * 1e3)
        table.add("latency 20 ms, error p99, ms", path.name, _quantile(late, 0.99) * 1e3)
    for path in paths:
        path.untoxic()


def _started(stack: contextlib.ExitStack) -> list[Path_]:
    """The origin, and a lane to it through each server that is here."""
    origin = stack.enter_context(_running([sys.executable, str(_HERE / "far_end.py")], subprocess.PIPE))
    assert origin.stdout is not None
    port = int(origin.stdout.readline())
    paths = [Path_("direct", ("127.0.0.1", port), None, None)]
    commands = {"embedded": [sys.executable, "-m", "galeproof", "toxiproxy", "serve"]}
    real = find_server()
    if real is None:
        print("the real Toxiproxy is not here: no ratios (galeproof toxiproxy install)", file=sys.stderr)
    else:
        commands["real"] = [real]
    for name, command in commands.items():
        control = _free_port()
        dashes = "--" if name == "embedded" else "-"
        process = stack.enter_context(
            _running([*command, f"{dashes}host=127.0.0.1", f"{dashes}port={control}"]))
        url = f"http://127.0.0.1:{control}"
        _ready(url)
        made = _call(url, "POST", "/proxies",
                     {"name": "bench", "upstream": f"127.0.0.1:{port}", "listen": "127.0.0.1:0"})
        lane = int(json.loads(made)["listen"].rpartition(":")[2])
        paths.append(Path_(name, ("127.0.0.1", lane), url, process.pid))
    return paths


def _print(rows: list[dict[str, float | str]], rounds: int) -> None:
    print(f"medians of {rounds} interleaved rounds; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    ways = ("direct", "embedded", "real")
    print(f"{'':<36}" + "".join(f"{way:>10}" for way in ways) + f"{'ratio':>8}   (lowest to highest)")
    for line in rows:
        cells = "".join(f"{line[way]:>10.2f}" if way in line else f"{'':>10}" for way in ways)
        ratio = (f"{line['ratio']:>8.2f}   ({line['ratio, low']:.2f} to {line['ratio, high']:.2f})"
                 if "ratio" in line else "")
        print(f"{line['row']:<36}{cells}{ratio}")


def main() -> None:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(prog="ci/bench proxy")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="throughput,rtt,connects,toxics,accuracy")
    parser.add_argument("--quick", action="store_true", help="a quarter of the work, to try it")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    only = set(filter(None, wanted.only.split(",")))
    with contextlib.ExitStack() as stack:
        rows = _measure(_started(stack), wanted.rounds, only, wanted.quick).rows()
    if wanted.json:
        print(json.dumps({"rounds": wanted.rounds, "load": os.getloadavg()[0], "cores": os.cpu_count(),
                          "rows": rows}))
    else:
        _print(rows, wanted.rounds)


if __name__ == "__main__":
    main()
