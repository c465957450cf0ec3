"""The relay, and what each of its connectors can be told."""

from __future__ import annotations

from datetime import time

from pydantic import Field

from bridge.config.settings.table import Table


class RelaySettings(Table):
    """The carrier of the outbox."""

    reconcile: bool = Field(True, description="Compare what was made, posted and booked once a day. Default true.")
    reconcile_at: time = Field(time(2, 30), description="... at this time of the plant's clock. Default 02:30.")


class RateTable(Table):
    """How fast a business system may be asked."""

    rate_per_s: float = Field(0, ge=0, le=10_000, description="Requests a second at most. Default 0: no limit.")
    burst: int = Field(1, ge=1, le=10_000, description="... of which so many may come at once. Default 1.")
