"""The figures as a person reads them: each beside the limit that the same run measured."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_table(figures: dict[str, Any], out: Console) -> None:
    """Print what was measured."""
    table = Table("", "measured", "beside", "ratio", box=None, pad_edge=False)
    for row in rows(figures):
        table.add_row(*row)
    out.print(table)


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What is measured, its figure, the limit beside it, and the ratio."""
    found: list[tuple[str, str, str, str]] = []
    if one := figures.get("one_per_message"):
        durable = f"{one['durable_msg_s']:,.0f} msg/s"
        for name, what in (
            ("receive_limit_msg_s", "received and dropped"),
            ("stock_paho_msg_s", "stock paho, json, executemany"),
            ("stock_paho_copy_msg_s", "stock paho, json, COPY"),
        ):
            beside = f"{what}: {one[name]:,.0f}"
            found.append(("one reading a message, durable", durable, beside, f"{one['durable_msg_s'] / one[name]:.2f}"))
    if hundred := figures.get("hundred_per_message"):
        found.append(
            (
                "100 readings a message, durable",
                f"{hundred['durable_readings_s']:,.0f} readings/s",
                f"bare COPY: {hundred['copy_limit_rows_s']:,.0f}",
                f"{hundred['of_copy_limit']:.2f}",
            )
        )
    for name, ms in figures.get("commit_ms", {}).items():
        rate = name.removeprefix("rate_")
        found.append((f"message to commit at {rate} msg/s", _percentiles(ms), "p99 under 100 ms", ""))
    return found + (_outage_rows(figures["outage"]) if "outage" in figures else [])


def _outage_rows(outage: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    grown = outage["rss_peak_mb"] - outage["rss_before_mb"]
    before = f"before {outage['rss_before_mb']:.0f} MB"
    drained = f"{outage['backlog']:,} in {outage['drained_s']:.1f} s"
    return [
        ("database away: memory", f"{outage['rss_peak_mb']:.0f} MB at most", before, f"+{grown:.0f} MB"),
        ("database away: lost", f"{outage['lost']}", f"stored twice: {outage['stored_twice']}", ""),
        ("database back: backlog drained", drained, "new ones arriving", ""),
        ("then message to commit", _percentiles(outage["commit_ms"]), "p99 under 100 ms", ""),
    ]


def _percentiles(ms: dict[str, float]) -> str:
    return f"p50 {ms['p50']:.1f}, p95 {ms['p95']:.1f}, p99 {ms['p99']:.1f} ms"
