"""`amor map` and `amor listen`: what a message would become, and what a broker's topics could be mapped to."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.codecs import CODECS
from bridge.codecs.decoded import Decoded, Place
from bridge.config import Settings
from bridge.config.settings import MqttSettings
from bridge.errors import AmorError, PayloadError
from bridge.model.quality import severity
from bridge.model.reading import instant
from bridge.sources.mqtt_topics import Topics

_DEFAULT_CONFIG = Path("amor.toml")


def map_message(
    topic: Annotated[str, typer.Option(help="The topic that the message came on.")],
    payload: Annotated[
        str, typer.Option(help="The payload as text, @FILE for a file's bytes, or - for standard input.")
    ],
    config: Annotated[
        Path, typer.Option("--config", "-c", envvar="AMOR_CONFIG", help="The configuration file.", dir_okay=False)
    ] = _DEFAULT_CONFIG,
    source: Annotated[
        str | None, typer.Option(help="Name of the source. Default: the first that takes the topic.")
    ] = None,
    is_hex: Annotated[bool, typer.Option("--hex", help="The payload is written in hexadecimal digits.")] = False,
) -> None:
    """Show what a message would become: tags, values, units, times; and what would be a dead letter, and why."""
    from bridge.config import load_settings

    out = Console(highlight=False)
    place = _place(load_settings(config), source, topic)
    decoded = CODECS["json"](_bytes(payload, is_hex), place, time.time_ns() // 1_000)
    _print(decoded, place, out)
    if not decoded.readings:
        raise typer.Exit(1)


def listen(
    url: Annotated[str, typer.Option(help="mqtt://user:password@host:port, or mqtts:// for TLS.")],
    topic_filter: Annotated[str, typer.Option("--filter", help="Topics to listen to.")] = "#",
    seconds: Annotated[float, typer.Option(min=0.5, max=3600, help="How long to listen.")] = 10,
    topics: Annotated[int, typer.Option(min=1, max=100_000, help="Stop at this many topics.")] = 2000,
    ca_file: Annotated[Path | None, typer.Option(help="CA certificates, PEM. Default: the machine's own.")] = None,
    certificate_file: Annotated[Path | None, typer.Option(help="Client certificate, PEM.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", dir_okay=False, help="Write the proposal to this file. Default: print it.")
    ] = None,
) -> None:
    """Discover a broker's topics and propose a mapping for them, as TOML for the configuration file."""
    from bridge.cli.mapping_listen import Certificates, heard
    from bridge.cli.mapping_proposal import proposal

    err = Console(stderr=True, highlight=False)
    samples = heard(url, topic_filter, seconds, topics, Certificates(ca_file, certificate_file, key_file))
    if not samples:
        raise AmorError(
            f"nothing was published on {topic_filter} within {seconds:g} s: listen longer, or to another filter"
        )
    text = proposal(url, samples)
    if out_file is None:
        print(text)
    else:
        out_file.write_text(text, encoding="utf-8")
    err.print(f"{len(samples)} topics heard; read the proposal through, then amor check and amor map")


def _place(settings: Settings, source: str | None, topic: str) -> Place:
    """The place that the configuration gives a topic. Raises AmorError."""
    tables = [t for t in settings.source if isinstance(t, MqttSettings) and source in (None, t.name)]
    if not tables:
        raise AmorError(f"there is no MQTT source {source or ''} in the configuration".replace("  ", " "))
    reasons = {}
    for table in tables:
        try:
            return Topics(table.subscribe).place(topic)
        except PayloadError as error:
            reasons[table.name] = str(error)
    raise AmorError("; ".join(f"source {name}: {reason}" for name, reason in reasons.items()))


def _bytes(payload: str, is_hex: bool) -> bytes:
    if payload == "-":
        written = sys.stdin.buffer.read()
    elif payload.startswith("@"):
        try:
            written = Path(payload[1:]).read_bytes()
        except OSError as error:
            raise AmorError(f"the payload {payload[1:]} cannot be read: {error.strerror}") from error
    else:
        written = payload.encode("utf-8", "surrogateescape")
    if not is_hex:
        return written
    try:
        return bytes.fromhex(written.decode())
    except ValueError as error:
        raise AmorError(f"the payload is not written in hexadecimal digits: {error}") from error


def _print(decoded: Decoded, place: Place, out: Console) -> None:
    out.print(f"equipment {escape(place.equipment)}")
    if decoded.readings:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for name in ("tag", "value", "unit", "source time", "quality"):
            table.add_column(name, overflow="fold")
        for reading in decoded.readings:
            value = (
                repr(reading.text)
                if reading.text is not None
                else ""
                if reading.value is None
                else f"{reading.value:.15g}"
            )
            told = f"{severity(reading.quality)} {reading.quality:#010x}"
            when = instant(reading.source_time_us).isoformat().replace("+00:00", "Z")
            table.add_row(*map(escape, (reading.tag.name, value, reading.unit, when, told)))
        out.print(table)
    if decoded.readings and not decoded.is_timed:
        out.print("the time of arrival stands in for some source times: such readings are stored at least once")
    for failure in decoded.failures:
        said = failure.payload[:200].decode("utf-8", "backslashreplace")
        out.print(f"[red]dead letter[/] {escape(failure.reason)}: {escape(said)}", soft_wrap=True)
    if not decoded.readings and not decoded.failures:
        out.print("nothing to store: the mapping passes over such messages")
