"""An MQTT broker as a source: QoS 1, a persistent session, every message acknowledged after its readings are committed.

The broker's session is the buffer of an outage. What arrives waits undecoded in the inbox, which the receive maximum bounds
(MQTT 5; with 3.1.1 the broker's own limit, and past ours the socket is not read); a message of QoS 0 that finds the inbox
full is lost, and its loss is a gap. Specification: MQTT 5.0, 4.1 (session state), 4.4 (redelivery), 4.9 (flow control).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import structlog
from paho.mqtt.client import MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from bridge.codecs import CODECS
from bridge.codecs.decoded import Decoded, Failure
from bridge.config.settings import MqttSettings
from bridge.errors import PayloadError
from bridge.model.quality import UNCERTAIN_LAST_USABLE, is_good
from bridge.model.reading import DeadLetter, Reading, TagKey, instant, microseconds
from bridge.sources.backoff import Backoff
from bridge.sources.delivery import Deliver, Delivery, Gap, Memory, SourceHealth
from bridge.sources.mqtt_session import MqttSession, SessionLost, is_refused
from bridge.sources.mqtt_topics import Topics

log = structlog.get_logger()

MESSAGES_A_DELIVERY: Final = 200
SUBSCRIBE_AGAIN_S: Final = 30.0  # a refused filter may be allowed later
_STATE: Final = "session"
_GRANTED_QOS_0: Final = 0


class _Waiting(NamedTuple):
    """A message as it came, not decoded yet."""

    generation: int
    packet_id: int
    qos: int
    topic: str
    payload: bytes
    is_repeat: bool
    is_retained: bool
    arrived_us: int


class MqttSource:
    """A source of the type `mqtt`."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._decode = CODECS["json"]
        self._topics = Topics(settings.subscribe)
        self._filters = [subscription.topic_filter for subscription in settings.subscribe]
        self._session = MqttSession(settings, self._take)
        self._inbox: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._last_us = 0
        self._topic_of: dict[str, str] = {}
        self._notices: deque[Delivery] = deque(maxlen=1000)
        self._dropped_since: datetime | None = None
        self._memory = Memory()
        self.health = SourceHealth(wanted=len(self._filters))

    def known_tags(self) -> Mapping[TagKey, str]:
        """None: tags are found on sight."""
        return {}

    def address_of(self, tag: TagKey) -> str:
        """The newest topic that spoke of the tag's equipment."""
        return self._topic_of.get(tag.equipment, tag.equipment)

    async def run(self, memory: Memory, deliver: Deliver) -> None:
        """See Source."""
        self._memory = memory
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._stay_connected())
                tasks.create_task(self._hand_over(deliver))
        finally:
            self._session.disconnect()
            self.health.is_connected = False

    # -- the connection --------------------------------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        backoff = Backoff()
        state = dict(self._memory.state.get(_STATE, {}))
        heard = self._memory.last_heard
        is_down = False
        while True:
            try:
                is_present = await self._session.connect()
                backoff.reset()
                is_down = False
                log.info("mqtt connected", source=self._settings.name, session_present=is_present)
                state = await self._begin(is_present, state, heard)
                why = await self._stay()
                heard = datetime.now(UTC)
                log.warning("mqtt connection lost", source=self._settings.name, reason=why)
            except SessionLost as lost:
                if not is_down:
                    log.warning(
                        "mqtt broker away", source=self._settings.name, url=_bare(self._settings.url), reason=str(lost)
                    )
                is_down = True
            self.health.is_connected = False
            self.health.live = 0
            await backoff.wait()

    async def _begin(self, is_present: bool, state: dict[str, Any], heard: datetime | None) -> dict[str, Any]:
        """After CONNACK: what was missed, and the subscriptions."""
        now = datetime.now(UTC)
        same = state.get("client_id") == self._settings.session
        if is_present:
            # The broker sends again what was not acknowledged: what waits undecoded of the old connection would come twice.
            kept = [w for w in self._inbox if w.generation == self._session.generation or w.qos == 0]
            self._inbox = deque(kept)
        if heard is not None and same:
            cause = "connection lost" if is_present else "the broker lost the session and what it had queued"
            self._notice(Delivery((), now, gaps=[Gap(None, min(heard, now), now, cause, is_present)]))
        await self._subscribe(is_present, state.get("filters", []) if same else [])
        self.health.is_connected = True
        state = {"client_id": self._settings.session, "filters": self._filters}
        self._notice(Delivery((), now, state={_STATE: state}))
        return state

    async def _subscribe(self, is_present: bool, earlier: list[str]) -> None:
        """Subscribe again, always: the configuration may have changed, and so may the broker's rights."""
        if is_present and (stale := sorted(set(earlier) - set(self._filters))):
            await self._session.unsubscribe(stale)
            log.info("mqtt unsubscribed", source=self._settings.name, filters=stale)
        codes = await self._session.subscribe(self._filters)
        refused = [f for f, code in zip(self._filters, codes, strict=True) if self._is_refused(f, code)]
        self.health.live = len(self._filters) - len(refused)

    def _is_refused(self, name: str, code: ReasonCode) -> bool:
        if is_refused(code):
            log.error("mqtt subscription refused", source=self._settings.name, filter=name, code=str(code))
            return True
        if code.value == _GRANTED_QOS_0:
            log.error(
                "mqtt subscription granted at QoS 0 only: messages can be lost", source=self._settings.name, filter=name
            )
        return False

    async def _stay(self) -> str:
        """Until the connection is lost; refused filters are tried again. Returns why."""
        async with asyncio.TaskGroup() as tasks:
            again = tasks.create_task(self._subscribe_again())
            why = await self._session.wait_until_lost()
            again.cancel()
        return why

    async def _subscribe_again(self) -> None:
        while self.health.live < self.health.wanted:
            await asyncio.sleep(SUBSCRIBE_AGAIN_S)
            try:
                await self._subscribe(is_present=False, earlier=[])
            except SessionLost:
                return

    # -- messages --------------------------------------------------------------------------------------------------------

    def _take(self, message: MQTTMessage) -> None:
        """Put a message into the inbox; called by the session for each one."""
        if len(self._inbox) >= 2 * self._settings.receive_maximum:
            if message.qos == 0:
                self.health.dropped += 1
                self._dropped_since = self._dropped_since or datetime.now(UTC)
                return
            self._session.pause()
        # No two messages arrive in one microsecond: one without a source time is known by its arrival.
        self._last_us = max(microseconds(datetime.now(UTC)), self._last_us + 1)
        self._inbox.append(
            _Waiting(
                self._session.generation,
                message.mid,
                message.qos,
                message.topic,
                bytes(message.payload),
                bool(message.dup),
                bool(message.retain),
                self._last_us,
            )
        )
        self._arrived.set()

    def _notice(self, delivery: Delivery) -> None:
        self._notices.append(delivery)
        self._arrived.set()

    async def _hand_over(self, deliver: Deliver) -> None:
        while True:
            await self._arrived.wait()
            if self._notices:
                await deliver(self._notices.popleft())
            elif self._inbox:
                await deliver(self._decode_some())
                if len(self._inbox) < self._settings.receive_maximum:
                    self._session.resume()
                    self._tell_dropped()
            else:
                self._arrived.clear()

    def _tell_dropped(self) -> None:
        if self._dropped_since is not None:
            gap = Gap(
                None,
                self._dropped_since,
                datetime.now(UTC),
                "messages of QoS 0 while the inbox was full",
                recovered=False,
            )
            self._dropped_since = None
            self._notice(Delivery((), datetime.now(UTC), gaps=[gap]))

    def _decode_some(self) -> Delivery:
        """Decode what waits, of one connection, up to a limit."""
        first = self._inbox[0]
        readings: list[Reading] = []
        dead: list[DeadLetter] = []
        repeated: list[DeadLetter] = []
        packet_ids: list[int] = []
        count = 0
        while self._inbox and count < MESSAGES_A_DELIVERY and self._inbox[0].generation == first.generation:
            waiting = self._inbox.popleft()
            count += 1
            decoded = self._decode_one(waiting)
            readings += decoded.readings
            if decoded.failures:
                received_at = instant(waiting.arrived_us)
                (repeated if waiting.is_repeat else dead).extend(
                    DeadLetter(self._settings.name, waiting.topic, failure.payload, failure.reason, received_at)
                    for failure in decoded.failures
                )
            if waiting.qos:
                packet_ids.append(waiting.packet_id)
        self.health.unacknowledged += len(packet_ids)
        return Delivery(
            readings,
            instant(first.arrived_us),
            lambda: self._acknowledge(first.generation, packet_ids),
            dead,
            repeated,
            messages=count,
        )

    def _decode_one(self, waiting: _Waiting) -> Decoded:
        try:
            place = self._topics.place(waiting.topic)
        except PayloadError as error:
            return Decoded([], [Failure(waiting.payload, str(error))], is_timed=True)
        if place.equipment not in self._topic_of and len(self._topic_of) < 20_000:
            self._topic_of[place.equipment] = waiting.topic
        decoded = self._decode(waiting.payload, place, waiting.arrived_us)
        if waiting.is_retained and not decoded.is_timed:
            # A retained message is a snapshot of an unknown time, not something that happened now.
            uncertain = [
                r._replace(quality=UNCERTAIN_LAST_USABLE) if is_good(r.quality) else r for r in decoded.readings
            ]
            return decoded._replace(readings=uncertain)
        return decoded

    def _acknowledge(self, generation: int, packet_ids: list[int]) -> None:
        self.health.unacknowledged -= len(packet_ids)
        self._session.acknowledge(generation, packet_ids)


def _bare(url: str) -> str:
    """The URL without user and password."""
    return url.rpartition("@")[2]
