"""The relay, and what each of its connectors can be told."""

from __future__ import annotations

from datetime import time, timedelta

from pydantic import Field

from bridge.config.settings.table import Duration, Table
from bridge.model.alarm import Severity


class RelaySettings(Table):
    """The carrier of the outbox."""

    reconcile: bool = Field(True, description="Compare what was made, posted and booked once a day. Default true.")
    reconcile_at: time = Field(time(2, 30), description="... at this time of the plant's clock. Default 02:30.")
    keep_attempts_days: int = Field(
        90,
        ge=0,
        le=36500,
        description="Requests and answers of an event are kept so many days after it is done. Default 90; 0: for ever.",
    )
    keep_messages_days: int = Field(
        365,
        ge=0,
        le=36500,
        description="Messages to people, levels of stock and writes to tags are kept so many days after they were carried. Default 365; "
        "0: for ever. Events with documents behind them are always kept.",
    )
    forget_at: time = Field(
        time(3, 30), description="What is not kept is deleted at this time of the plant's clock. Default 03:30."
    )
    notify: list[str] = Field(
        default_factory=list,
        description="Roles that are told of events that wait for a person and of connectors in trouble; connectors of type apprise say "
        "which they serve. Default none: the page and the log tell.",
    )
    notify_severity: Severity = Field(Severity.HIGH, description="... with this severity. Default high.")
    notify_after: Duration = Field(
        timedelta(minutes=10),
        ge=timedelta(0),
        description='A system that fails is told of when it has failed for so long. A refused key is told of at once. Default "10 min".',
    )


class StockLevel(Table):
    """A level of stock that warehouses or shops are told: how much of an item may be promised, at one location or in all."""

    item: str = Field(min_length=1, description="Our code of the item; `items` of each connector has theirs.")
    location: str = Field(
        "", description="Our location; `locations` of each connector has theirs. Default: all that is stock."
    )
    uom: str = Field("1", min_length=1, description='Our unit of the item, UCUM. Default "1": pieces.')
    to: list[str] = Field(min_length=1, description="Names of the connectors that are told.")


class RateTable(Table):
    """What may be asked of a business system, and how fast."""

    rate_per_s: float = Field(0, ge=0, le=10_000, description="Requests a second at most. Default 0: no limit.")
    burst: int = Field(1, ge=1, le=10_000, description="... of which so many may come at once. Default 1.")
    availability: list[StockLevel] = Field(
        default_factory=list,
        max_length=10_000,
        description="Levels of its stock that other connectors are told, in tables [[connector.availability]]. Default none.",
    )
