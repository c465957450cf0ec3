"""An MQTT broker as a source: QoS 1, a persistent session, every message acknowledged after its readings are committed.

    session (lists of messages) -> inbox -> decoding -> one delivery of many messages, one acknowledgement

The broker's session is the buffer of an outage. What arrives waits undecoded in the inbox; where it is full, the socket is not
read, and the broker sends no more than the receive maximum (MQTT 5; with 3.1.1 its own limit). A message of QoS 0 that finds the
inbox full is lost, and its loss is a gap. Specification: MQTT 5.0, 4.1 (session state), 4.4 (redelivery), 4.9 (flow control).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from paho.mqtt.reasoncodes import ReasonCode

from bridge.config.settings import MqttSettings
from bridge.model.reading import TagKey, instant, microseconds
from bridge.sources.backoff import Backoff
from bridge.sources.delivery import Deliver, Delivery, Gap, Memory, SourceHealth
from bridge.sources.mqtt_decoding import Decoding
from bridge.sources.mqtt_frames import Publish
from bridge.sources.mqtt_inbox import Inbox
from bridge.sources.mqtt_session import MqttSession, SessionLost, is_refused
from bridge.sources.mqtt_uptime import cause_of

log = structlog.get_logger()

INBOX: Final = 20_000  # messages that wait undecoded; then the socket is not read
BYTES_A_DELIVERY: Final = 64 * 1024  # some thousand readings, or
MESSAGES_A_DELIVERY: Final = 2000  # so many: then the socket and the database have their turn
SUBSCRIBE_AGAIN_S: Final = 30.0  # a refused filter may be allowed later
_MANY: Final = 8  # messages in one read: more are on their way,
REST_S: Final = (
    0.002  # and are read together after this time, which costs the broker and us far less than a few at a time
)
_STATE: Final = "session"
_GRANTED_QOS_0: Final = 0


class MqttSource:
    """A source of the type `mqtt`."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._filters = settings.filters
        self._session = MqttSession(settings, self._take)
        self._inbox = Inbox(min(2 * settings.receive_maximum, INBOX))
        self._decoding = Decoding(settings)
        self._arrived = asyncio.Event()
        self._begun = asyncio.Event()  # clear while it is not known yet what a new connection brings again
        self._was_refused = False
        self._asks_uptime = True
        self._notices: deque[Delivery] = deque(maxlen=1000)
        self._dropped_since: datetime | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._memory = Memory()
        self.health = SourceHealth(wanted=len(self._filters))

    def known_tags(self) -> Mapping[TagKey, str]:
        """None: tags are found on sight."""
        return {}

    def address_of(self, tag: TagKey) -> str:
        """A topic that spoke of the tag's equipment."""
        return self._decoding.address_of(tag)

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
        is_down = self._was_refused = False
        while True:
            self._begun.clear()
            try:
                is_present = await self._session.connect()
                log.info("mqtt connected", source=self._settings.name, session_present=is_present)
                state = await self._begin(is_present, state, heard)
                backoff.reset()
                is_down = self._was_refused = False
                self._begun.set()
                why = await self._stay()
                heard = datetime.now(UTC)
                log.warning("mqtt connection lost", source=self._settings.name, reason=why)
            except SessionLost as lost:
                self._was_refused |= isinstance(lost.__cause__, ConnectionRefusedError)
                if not is_down:
                    log.warning(
                        "mqtt broker away", source=self._settings.name, url=_bare(self._settings.url), reason=str(lost)
                    )
                is_down = True
            self._begun.set()
            self.health.is_connected = False
            self.health.live = 0
            await backoff.wait()

    async def _begin(self, is_present: bool, state: dict[str, Any], heard: datetime | None) -> dict[str, Any]:
        """After CONNACK: the subscriptions, and what was missed. Nothing is handed over before the gap is."""
        now = datetime.now(UTC)
        same = state.get("client_id") == self._settings.session
        await self._subscribe(is_present, state.get("filters", []) if same else [])
        since = await self._broker_since()
        self._inbox.forget_repeated()
        if heard is not None and same:
            cause, recovered = cause_of(
                is_present=is_present,
                was_refused=self._was_refused,
                since=since,
                earlier_since=state.get("broker_since"),
            )
            self._notice(Delivery((), now, gaps=[Gap(None, min(heard, now), now, cause, recovered)]))
        self.health.is_connected = True
        state = {
            "client_id": self._settings.session,
            "filters": self._filters,
            "broker_since": since or state.get("broker_since"),
        }
        self._notice(Delivery((), now, state={_STATE: state}))
        return state

    async def _broker_since(self) -> int | None:
        """When the broker was started, seconds since 1970, where it says so. A broker that did not bear the question is asked once."""
        if not self._asks_uptime:
            return None
        self._asks_uptime = False
        uptime_s = await self._session.uptime_s()
        self._asks_uptime = True
        return None if uptime_s is None else round(time.time() - uptime_s)

    async def _subscribe(self, is_present: bool, earlier: list[str]) -> None:
        """Subscribe again, always: the configuration may have changed, and so may the broker's rights."""
        codes = await self._session.subscribe(self._filters)
        refused = [f for f, code in zip(self._filters, codes, strict=True) if self._is_refused(f, code)]
        self.health.live = len(self._filters) - len(refused)
        if is_present and (stale := sorted(set(earlier) - set(self._filters))):
            # Last: what comes between the two matches both and is known by its key; the other way round it would be lost.
            await self._session.unsubscribe(stale)
            log.info("mqtt unsubscribed", source=self._settings.name, filters=stale)

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
            if not self._inbox.has_room:
                continue  # the answer would wait unread
            try:
                await self._subscribe(is_present=False, earlier=[])
            except SessionLost:
                return

    # -- messages --------------------------------------------------------------------------------------------------------

    def _take(self, publishes: list[Publish]) -> None:
        """Put messages into the inbox; called by the session with those of one read."""
        now = datetime.now(UTC)
        if dropped := self._inbox.put(self._session.generation, publishes, microseconds(now)):
            self.health.dropped += dropped
            self._dropped_since = self._dropped_since or now
        # Until the subscriptions are answered everything is read: the answer comes after what the broker sends again.
        if self._inbox.is_full and self._begun.is_set():
            self._session.pause()
        elif len(publishes) >= _MANY and self._rest is None:
            self._session.pause()
            self._rest = asyncio.get_running_loop().call_later(REST_S, self._rested)
        self._arrived.set()

    def _rested(self) -> None:
        self._rest = None
        self._read_on()

    def _read_on(self) -> None:
        if self._rest is None and (self._inbox.has_room or not self._begun.is_set()):
            self._session.resume()
            self._tell_dropped()

    def _notice(self, delivery: Delivery) -> None:
        self._notices.append(delivery)
        self._arrived.set()

    async def _hand_over(self, deliver: Deliver) -> None:
        while True:
            await self._begun.wait()
            await self._arrived.wait()
            if self._notices:
                await deliver(self._notices.popleft())
            elif self._inbox.messages:
                await deliver(self._decode_some())
                self._read_on()
                await asyncio.sleep(0)  # the socket and the database have their turn
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
        """Decode what waits, of one read, up to a limit."""
        arrived = self._inbox.take(MESSAGES_A_DELIVERY, BYTES_A_DELIVERY)
        taken = self._decoding.decode(arrived)
        self.health.unacknowledged += len(taken.packet_ids)
        return Delivery(
            taken.readings,
            instant(arrived.first_us),
            lambda: self._acknowledge(arrived.generation, taken.packet_ids),
            taken.dead,
            taken.repeated,
            messages=len(arrived.publishes),
            numbers=taken.numbers,
        )

    def _acknowledge(self, generation: int, packet_ids: list[int]) -> None:
        self.health.unacknowledged -= len(packet_ids)
        self._session.acknowledge(generation, packet_ids)


def _bare(url: str) -> str:
    """The URL without user and password."""
    return url.rpartition("@")[2]
