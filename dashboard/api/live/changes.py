"""What has changed since somebody last looked: heard as `noun:id`, taken in one go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

_MOST: Final = 500
# Looks without a NOTIFY that pass before lists are read again: what was missed shows after that many polls.
_POLLS_A_FULL_LOOK: Final = 5
_FIGURES: Final = frozenset({"count", "state", "order", "shipment", "outbox", "connector"})


@dataclass(slots=True)
class Due:
    """What is to be read again. `everything`: the lists of alarms and tickets, too."""

    alarms: dict[int, None] = field(default_factory=dict)  # in the order in which they were heard
    tickets: dict[int, None] = field(default_factory=dict)
    questions: dict[int, None] = field(default_factory=dict)  # that a relay has answered
    machines: bool = False
    everything: bool = False

    @property
    def too_many(self) -> bool:
        """Whether the whole state is less to send than the changes."""
        return len(self.alarms) + len(self.tickets) + len(self.questions) > _MOST


class Changes:
    """Collects what was heard. `figures` is set where KPIs may have moved."""

    def __init__(self) -> None:
        self.figures = asyncio.Event()
        self._due = Due()
        self._something = asyncio.Event()
        self._polls = 0

    def heard(self, noun: str, number: int | None) -> None:
        """Note a change of something; nouns that nobody shows are nothing."""
        ids = {"alarm": self._due.alarms, "ticket": self._due.tickets, "question": self._due.questions}.get(noun)
        if ids is not None and number is not None and not self._due.too_many:
            ids[number] = None
        self._due.machines |= noun in ("state", "count")
        if noun in _FIGURES:
            self.figures.set()
        self._something.set()

    def heard_nothing(self) -> None:
        """Look all the same now and then: a NOTIFY is a hint, not a promise."""
        self._polls += 1
        if self._polls % _POLLS_A_FULL_LOOK == 0:
            self._due.machines = self._due.everything = True
            self.figures.set()
            self._something.set()

    async def wait(self) -> None:
        """Until there is something to take."""
        await self._something.wait()

    def take(self) -> Due:
        """All that is due, which is then done with."""
        self._something.clear()
        due, self._due = self._due, Due()
        return due
