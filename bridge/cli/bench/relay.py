"""`amor bench relay`: postings a second through the real relay process, what an idle system waits, and a backlog after an outage.

The other side is a receiver of webhooks that answers after 5 ms and looks at the order within each stream (`answerer`).
"""

from __future__ import annotations

import statistics
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from bridge.cli.bench.stage import keep, stage, start
from bridge.cli.bench.usage import cpu_s, rss_mb
from bridge.errors import SetupError
from bridge.store.embedded.ports import free_port
from bridge.store.queries import load

QUERIES: Final = load("bench_relay")
ANSWER_MS: Final = 5.0
_STREAMS: Final = 200  # orders of the rate; each posts piece by piece
_IDLE_EVENTS: Final = 100
_OF_AN_ORDER: Final = 300  # events of each order of a backlog
_WORST_S: Final = 20.0  # so long a worst case is looked at; to its end it would take many minutes
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
    worst: bool


def run_relay(options: RelayOptions, out: Console) -> None:
    """Measure, print, and write the figures."""
    with stage(out) as place:
        bench = Bench(place.folder, place.database.dsn, free_port())
        out.print("measuring rate ...")
        figures = {"rate": _medians([bench.rate(options.events) for _ in range(options.runs)])}
        out.print("measuring latency ...")
        figures["latency"] = bench.latency()
        if options.backlog:
            out.print("measuring backlog ...")
            figures["backlog"] = bench.backlog(options.backlog, max(1, options.backlog // _OF_AN_ORDER))
        if options.backlog and options.worst:
            for name, streams in (("one_stream", 1), ("streams_of_one", options.backlog)):
                out.print(f"measuring backlog, {name.replace('_', ' ')} ...")
                figures[name] = bench.backlog(options.backlog, streams, seconds=_WORST_S)
    out.print(_table(figures))
    keep(figures, options.json, out)


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
            found, took_s = self._done("rate"), cpu_s(relay.pid)
            seen = self._seen()
        self._check(seen, found["n"])
        # From the first answer on: a process's start is no posting.
        return {"postings_s": found["n"] / self._span_s("rate"), "cpu_ms": took_s / found["n"] * 1000, **_order(seen)}

    def latency(self) -> dict[str, float]:
        """From an event's writing to its document, one at a time, the system idle."""
        self._query(QUERIES.empty)
        with self._receiver(), self._relay() as relay:
            for n in range(_IDLE_EVENTS):
                self._fill(f"idle{n}", 1, 1)
                self._query(QUERIES.wake)
                self._until_open(0, relay, look_s=0.01)
        return _percentiles(self._done("idle%")["ms"])

    def backlog(self, events: int, streams: int, *, seconds: float | None = None) -> dict[str, Any]:
        """The system is away while events gather, comes back, and new events go on coming; to the end, or for some seconds."""
        self._query(QUERIES.empty)
        with self._relay() as relay:
            time.sleep(3)
            before = rss_mb(relay.pid)
            each = events // streams
            self._fill("old", streams, each)
            self._query(QUERIES.analyze)
            time.sleep(5)  # the circuit is open
            with self._receiver():
                began, new, peak = time.monotonic(), 0, before
                while self._query(QUERIES.open)["n"]:
                    if seconds is not None and time.monotonic() > began + seconds:
                        break
                    if time.monotonic() > began + _WAIT_S:
                        raise SetupError("the relay does not end its backlog")
                    new += 1
                    self._fill(f"new{new}", 1, 1)
                    self._query(QUERIES.wake)
                    peak = max(peak, rss_mb(relay.pid))
                    time.sleep(1)
                took_s, seen, end = time.monotonic() - began, self._seen(), rss_mb(relay.pid)
        if seconds is None:
            self._check(seen, each * streams + new)
        done = self._done("new%")
        return {
            "events": each * streams, "streams": streams, "took_s": took_s, "posted": seen["events"],
            "postings_s": seen["events"] / took_s, "rss_before_mb": before, "rss_peak_mb": peak, "rss_end_mb": end,
            "new_events": new, "new_done": done["n"], "new_event_ms": _percentiles(done["ms"]), **_order(seen),
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
        with start("bridge.cli.bench.answerer", self.port, ANSWER_MS, stdout=subprocess.PIPE) as process:
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
        with (
            (self.folder / "relay.log").open("ab") as log,
            start("bridge.cli", "relay", "--config", config, stdout=log, stderr=log) as process,
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


def _table(figures: dict[str, Any]) -> Table:
    table = Table("", "measured", "asked", box=None, pad_edge=False)
    rate, latency = figures["rate"], figures["latency"]
    shown: Callable[[dict[str, float]], str] = lambda ms: ", ".join(f"{n} {v:.0f}" for n, v in ms.items()) + " ms"  # noqa: E731
    table.add_row("postings, each answered in 5 ms", f"{rate['postings_s']:,.0f} a second", "500")
    table.add_row("  CPU of the relay", f"{rate['cpu_ms']:.2f} ms each", "")
    table.add_row("  out of order, repeated", f"{rate['out_of_order']:.0f}, {rate['repeated']:.0f}", "0")
    table.add_row("event to document, idle", shown(latency), "p95 under 1000 ms")
    for name in ("backlog", "one_stream", "streams_of_one"):
        if backlog := figures.get(name):
            what = f"{backlog['posted']:,} in {backlog['took_s']:.0f} s, {backlog['postings_s']:,.0f} a second"
            table.add_row(f"{backlog['events']:,} events of {backlog['streams']:,} streams after an outage", what, "")
            memory = "{rss_before_mb:.0f} MB before, {rss_peak_mb:.0f} at most, {rss_end_mb:.0f} at the end".format(
                **backlog
            )
            table.add_row("  memory", memory, "flat")
            table.add_row("  new events meanwhile", shown(backlog["new_event_ms"]), "not starved")
            table.add_row("  out of order, repeated", f"{backlog['out_of_order']}, {backlog['repeated']}", "0")
    return table
