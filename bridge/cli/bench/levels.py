"""`amor bench levels`: how soon a shop hears of pieces that were posted, through the real relay process.

The ERP is the simulated Odoo, the shop a receiver of webhooks that answers after 5 ms (`answerer`). The ERP is polled so seldom that what the
shop hears comes from the postings alone; these are written one by one, at any moment of the relay's own rhythm.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from bridge.cli.bench.stage import keep, stage, start
from bridge.errors import SetupError
from bridge.store.embedded.ports import free_port
from bridge.store.queries import load

_QUERIES: Final = load("bench_levels")
_ORDER: Final = "MES-0001"
_KEY: Final = "simulated-key"
_ANSWER_MS: Final = 5
_APART_S: Final = 1.2  # at most, between two postings: more and less than the relay takes between two questions
_WAIT_S: Final = 60.0
_LOOK_S: Final = 0.1
_CONFIGURATION: Final = """\
[plant]
name = "Bench"
[database]
dsn = "{dsn}"
[relay]
reconcile = false
[[connector]]
name = "erp"
type = "odoo19"
url = "http://127.0.0.1:{erp}"
database = "acme"
auth = {{ type = "api_key", key = "{key}" }}
poll_s = 3600
[[connector.availability]]
item = "HSG-L1"
to = ["shop"]
[[connector]]
name = "shop"
type = "webhook"
url = "http://127.0.0.1:{shop}/"
secrets = ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
poll_s = 3600
"""


@dataclass(frozen=True, slots=True)
class LevelsOptions:
    """What the command line says."""

    json: Path | None
    postings: int


def run_levels(options: LevelsOptions, out: Console) -> None:
    """Measure, print, and write the figures."""
    with stage(out) as place, ExitStack() as stack:
        out.print("measuring ...")
        figures = _measured(stack, place.folder, place.database.dsn, options.postings)
    out.print(_table(figures))
    keep(figures, options.json, out)


def _measured(stack: ExitStack, folder: Path, dsn: str, postings: int) -> dict[str, Any]:
    erp, shop = free_port(), free_port()
    config = folder / "relay.toml"
    config.write_text(_CONFIGURATION.format(dsn=dsn, erp=erp, shop=shop, key=_KEY))
    options = ("--port", erp, "--data", folder / "erp", "--quantity", postings, "--orders-per-line", 1)
    quiet = ("--release-every", 86400, "--ship-every", 86400)
    stack.enter_context(_process(folder, "simulators.erp", *options, *quiet))
    stack.enter_context(_process(folder, "bridge.cli.bench.answerer", shop, _ANSWER_MS))
    connection = stack.enter_context(psycopg.connect(dsn, row_factory=dict_row, autocommit=True))
    relay = stack.enter_context(_process(folder, "bridge.cli", "relay", "--config", config))
    _until(lambda: _count(connection, _QUERIES.levels) > 0, relay, folder)
    moments = random.Random(7)  # noqa: S311  # no secret
    for _ in range(postings):
        connection.execute(_QUERIES.post, {"order_number": _ORDER})
        time.sleep(moments.uniform(0, _APART_S))
    _until(lambda: not _count(connection, _QUERIES.open) and _heard(connection)["n"] == postings, relay, folder)
    found = _heard(connection)
    names = ("p50", "p95", "p99")
    return {
        "postings": postings,
        "levels": found["levels"],
        "document_ms": dict(zip(names, found["document_ms"], strict=True)),
        "level_ms": dict(zip(names, found["level_ms"], strict=True)),
    }


def _heard(connection: psycopg.Connection[dict[str, Any]]) -> dict[str, Any]:
    row = connection.execute(_QUERIES.heard).fetchone()
    assert row is not None, "an aggregate has one row"
    return row


def _count(connection: psycopg.Connection[dict[str, Any]], query: bytes) -> int:
    row = connection.execute(query).fetchone()
    return 0 if row is None else int(row["n"])


def _until(is_reached: Callable[[], bool], relay: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not is_reached():
        if relay.poll() is not None or time.monotonic() > deadline:
            raise SetupError(f"the shop hears nothing: {_end_of(folder / 'bench.log')}")
        time.sleep(_LOOK_S)


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


@contextmanager
def _process(folder: Path, module: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "AMOR_SIMULATED_ERP_KEY": _KEY}
    with (
        (folder / "bench.log").open("ab") as log,
        start(module, *arguments, stdout=log, stderr=log, env=environment) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def _table(figures: dict[str, Any]) -> Table:
    table = Table("", "measured", "asked", box=None, pad_edge=False)
    shown = {
        name: ", ".join(f"{part} {ms:.0f}" for part, ms in figures[name].items()) + " ms"
        for name in ("document_ms", "level_ms")
    }
    table.add_row("posting to the ERP's document", shown["document_ms"], "")
    table.add_row("posting to the shop that hears of it", shown["level_ms"], "p95 under 2000 ms")
    table.add_row("  postings, levels told", f"{figures['postings']}, {figures['levels']}", "")
    return table
