"""When people are left alone: quiet hours in the target's own zone, and its rate. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bridge.config.settings import AppriseSettings
from bridge.model.alarm import Severity
from bridge.model.calendar import expand

QUIET: Final = "quiet hours"
RATE: Final = "rate"
_DAYS_AROUND: Final = 4  # a quiet time may begin a day before its end


@dataclass(frozen=True, slots=True)
class Hold:
    """Why something is not told now, and until when."""

    why: str
    until: datetime


def decide(target: AppriseSettings, severity: Severity, now: datetime, queued: Sequence[datetime]) -> Hold | None:
    """Whether a message is held back; `queued` is when others went out to this target, oldest first, this one not among them.

    What is severe enough passes quiet hours. Nothing passes the rate: what is held back comes as one digest.
    """
    if severity.rank < target.passes.rank and (until := quiet_until(target, now)):
        return Hold(QUIET, until)
    counted = [at for at in queued if at > now - target.per]
    if len(counted) >= target.rate:
        return Hold(RATE, counted[-target.rate] + target.per)
    return None


def quiet_until(target: AppriseSettings, now: datetime) -> datetime | None:
    """The end of the quiet time that `now` is in, together with those that follow it without a gap; None where it is not quiet."""
    first = now.astimezone(target.zone).date() - timedelta(days=1)
    spans = sorted(
        span
        for quiet in target.quiet
        for span in expand(quiet.start, quiet.end, quiet.days, target.zone, first, _DAYS_AROUND)
    )
    until = now
    for start, end in spans:
        if start <= until < end:
            until = end
    return until if until > now else None
