"""What a codec is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from bridge.config.settings import MqttFields
from bridge.model.reading import Reading


@dataclass(frozen=True, slots=True)
class Place:
    """What a message's address says of it: the equipment, and the tag where the address names one.

    `codec` reads the messages of a subscription that has a mapping; None: the plain JSON forms.
    """

    equipment: str
    tag: str | None
    fields: MqttFields
    topic: str = ""
    codec: Codec | None = None


class Failure(NamedTuple):
    """One element of a message that could not become a reading: its bytes (or all of the message's) and the reason."""

    payload: bytes
    reason: str


class Decoded(NamedTuple):
    """The readings of one message, in its order, and what could not be read. A failure never costs its neighbours."""

    readings: list[Reading]
    failures: list[Failure]
    is_timed: bool  # every reading carried its own source time; false: the time of arrival was taken for some


class Codec(Protocol):
    """Decode one message. Never raises: what cannot be read is a failure."""

    def __call__(self, payload: bytes, place: Place, arrived_us: int) -> Decoded:
        """`arrived_us` is the time of arrival, microseconds since the epoch: for readings that carry no time."""
        ...
