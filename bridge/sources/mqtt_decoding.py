"""Messages as they came -> readings and dead letters: topic -> place, payload -> codec. The hot path of a source.

    runs of plain messages, together (`json_run`) -> one by one, quickly (`quick_json`) -> one by one, carefully (`CODECS`)

Each way leaves what it does not know to the next; all read the same readings from a message. The topic of a message that was left
is read one by one for a while, so that one odd message in a run does not cost its neighbours their speed again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import structlog

from bridge.codecs import CODECS
from bridge.codecs.decoded import Decoded, Failure, Place
from bridge.codecs.json_run import JsonRun, is_plain_run
from bridge.codecs.quick_json import QuickJson, is_tag_name
from bridge.config.settings import MqttFields, MqttSettings
from bridge.errors import PayloadError
from bridge.model.numbers import Numbers, NumbersInHand, TagNumbers
from bridge.model.quality import UNCERTAIN_LAST_USABLE, is_good
from bridge.model.reading import DeadLetter, Reading, TagKey, instant
from bridge.sources.mqtt_frames import DUP, RETAIN, Publish
from bridge.sources.mqtt_inbox import Arrived
from bridge.sources.mqtt_topics import Topics

log = structlog.get_logger()

_KEPT: Final = 20_000  # topics remembered
_TAGS: Final = 200_000  # tags numbered
_SHORTEST_RUN: Final = 8  # messages; below it reading them together costs more
_ONE_BY_ONE: Final = 500  # messages of a topic that had an odd one


@dataclass(slots=True)
class Taken:
    """What messages gave; `repeated` are the dead letters of those that may have been here before."""

    readings: list[Reading] = field(default_factory=list)
    numbers: Numbers | None = None
    dead: list[DeadLetter] = field(default_factory=list)
    repeated: list[DeadLetter] = field(default_factory=list)
    packet_ids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Known:
    """A topic that was seen before: as text, its place, the quick way of its payloads, and where runs of it are read."""

    topic: str
    place: Place
    quick: QuickJson | None
    runs: _Runs | None
    wait: int = 0  # messages until it is read in runs again


@dataclass(slots=True)
class _Runs:
    """The topics whose messages are read together: the numbers of their tags."""

    json: JsonRun
    topics: dict[bytes, int] = field(default_factory=dict)


class Decoding:
    """Decodes the messages of one source."""

    def __init__(self, settings: MqttSettings) -> None:
        self._source_name = settings.name
        self._decode = CODECS["json"]
        self._topics = Topics(settings.subscribe)
        self._known: dict[bytes, _Known] = {}
        self._runs: dict[MqttFields, _Runs] = {}
        self._tags = TagNumbers()
        self._topic_of: dict[str, str] = {}
        self._told: set[str] = set()

    def address_of(self, tag: TagKey) -> str:
        """A topic that spoke of the tag's equipment."""
        return self._topic_of.get(tag.equipment, tag.equipment)

    def decode(self, arrived: Arrived) -> Taken:
        """Decode messages. What cannot be read is a dead letter and costs no neighbour."""
        if len(self._known) >= _KEPT or len(self._tags) >= _TAGS:
            self._forget()
        taken, numbers = Taken(), NumbersInHand(self._tags)
        publishes, first_us = arrived.publishes, arrived.first_us
        taken.packet_ids = [publish[1] for publish in publishes if publish[1]]
        rest: Sequence[int] = range(len(publishes))
        if len(publishes) >= _SHORTEST_RUN:
            for runs in self._runs.values():
                rest = self._together(runs, publishes, rest, first_us, numbers)
        for place in rest:
            self._one(publishes[place], first_us + place, taken, numbers)
        taken.numbers = numbers.done()
        return taken

    def _together(
        self, runs: _Runs, publishes: list[Publish], places: Sequence[int], arrived_us: int, numbers: NumbersInHand
    ) -> Sequence[int]:
        """Read the plain messages of some topics; returns the places of those that are left."""
        number_of = runs.topics.get
        which = [number_of(publishes[place][2], -1) for place in places]
        payloads = [publishes[place][3] for place in places]
        left: Sequence[int] = ()
        if -1 in which:
            left = [place for place, number in zip(places, which, strict=True) if number < 0]
            payloads = [payload for payload, number in zip(payloads, which, strict=True) if number >= 0]
            which = [number for number in which if number >= 0]
        if len(which) < _SHORTEST_RUN:
            return places
        if (run := runs.json.read(payloads, arrived_us)) is None:
            self._look_for_odd(runs, publishes, arrived_us)
            return places
        numbers.add(np.array(which), run.times_us, run.values, run.units)
        return left

    def _look_for_odd(self, runs: _Runs, publishes: list[Publish], arrived_us: int) -> None:
        """Have the topics of messages that are not plain read one by one for a while."""
        for _, _, topic, payload in publishes:
            if topic in runs.topics and runs.json.read([payload], arrived_us) is None:
                del runs.topics[topic]
                self._known[topic].wait = _ONE_BY_ONE

    def _one(self, publish: Publish, arrived_us: int, taken: Taken, numbers: NumbersInHand) -> None:
        first, _, topic, payload = publish
        known = self._known.get(topic)
        quick = None if known is None or first & RETAIN else known.quick
        try:
            if quick is None or not quick.read(payload, arrived_us, taken.readings, numbers):
                self._carefully(first, topic, payload, arrived_us, taken)
        except Exception as error:  # noqa: BLE001  # a codec's own fault must not cost the neighbours
            self._keep(first, topic, payload, arrived_us, taken, error)
        if known is not None and known.wait:
            known.wait -= 1
            if not known.wait:
                self._read_in_runs(topic, known)

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
        known = _Known(address, place, None if place.codec else QuickJson(place), self._runs_of(place))
        self._known[topic] = known
        self._read_in_runs(topic, known)
        if place.equipment not in self._topic_of and len(self._topic_of) < _KEPT:
            self._topic_of[place.equipment] = address
        return place

    def _runs_of(self, place: Place) -> _Runs | None:
        """Where the messages of a place are read together: where the topic names the tag and the fields are plain names."""
        if place.codec is not None or place.tag is None or not is_tag_name(place.tag):
            return None
        if not is_plain_run(place.fields):
            return None
        if (runs := self._runs.get(place.fields)) is None:
            runs = self._runs[place.fields] = _Runs(JsonRun(place.fields))
        return runs

    def _read_in_runs(self, topic: bytes, known: _Known) -> None:
        if known.runs is not None and known.place.tag is not None:
            known.runs.topics[topic] = self._tags.number_of(TagKey(known.place.equipment, known.place.tag))

    def _forget(self) -> None:
        """Begin anew with what is remembered: more only cost time."""
        self._known.clear()
        self._runs.clear()
        self._tags = TagNumbers()
