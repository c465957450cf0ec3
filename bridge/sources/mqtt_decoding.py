"""Messages as they came -> readings and dead letters: topic -> place, payload -> codec. The hot path of a source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import structlog

from bridge.codecs import CODECS
from bridge.codecs.decoded import Decoded, Failure, Place
from bridge.codecs.quick_json import QuickJson
from bridge.config.settings import MqttSettings
from bridge.errors import PayloadError
from bridge.model.quality import UNCERTAIN_LAST_USABLE, is_good
from bridge.model.reading import DeadLetter, Reading, TagKey, instant
from bridge.sources.mqtt_frames import DUP, RETAIN
from bridge.sources.mqtt_inbox import Arrived
from bridge.sources.mqtt_topics import Topics

log = structlog.get_logger()

_KEPT: Final = 20_000  # topics remembered; more only cost time


@dataclass(slots=True)
class Taken:
    """What messages gave; `repeated` are the dead letters of those that may have been here before."""

    readings: list[Reading] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    repeated: list[DeadLetter] = field(default_factory=list)
    packet_ids: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Known:
    """A topic that was seen before: as text, its place, and the quick way of its payloads."""

    topic: str
    place: Place
    quick: QuickJson | None


class Decoding:
    """Decodes the messages of one source."""

    def __init__(self, settings: MqttSettings) -> None:
        self._source_name = settings.name
        self._decode = CODECS["json"]
        self._topics = Topics(settings.subscribe)
        self._known: dict[bytes, _Known] = {}
        self._topic_of: dict[str, str] = {}
        self._told: set[str] = set()

    def address_of(self, tag: TagKey) -> str:
        """A topic that spoke of the tag's equipment."""
        return self._topic_of.get(tag.equipment, tag.equipment)

    def decode(self, arrived: Arrived) -> Taken:
        """Decode messages in their order. What cannot be read is a dead letter and costs no neighbour."""
        taken = Taken()
        known = self._known
        readings, packet_ids, arrived_us = taken.readings, taken.packet_ids, arrived.first_us
        for first, packet_id, topic, payload in arrived.publishes:
            if packet_id:
                packet_ids.append(packet_id)
            route = known.get(topic)
            quick = None if route is None or first & RETAIN else route.quick
            try:
                if quick is None or not quick.read(payload, arrived_us, readings):
                    self._carefully(first, topic, payload, arrived_us, taken)
            except Exception as error:  # noqa: BLE001  # a codec's own fault must not cost the neighbours
                self._keep(first, topic, payload, arrived_us, taken, error)
            arrived_us += 1
        return taken

    def _carefully(self, first: int, topic: bytes, payload: bytes, arrived_us: int, taken: Taken) -> None:
        # A topic that is no UTF-8 is kept readable: it is a dead letter, or the name of a tag.
        address = topic.decode("utf-8", "backslashreplace")
        decoded = self._decoded(first, topic, address, payload, arrived_us)
        taken.readings += decoded.readings
        if decoded.failures:
            (taken.repeated if first & DUP else taken.dead).extend(
                DeadLetter(self._source_name, address, failure.payload, failure.reason, instant(arrived_us))
                for failure in decoded.failures
            )

    def _keep(self, first: int, topic: bytes, payload: bytes, arrived_us: int, taken: Taken, error: Exception) -> None:
        """Keep a message on which the decoding itself failed; each kind of error is logged once."""
        address, kind = topic.decode("utf-8", "backslashreplace"), type(error).__name__
        reason = f"the decoding failed: {kind}: {error}"[:1000]
        if kind not in self._told:
            self._told.add(kind)
            log.error(
                "message not decoded; kept as a dead letter",
                source=self._source_name,
                topic=address[:200],
                error=reason,
            )
        letter = DeadLetter(self._source_name, address, payload, reason, instant(arrived_us))
        (taken.repeated if first & DUP else taken.dead).append(letter)

    def _decoded(self, first: int, topic: bytes, address: str, payload: bytes, arrived_us: int) -> Decoded:
        try:
            place = self._place(topic, address)
        except PayloadError as error:
            return Decoded([], [Failure(payload, str(error))], is_timed=True)
        decoded = (place.codec or self._decode)(payload, place, arrived_us)
        if first & RETAIN and not decoded.is_timed:
            # A retained message is a snapshot of an unknown time, not something that happened now.
            uncertain = [
                r._replace(quality=UNCERTAIN_LAST_USABLE) if is_good(r.quality) else r for r in decoded.readings
            ]
            return decoded._replace(readings=uncertain)
        return decoded

    def _place(self, topic: bytes, address: str) -> Place:
        if (known := self._known.get(topic)) is not None:
            return known.place
        place = self._topics.place(address)
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[topic] = _Known(address, place, None if place.codec else QuickJson(place))
        if place.equipment not in self._topic_of and len(self._topic_of) < _KEPT:
            self._topic_of[place.equipment] = address
        return place
