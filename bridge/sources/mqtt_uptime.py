"""Whether the broker is the one that it was: MQTT does not say that it restarted, only that it still has the session.

A broker that was killed comes back with what it had written to disk, and what it had acknowledged since is lost, unseen. Two things
tell of it: that it refused connections meanwhile, and the uptime that mosquitto and its kin publish. Neither says what was lost.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bridge.sources.mqtt_frames import Publish

UPTIME: Final = "$SYS/broker/uptime"  # "4711 seconds", retained, renewed each sys_interval
WAIT_S: Final = 1.0
_STALE_S: Final = 61.0  # an uptime may be as old as the longest usual interval

CONNECTION_LOST: Final = "connection lost"
SESSION_LOST: Final = "the broker lost the session and what it had queued"
RESTARTED: Final = "the broker restarted: what it had taken and not yet written to disk is lost"
AWAY: Final = "the broker was away: if it did not end in order, what it had taken and not yet written to disk is lost"


def cause_of(
    *, is_present: bool, was_refused: bool, since: float | None, earlier_since: float | None
) -> tuple[str, bool]:
    """Why a source was not heard, and whether what was missed is known to come later.

    `since` is when the broker was started (seconds since 1970) as it says now, `earlier_since` as it said the last time.
    """
    if not is_present:
        return SESSION_LOST, False
    if since is not None and earlier_since is not None and since > earlier_since + _STALE_S:
        return RESTARTED, False
    return (AWAY, False) if was_refused else (CONNECTION_LOST, True)


class UptimeAnswer:
    """The broker's answer, picked from what it sends."""

    def __init__(self) -> None:
        self._seconds: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()

    def pick(self, publishes: list[Publish]) -> list[Publish]:
        """Take the answer out of messages; returns the others."""
        others = [publish for publish in publishes if publish[2] != UPTIME.encode()]
        if len(others) < len(publishes) and not self._seconds.done():
            payload = next(publish[3] for publish in publishes if publish[2] == UPTIME.encode())
            self._seconds.set_result(_seconds(payload))
        return others

    async def seconds(self) -> float | None:
        """How long the broker is up; None where it does not say so in time."""
        try:
            async with asyncio.timeout(WAIT_S):
                return await self._seconds
        except TimeoutError:
            return None


def _seconds(payload: bytes) -> float | None:
    try:
        return float(payload.split()[0])
    except (ValueError, IndexError):
        return None
