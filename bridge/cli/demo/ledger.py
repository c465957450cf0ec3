"""The comparison of ledgers: the plant's own truth, the database, and the ERP's books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table

from bridge.store.ledger import Ledger

_PERCENTILES: Final = ("p50", "p95", "p99")
_BAR: Final = "BAR-60"


@dataclass(frozen=True, slots=True)
class Line:
    """One balance: what the sides say, and whether they agree."""

    what: str
    sides: tuple[tuple[str, int | float], ...]
    is_of_the_same: bool = True  # false: the numbers count different things, whatever they are

    @property
    def agrees(self) -> bool:
        """Whether all sides say the same number, of the same things."""
        return self.is_of_the_same and len({number for _, number in self.sides}) == 1


def balance(plant: dict[str, Any], database: Ledger, erp: dict[str, Any]) -> list[Line]:
    """The balances of a run: plant truth against database against ERP."""
    return [
        Line(
            "readings",
            (("sent", plant["readings_sent"]), ("stored + dead letters", database.stored + database.dead_letters)),
        ),
        Line("unreadable", (("sent", plant["bad_sent"]), ("dead letters", database.dead_letters))),
        Line(
            "good pieces",
            (
                ("made", plant["good_made"]),
                ("counted", database.good),
                ("posted", database.posted),
                ("in the ERP", int(erp["good_posted"])),
            ),
        ),
        _by_order(plant, database, erp),
        _scrap(plant, database, erp),
        _material(plant, database, erp),
        _faults(plant, database, erp),
    ]


def _by_order(plant: dict[str, Any], database: Ledger, erp: dict[str, Any]) -> Line:
    """For how many of the orders that pieces were made for the database and the ERP have just that number of pieces."""
    made = {number: order["good"] for number, order in plant["by_order"].items() if order["good"]}
    counted, posted = database.good_by_order, erp["good_posted_by_origin"]
    return Line(
        "orders",
        (
            ("worked on", len(made)),
            ("counted alike", sum(counted.get(number) == good for number, good in made.items())),
            ("posted alike", sum(int(posted.get(number, 0)) == good for number, good in made.items())),
        ),
    )


def _scrap(plant: dict[str, Any], database: Ledger, erp: dict[str, Any]) -> Line:
    """Scrapped pieces, and in the ERP each component of them: a piece takes one of each."""
    books = erp["scrap_posted_by_product"] or {"nothing": 0}
    components = tuple((f"{code} in the ERP", int(number)) for code, number in sorted(books.items()))
    sides = (("made", plant["scrap_made"]), ("counted", database.scrap), ("posted", database.scrap_posted))
    return Line("scrap", (*sides, *components))


def _material(plant: dict[str, Any], database: Ledger, erp: dict[str, Any]) -> Line:
    """Lengths of bar: every piece that a saw cut, good or scrap, took one."""
    sawn = sum(sum(pieces.values()) for name, pieces in plant["by_machine"].items() if name.startswith("saw"))
    posted, books = database.material_posted.get(_BAR, Decimal(0)), erp["consumed_by_product"].get(_BAR, 0)
    return Line("bars", (("sawn", sawn), ("posted", _plain(posted)), ("in the ERP", books)))


def _plain(quantity: Decimal) -> int | float:
    return int(quantity) if quantity == quantity.to_integral_value() else float(quantity)


def _faults(plant: dict[str, Any], database: Ledger, erp: dict[str, Any]) -> Line:
    """The faults by machine and failure mode; the ERP's requests name the machine only."""
    developed = Counter((fault["machine"], fault["mode"]) for fault in plant["faults"])
    machines = Counter(fault["machine"] for fault in plant["faults"])
    requested = Counter(request["equipment"] for request in erp["maintenance_requests"])
    return Line(
        "faults",
        (("developed", developed.total()), ("tickets", database.tickets), ("in the ERP", requested.total())),
        is_of_the_same=developed == database.tickets_by_fault and machines == requested,
    )


def percentiles(late_ms: Sequence[float]) -> dict[str, float] | None:
    """p50, p95, p99 in milliseconds; None where nothing was measured."""
    if len(late_ms) < 2:
        return None
    cuts = quantiles(late_ms, n=100, method="inclusive")
    return dict(zip(_PERCENTILES, (round(cuts[n - 1], 1) for n in (50, 95, 99)), strict=True))


def commit_percentiles(measured: dict[str, list[float]]) -> dict[str, Any] | None:
    """The same from the database's figures, with a part for each source."""
    if "" not in measured:
        return None
    named = {
        source: dict(zip(_PERCENTILES, (round(ms, 1) for ms in figures), strict=True))
        for source, figures in measured.items()
    }
    return {**named.pop(""), "by_source": named}


def report(
    plant: dict[str, Any],
    database: Ledger,
    erp: dict[str, Any],
    *,
    commit_ms: dict[str, Any] | None,
    browser_ms: dict[str, float] | None,
    restarts: dict[str, int],
) -> dict[str, Any]:
    """What `--report` writes."""
    lines = balance(plant, database, erp)
    return {
        "agrees": all(line.agrees for line in lines),
        "readings_sent": plant["readings_sent"],
        "readings_stored": database.stored,
        "readings_duplicate": database.duplicates,
        "dead_letters": database.dead_letters,
        "good_made": plant["good_made"],
        "good_counted": database.good,
        "good_posted": int(erp["good_posted"]),
        "scrap_made": plant["scrap_made"],
        "scrap_counted": database.scrap,
        "scrap_posted": database.scrap_posted,
        "faults": len(plant["faults"]),
        "tickets": database.tickets,
        "message_to_commit_ms": commit_ms,
        "message_to_browser_ms": browser_ms,
        "balances": [{"what": line.what, "agrees": line.agrees, **dict(line.sides)} for line in lines],
        "outbox_open": database.outbox_open,
        "outbox_parked": database.outbox_parked,
        "erp_failures_applied": erp.get("failures_applied", {}),
        "restarts": restarts,
    }


def write_report(figures: dict[str, Any], file: Path) -> None:
    """Write the report as indented JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2) + b"\n")


def print_report(figures: dict[str, Any], out: Console) -> None:
    """Print the balances as a table, then the times."""
    table = Table(title="Ledgers: plant against database against ERP", title_justify="left")
    for column in ("", "what each side says", ""):
        table.add_column(column)
    for line in figures["balances"]:
        sides = "   ".join(
            f"{name} [bold]{number:,}[/]" for name, number in line.items() if name not in ("what", "agrees")
        )
        table.add_row(line["what"], sides, "[green]agree[/]" if line["agrees"] else "[red]DIFFER[/]")
    out.print(table)
    for name, key in (("message to commit", "message_to_commit_ms"), ("message to browser", "message_to_browser_ms")):
        if ms := figures[key]:
            out.print(f"{name}: p50 {ms['p50']} ms, p95 {ms['p95']} ms, p99 {ms['p99']} ms")
    out.print(
        f"redelivered and recognised: {figures['readings_duplicate']:,}; failures of the ERP survived: {figures['erp_failures_applied'] or 0}"
    )
    if any(figures["restarts"].values()):
        out.print(f"processes started again: {figures['restarts']}")
