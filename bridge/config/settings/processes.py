"""The processes: database, ingest, rules and production, dashboard."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, NonNegativeInt, SecretStr, field_validator

from bridge.config.settings.table import Table
from bridge.model.production import MachineState


class DatabaseSettings(Table):
    """PostgreSQL 16 to 18 with TimescaleDB."""

    dsn: SecretStr = Field(
        description="postgresql://user:password@host/database; `amor servers` runs a database to try with."
    )


class IngestSettings(Table):
    """The buffer between a source and the database."""

    max_rows: int = Field(20_000, ge=1, description="A batch closes at this many readings. Default 20 000.")
    max_age_ms: int = Field(
        20, ge=1, description="... or when its first reading is this old, milliseconds. Default 20."
    )
    max_pending_rows: int = Field(50_000, ge=1, description="Readings held at most; then sources wait. Default 50 000.")
    max_new_tags: int = Field(10_000, ge=0, description="Tags registered on sight at most, in all. Default 10 000.")
    metrics_port: int = Field(
        0, ge=0, le=65535, description="Serve metrics for Prometheus at this port. 0: not at all. Default 0."
    )
    metrics_host: str = Field("127.0.0.1", description="... on this address. Default: this machine only.")
    replay_lane: int = Field(
        32767, ge=0, le=32767, description="The lane that `amor replay` writes; no source's. Default 32767."
    )


class RulesSettings(Table):
    """The rule engine."""

    files: list[str] = Field(default_factory=list, description="Rule files, relative to this file.")
    lateness_ms: int = Field(
        2000, ge=0, description="How late a reading may be before timers fire without it. Default 2000 ms."
    )
    lateness_ms_of: dict[str, NonNegativeInt] = Field(
        default_factory=dict, description="The same for single sources, by their name, e.g. {gateway = 60000}."
    )
    correct_within_h: float = Field(
        24.0,
        ge=0,
        le=24 * 31,
        description="Readings that come later still correct alarms of this many hours. Default 24; 0: none.",
    )


class ProductionSettings(Table):
    """Which tags tell of states, pieces and orders. The same names on every work unit."""

    state: str = Field("state", description="Tag with the machine's state, text.")
    reason: str = Field("state.reason", description="Tag with the reason of the state, text.")
    order: str = Field("order.number", description="Tag with the number of the order in hand, text.")
    lot: str = Field("parts.lot", description="Tag with the lot of the pieces in hand, text.")
    serial: str = Field("parts.serial", description="Tag with the serial number of the piece, text.")
    serial_told: Literal["before", "after"] = Field(
        "before",
        description="Whether machines tell it before they count the piece (a scanner) or after (a marker); at the same "
        "instant it is the piece's either way. Default before.",
    )
    serial_told_of: dict[str, Literal["before", "after"]] = Field(
        default_factory=dict,
        description="The same for single machines, by their path, e.g. {'acme/line1/laser1' = 'after'}.",
    )
    serial_within_s: float = Field(
        60,
        ge=0,
        le=86_400,
        description="... at most so long, seconds; 0: at the same instant only. Default 60.",
    )
    serial_pattern: str = Field(
        "", description="Regular expression that a whole serial number matches, e.g. 'SN[0-9]{8}'. Default: any text."
    )
    good: str = Field("parts.good", description="Counter of good pieces.")
    scrap: str = Field("parts.scrap", description="Counter of scrap.")
    scrap_reason: str = Field("scrap.reason", description="Tag with the reason of the newest scrap, text.")
    modulus: int | None = Field(
        None, ge=2, description="The counters begin again at 0 after modulus - 1. Default: never."
    )
    max_delta: int = Field(
        1000, ge=1, description="A step that is larger is not believed and counts as a reset. Default 1000 pieces."
    )
    states: dict[str, MachineState] = Field(default_factory=dict, description="What machines say -> canonical state.")

    def is_serial_told_after(self, path: str) -> bool:
        """Whether a machine tells the serial number of a piece when it has counted it."""
        return self.serial_told_of.get(path, self.serial_told) == "after"

    @field_validator("serial_pattern")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return value


class DashboardSettings(Table):
    """The control tower's web server."""

    host: str = Field("127.0.0.1", description="Address to listen on. Default: this machine only.")
    port: int = Field(8050, ge=0, le=65535)
    session_h: float = Field(12, gt=0, description="A login lasts this many hours. Default 12.")
    secure_cookie: bool = Field(False, description="Send the cookie over HTTPS only; set it behind TLS. Default false.")
    allowed_origins: list[str] = Field(
        default_factory=list, description="Origins besides its own that may open the feed."
    )
