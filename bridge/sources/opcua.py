"""An OPC UA server as a source: every notification is acknowledged after its readings are committed.

After any loss, of the connection or of this process: the subscription is taken over where the server still has it, messages
that were not acknowledged are repeated, and the history of every node is read from its newest stored time on. What came twice
has the same key. What none of these can give is a gap. History is delivered before anything newer, so that what is stored of a
tag is complete up to its newest reading at any moment, and that reading is where the next recovery begins.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from asyncua import ua
from asyncua.ua.status_codes import get_name_and_doc
from asyncua.ua.uaerrors import BadTimeout, UaError

from bridge.codecs.clock import Clock
from bridge.config.settings import OpcUaSettings
from bridge.errors import PayloadError
from bridge.model.quality import is_bad
from bridge.model.reading import DeadLetter, Reading, TagKey, instant, microseconds
from bridge.sources.backoff import Backoff
from bridge.sources.delivery import Deliver, Delivery, Gap, Memory, SourceHealth
from bridge.sources.opcua_items import Item, Newest, items_of, node_id
from bridge.sources.opcua_recovery import Lost, gaps_of, recover
from bridge.sources.opcua_session import OpcUaSession
from bridge.sources.opcua_values import has_overflowed, status, to_reading

log = structlog.get_logger()

RETRY_BAD_NODES_S: Final = 10.0
_SUBSCRIPTION: Final = "subscription"
_PROGRESS: Final = "progress"
_LAST_SEQUENCE: Final = 0xFFFF_FFFF


class SessionOver(Exception):
    """The session ended; the message says why."""


class OpcUaSource:
    """A source of the type `opcua`."""

    def __init__(self, settings: OpcUaSettings) -> None:
        self._settings = settings
        self._items = {item.handle: item for item in items_of(settings.nodes)}
        self._addresses = {item.tag: item.address for item in self._items.values()}
        self._units = {item.tag: item.unit for item in self._items.values()}
        self._newest = Newest(())
        self._clock = Clock(settings.clock)
        self._live: dict[int, ua.NodeId] = {}
        self._told: dict[int, str] = {}
        self._subscription: dict[str, Any] = {}
        self._sequence = 0
        self._may_take_over = True
        self._heard: datetime | None = None
        self._busy = asyncio.Lock()
        self._deliver: Deliver
        self.health = SourceHealth(wanted=len(self._items))

    def known_tags(self) -> Mapping[TagKey, str]:
        """All tags of the configuration."""
        return self._units

    def address_of(self, tag: TagKey) -> str:
        """The node id with its namespace's URI."""
        return self._addresses.get(tag, "")

    async def run(self, memory: Memory, deliver: Deliver) -> None:
        """See Source."""
        self._deliver = deliver
        self._newest = Newest(memory.newest.values())
        self._heard = memory.last_heard
        self._subscription = dict(memory.state.get(_SUBSCRIPTION, {}))
        progress = memory.state.get(_PROGRESS, {})
        self._sequence = int(progress.get("sequence", 0)) if progress.get("id") == self._subscription.get("id") else 0
        backoff = Backoff()
        is_down = False
        while True:
            try:
                async with self._connected() as session:
                    is_down = False
                    await self._begin(session)
                    backoff.reset()
                    await self._stay(session)
            except Exception as error:  # noqa: BLE001  # asyncua raises of any type; whatever it was, a new session is the answer
                if not is_down:
                    log.warning("opcua session lost", source=self._settings.name, reason=_reason(error))
                is_down = True
            await backoff.wait()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[OpcUaSession]:
        session = OpcUaSession(self._settings)
        try:
            await session.open()
            yield session
        finally:
            self.health.is_connected = False
            self.health.live = 0
            await session.close()

    # -- the beginning of a session --------------------------------------------------------------------------------------

    async def _begin(self, session: OpcUaSession) -> None:
        """Subscribe, then bring what was missed; only then is anything newer taken."""
        self._live.clear()
        repeated = await self._take_over(session)
        if repeated is None:
            await session.create_subscription()
            self._sequence = 0
        await self._add_items(session, [item for item in self._items.values() if item.handle not in self._live])
        await self._remember(session)
        since, now = self._heard, datetime.now(UTC)
        lost = await self._recover(session, self._live)
        is_whole = repeated is not None and await self._deliver_repeated(session, repeated)
        if gaps := gaps_of(since, now, [] if is_whole else lost, len(self._live)):
            await self._commit((), (), gaps=gaps)
        self.health.is_connected = True
        log.info(
            "opcua subscribed",
            source=self._settings.name,
            live=len(self._live),
            wanted=len(self._items),
            taken_over=repeated is not None,
        )

    async def _take_over(self, session: OpcUaSession) -> list[int] | None:
        """Take the earlier subscription over: the numbers of the messages that it can repeat; None: a new one is needed."""
        if not self._subscription or not self._may_take_over:
            return None
        available = await session.take_over(int(self._subscription["id"]))
        if available is None:
            return None
        handles = {int(handle): address for handle, address in self._subscription["handles"].items()}
        resolved = self._resolve(session, [item for item in self._items.values() if item.handle in handles])
        if {item.handle: item.address for item, _ in resolved} != handles:
            await (
                session.drop_subscription()
            )  # the configuration or the namespaces changed: its handles mean other nodes
            return None
        self._live.update((item.handle, node) for item, node in resolved)
        self._may_take_over = False  # until it has spoken: some servers say Good, and the subscription stays silent
        return [number for number in available if number > self._sequence]

    async def _deliver_repeated(self, session: OpcUaSession, numbers: Sequence[int]) -> bool:
        """Deliver messages that were not acknowledged; whether none was missing."""
        for number in numbers:
            if number != _following(self._sequence):
                return False
            notifications = await session.republish(number)
            if notifications is None:
                return False
            self._sequence = number
            await self._take(session, notifications)
        return True

    async def _add_items(self, session: OpcUaSession, items: Sequence[Item]) -> list[Item]:
        """Monitor nodes; returns those that are live now. The others are told of once, and tried again."""
        resolved = self._resolve(session, items)
        codes = await session.add_items(resolved)
        added = []
        for item, node in resolved:
            code = codes[item.handle]
            if not is_bad(code):
                self._live[item.handle] = node
                self._told.pop(item.handle, None)
                added.append(item)
            else:
                self._tell(item, get_name_and_doc(code)[0])
        self.health.live = len(self._live)
        return added

    def _resolve(self, session: OpcUaSession, items: Iterable[Item]) -> list[tuple[Item, ua.NodeId]]:
        resolved = []
        for item in items:
            try:
                node = node_id(item.address, session.namespaces)
            except (UaError, ValueError) as error:
                self._tell(item, f"no node id: {error}")
                continue
            if node is None:
                self._tell(item, "the server has no such namespace")
            else:
                resolved.append((item, node))
        return resolved

    def _tell(self, item: Item, reason: str) -> None:
        if self._told.get(item.handle) != reason:
            self._told[item.handle] = reason
            log.error("opcua node not available", source=self._settings.name, node=item.address, reason=reason)

    async def _remember(self, session: OpcUaSession) -> None:
        handles = {str(handle): self._items[handle].address for handle in self._live}
        self._subscription = {"id": session.subscription_id, "handles": handles}
        await self._commit((), (), state={_SUBSCRIPTION: self._subscription, **self._progress()})

    # -- history ---------------------------------------------------------------------------------------------------------

    async def _recover(self, session: OpcUaSession, nodes: Mapping[int, ua.NodeId]) -> list[Lost]:
        """Deliver the history of nodes from their newest readings on; returns those that it does not bring all of."""
        wanted = [(self._items[handle], node) for handle, node in nodes.items()]
        return await recover(session, wanted, self._newest, self._deliver_history, self._dead_letter)

    async def _deliver_history(self, readings: Sequence[Reading], dead: Sequence[DeadLetter]) -> None:
        await self._deliver(Delivery(readings, datetime.now(UTC), repeated=dead))

    # -- live ------------------------------------------------------------------------------------------------------------

    async def _stay(self, session: OpcUaSession) -> None:
        """Until the session is lost; raises then."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish(session))
            tasks.create_task(self._retry_bad_nodes(session))
            tasks.create_task(self._watch(session))

    async def _watch(self, session: OpcUaSession) -> None:
        await session.lost.wait()
        raise SessionOver("the connection is lost")

    async def _publish(self, session: OpcUaSession) -> None:
        acknowledged: list[int] = []
        while True:
            try:
                result = await session.publish(acknowledged)
            except BadTimeout:
                continue
            acknowledged = []
            self._heard = datetime.now(UTC)
            self._may_take_over = True
            if result is None:
                continue
            async with self._busy:
                number = int(result.NotificationMessage.SequenceNumber)
                if number != _following(self._sequence) and self._sequence:
                    await self._close_hole(session, number)
                self._sequence = number
                await self._take(session, result.NotificationMessage.NotificationData)
            acknowledged = [number]

    async def _close_hole(self, session: OpcUaSession, number: int) -> None:
        """Messages between the last one and this one are missing: repeat them, else read history."""
        log.warning(
            "opcua messages missing", source=self._settings.name, expected=_following(self._sequence), got=number
        )
        since, now = self._heard, datetime.now(UTC)
        missing = range(self._sequence + 1, number) if number > self._sequence else range(0)
        lost = await self._recover(session, self._live)
        if not missing or not await self._deliver_repeated(session, missing):
            await self._commit((), (), gaps=gaps_of(since, now, lost, len(self._live)))

    async def _take(self, session: OpcUaSession, notifications: Sequence[Any]) -> None:
        """Store the notifications of one message; returns when they are committed."""
        readings: list[Reading] = []
        dead: list[DeadLetter] = []
        overflowed: dict[int, ua.NodeId] = {}
        now_us = microseconds(datetime.now(UTC))
        changes: list[Any] = []
        for notification in notifications:
            if isinstance(notification, ua.StatusChangeNotification):
                raise SessionOver(f"the server ended the subscription: {notification.Status.name}")
            changes += getattr(notification, "MonitoredItems", None) or []
        for change in changes:
            if change.ClientHandle in self._live and has_overflowed(status(change.Value)):
                overflowed[change.ClientHandle] = self._live[change.ClientHandle]
        gaps = await self._after_overflow(session, overflowed) if overflowed else []
        for change in changes:
            if (item := self._items.get(change.ClientHandle)) is None:
                continue
            try:
                readings.append(self._newest.keyed(to_reading(item.tag, change.Value, now_us, self._clock)))
            except PayloadError as error:
                dead.append(self._dead_letter(item, change.Value, str(error)))
        await self._commit(readings, dead, gaps=gaps, state=self._progress())

    async def _after_overflow(self, session: OpcUaSession, nodes: Mapping[int, ua.NodeId]) -> list[Gap]:
        """The server discarded values before these: their history may have them."""
        now = datetime.now(UTC)
        log.warning("opcua queue overflowed", source=self._settings.name, nodes=len(nodes))
        lost = {missing.item.tag for missing in await self._recover(session, nodes)}
        cause = "the server's queue overflowed"
        return [
            Gap(tag, self._newest_time(tag, now), now, cause, recovered=tag not in lost)
            for tag in (self._items[handle].tag for handle in nodes)
        ]

    def _newest_time(self, tag: TagKey, now: datetime) -> datetime:
        newest = self._newest.of(tag)
        return now if newest is None else min(now, instant(newest.source_time_us))

    async def _retry_bad_nodes(self, session: OpcUaSession) -> None:
        """Keep trying what is wanted and not live: nodes come and go with the machine's program."""
        while True:
            await asyncio.sleep(RETRY_BAD_NODES_S)
            missing = [item for item in self._items.values() if item.handle not in self._live]
            if not missing:
                continue
            async with self._busy:
                await session.read_namespaces()
                if added := await self._add_items(session, missing):
                    log.info("opcua nodes live again", source=self._settings.name, nodes=len(added))
                    await self._remember(session)
                    await self._recover(session, {item.handle: self._live[item.handle] for item in added})

    # -- deliveries ------------------------------------------------------------------------------------------------------

    async def _commit(
        self,
        readings: Sequence[Reading],
        dead: Sequence[DeadLetter],
        *,
        gaps: Sequence[Gap] = (),
        state: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        """Deliver, and wait until it is committed."""
        committed = asyncio.Event()
        self.health.unacknowledged += 1
        await self._deliver(
            Delivery(readings, datetime.now(UTC), committed.set, repeated=dead, gaps=gaps, state=state or {})
        )
        await committed.wait()
        self.health.unacknowledged -= 1

    def _progress(self) -> dict[str, dict[str, Any]]:
        return {_PROGRESS: {"id": self._subscription["id"], "sequence": self._sequence}}

    def _dead_letter(self, item: Item, value: ua.DataValue, reason: str) -> DeadLetter:
        variant = value.Value
        content = {
            "node": item.address,
            "type": None if variant is None else variant.VariantType.name,
            "value": None if variant is None else repr(variant.Value)[:10_000],
            "source_time": str(value.SourceTimestamp),
            "status": status(value),
        }
        return DeadLetter(self._settings.name, item.address, json.dumps(content).encode(), reason, datetime.now(UTC))


def _following(number: int) -> int:
    """The sequence number after this one: 1 follows the last (Part 4, 7.38)."""
    return 1 if number >= _LAST_SEQUENCE else number + 1


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(str(error).split()) or type(error).__name__
