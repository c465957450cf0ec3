"""`amor bench relay`: postings a second through the real relay process, what an idle system waits, and a backlog after an outage.

The other side is a receiver of webhooks that answers after 5 ms and looks at the order within each stream (`answerer`).
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from bridge.cli.bench.resident import rss_mb
from bridge.cli.demo.progress import steps_on
from bridge.errors import SetupError
from bridge.store.embedded import PrivateDatabase, data_folder, prepare
from bridge.store.embedded.ports import free_port
from bridge.store.migrate import migrate
from bridge.store.queries import load

QUERIES: Final = load("bench_relay")
ANSWER_MS: Final = 5.0
_STREAMS: Final = 200  # orders of the rate; each posts piece by piece
_IDLE_EVENTS: Final = 100
_BACKLOG_STREAMS: Final = 2000
_LOOK_S: Final = 0.2
_WAIT_S: Final = 900.0
_CONFIGURATION: Final = """\
[plant]
name = "Bench"
[database]
dsn = "{dsn}"
[relay]
reconcile = false
[[connector]]
name = "bench"
type = "webhook"
url = "http://127.0.0.1:{port}/"
secrets = ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
max_in_flight = 32
poll_s = 3600
"""


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """What the command line says."""

    json: Path | None
    events: int
    runs: int
    backlog: int


def run_relay(options: RelayOptions, out: Console) -> None:
    """Measure, print, and write the figures."""
    with ExitStack() as stack:
        folder = stack.enter_context(data_folder())
        with steps_on(out) as report:
            installation = prepare(report)
            database = stack.enter_context(PrivateDatabase(installation, folder / "database", report=report))
        asyncio.run(migrate(database.dsn))
        bench = Bench(folder, database.dsn, free_port())
        out.print("measuring rate ...")
        figures = {"rate": _medians([bench.rate(options.events) for _ in range(options.runs)])}
        out.print("measuring latency ...")
        figures["latency"] = bench.latency()
        if options.backlog:
            out.print("measuring backlog ...")
            figures["backlog"] = bench.backlog(options.backlog)
    out.print(_table(figures))
    if options.json:
        options.json.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
        out.print(f"written: {options.json}")


@dataclass(frozen=True, slots=True)
class Bench:
    """The database, and the port of the receiver."""

    folder: Path
    dsn: str
    port: int

    def rate(self, events: int) -> dict[str, float]:
        """Postings a second of events that are there when the relay starts."""
        self._query(QUERIES.empty)
        self._fill("rate", _STREAMS, events // _STREAMS)
        with self._receiver(), self._relay() as relay:
            self._until_open(0, relay)
            found, cpu_s = self._done("rate"), _cpu_s(relay)
            seen = self._seen()
        self._check(seen, found["n"])
        # From the first answer on: a process's start is no posting.
        return {"postings_s": found["n"] / self._span_s("rate"), "cpu_ms": cpu_s / found["n"] * 1000, **_order(seen)}

    def latency(self) -> dict[str, float]:
        """From an event's writing to its document, one at a time, the system idle."""
        self._query(QUERIES.empty)
        with self._receiver(), self._relay() as relay:
            for n in range(_IDLE_EVENTS):
                self._fill(f"idle{n}", 1, 1)
                self._query(QUERIES.wake)
                self._until_open(0, relay, look_s=0.01)
        return _percentiles(self._done("idle%")["ms"])

    def backlog(self, events: int) -> dict[str, Any]:
        """The system is away while events gather, comes back, and new events go on coming."""
        self._query(QUERIES.empty)
        with self._relay() as relay:
            time.sleep(3)
            before = rss_mb(relay.pid)
            self._fill("old", _BACKLOG_STREAMS, events // _BACKLOG_STREAMS)
            self._query(QUERIES.analyze)
            time.sleep(5)  # the circuit is open
            with self._receiver():
                began, new, peak = time.monotonic(), 0, before
                while self._query(QUERIES.open)["n"]:
                    if time.monotonic() > began + _WAIT_S:
                        raise SetupError("the relay does not end its backlog")
                    new += 1
                    self._fill(f"new{new}", 1, 1)
                    self._query(QUERIES.wake)
                    peak = max(peak, rss_mb(relay.pid))
                    time.sleep(1)
                seconds, seen = time.monotonic() - began, self._seen()
        self._check(seen, events // _BACKLOG_STREAMS * _BACKLOG_STREAMS + new)
        return {
            "events": events, "drained_s": seconds, "postings_s": seen["events"] / seconds, "rss_before_mb": before,
            "rss_peak_mb": peak, "new_events": new, "new_event_ms": _percentiles(self._done("new%")["ms"]), **_order(seen),
        }  # fmt: skip

    def _check(self, seen: dict[str, int], events: int) -> None:
        if seen["events"] != events:
            raise SetupError(f"{seen['events']} of {events} events arrived: figures of loss are none")

    def _fill(self, prefix: str, streams: int, each: int) -> None:
        self._query(QUERIES.fill, {"prefix": prefix, "streams": streams, "each": each})

    def _done(self, prefix: str) -> dict[str, Any]:
        return self._query(QUERIES.done, {"prefix": prefix})

    def _span_s(self, prefix: str) -> float:
        return float(self._query(QUERIES.span, {"prefix": prefix})["seconds"])

    def _query(self, query: bytes, values: dict[str, Any] | None = None) -> dict[str, Any]:
        with psycopg.connect(self.dsn, row_factory=dict_row, autocommit=True) as connection:
            cursor = connection.execute(query, values)
            return (cursor.fetchone() or {}) if cursor.description else {}

    def _until_open(self, count: int, relay: subprocess.Popen[bytes], look_s: float = _LOOK_S) -> None:
        deadline = time.monotonic() + _WAIT_S
        while self._query(QUERIES.open)["n"] > count:
            if relay.poll() is not None or time.monotonic() > deadline:
                raise SetupError(f"the relay ended or stands still; see {self.folder / 'relay.log'}")
            time.sleep(look_s)

    def _seen(self) -> dict[str, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/seen", timeout=10) as answer:
            seen: dict[str, int] = orjson.loads(answer.read())
        return seen

    @contextmanager
    def _receiver(self) -> Iterator[None]:
        command = [sys.executable, "-m", "bridge.cli.bench.answerer", str(self.port), str(ANSWER_MS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603  # our own module
            try:
                assert process.stdout is not None, "it is a pipe"
                process.stdout.readline()
                yield
            finally:
                process.kill()

    @contextmanager
    def _relay(self) -> Iterator[subprocess.Popen[bytes]]:
        config = self.folder / "relay.toml"
        config.write_text(_CONFIGURATION.format(dsn=self.dsn, port=self.port))
        command = [sys.executable, "-m", "bridge.cli", "relay", "--config", str(config)]
        with (
            (self.folder / "relay.log").open("ab") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as process,  # noqa: S603  # our own module
        ):
            try:
                yield process
            finally:
                process.terminate()


def _order(seen: dict[str, int]) -> dict[str, int]:
    return {"repeated": seen["repeated"], "out_of_order": seen["out_of_order"]}


def _percentiles(ms: list[float]) -> dict[str, float]:
    return dict(zip(("p50", "p95", "p99"), ms, strict=True))


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in found) for name in found[0]}


def _cpu_s(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100  # utime and stime, in hundredths of a second


def _table(figures: dict[str, Any]) -> Table:
    table = Table("", "measured", "asked", box=None, pad_edge=False)
    rate, latency = figures["rate"], figures["latency"]
    shown: Callable[[dict[str, float]], str] = lambda ms: ", ".join(f"{n} {v:.0f}" for n, v in ms.items()) + " ms"  # noqa: E731
    table.add_row("postings, each answered in 5 ms", f"{rate['postings_s']:,.0f} a second", "500")
    table.add_row("  CPU of the relay", f"{rate['cpu_ms']:.2f} ms each", "")
    table.add_row("  out of order, repeated", f"{rate['out_of_order']:.0f}, {rate['repeated']:.0f}", "0")
    table.add_row("event to document, idle", shown(latency), "p95 under 1000 ms")
    if backlog := figures.get("backlog"):
        grown = backlog["rss_peak_mb"] - backlog["rss_before_mb"]
        table.add_row("backlog after an outage", f"{backlog['events']:,} in {backlog['drained_s']:.0f} s", "")
        table.add_row("  memory", f"{backlog['rss_before_mb']:.0f} MB, +{grown:.0f} MB", "flat")
        table.add_row("  new events meanwhile", shown(backlog["new_event_ms"]), "not starved")
        table.add_row("  out of order", f"{backlog['out_of_order']}", "0")
    return table
