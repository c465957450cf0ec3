"""One OPC UA session with one subscription: connect, take the subscription over or create it, publish, read history.

Publishing is done here and not by asyncua's loop, which acknowledges what its callback failed on, gives up silently when the
subscription is gone, and goes on for ever on a dead connection. Its reconnect is not used either (see the note on libraries in
the design): whoever owns this makes a new session when one is lost. Specification: Part 4, 5.13-5.14; Part 11, 6.5.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import BadTooManyOperations, UaStatusCodeError

from bridge.config.settings import OpcUaSettings
from bridge.sources.opcua_items import Item

log = structlog.get_logger()

CONNECT_TIMEOUT_S: Final = 15.0
REQUEST_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 1.0
KEEP_ALIVE_COUNT: Final = 10
_ITEMS_A_CALL: Final = 1000
_NODES_A_HISTORY_CALL: Final = 20
_VALUES_A_PAGE: Final = 1000
_NOTIFICATIONS_A_PUBLISH: Final = 10_000
_FILTER_REFUSED: Final = frozenset(
    {
        StatusCodes.BadMonitoredItemFilterUnsupported,
        StatusCodes.BadFilterNotAllowed,
        StatusCodes.BadMonitoredItemFilterInvalid,
    }
)
_BAD: Final = 0x8000_0000


class Page(NamedTuple):
    """Some of a node's history; `point` is where it goes on, `is_full` that there may be more without one."""

    values: list[ua.DataValue]
    point: bytes | None
    is_full: bool


class OpcUaSession:
    """A connected session. `lost` is set where the connection is found dead; everything raises then."""

    def __init__(self, settings: OpcUaSettings) -> None:
        self._settings = settings
        self._client = Client(settings.url, timeout=REQUEST_TIMEOUT_S, watchdog_intervall=2.0)
        self._client.name = self._client.description = "amor"
        self._client.session_timeout = settings.outage_s * 1000
        self._client.connection_lost_callback = self._on_lost
        if settings.username is not None:
            self._client.set_user(settings.username)
            self._client.set_password(settings.password.get_secret_value() if settings.password else "")
        self._items_a_call = _ITEMS_A_CALL
        self._nodes_a_history_call = _NODES_A_HISTORY_CALL
        self._silence_s = 0.0
        self.lost = asyncio.Event()
        self.namespaces: list[str] = []
        self.subscription_id = 0

    async def open(self) -> None:
        """Connect, and read what the server says of itself. Raises where it does not answer."""
        # Each failed request of a dead connection is an error with a traceback there; it is told once, here.
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await self._client.connect()
            self._session.ensure_publish_loop = lambda: None  # publishing is done here
            await self.read_namespaces()
            self._items_a_call = await self._limit(
                ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall, _ITEMS_A_CALL
            )
            self._nodes_a_history_call = await self._limit(
                ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData, _NODES_A_HISTORY_CALL
            )

    async def close(self) -> None:
        """Leave; the subscription stays at the server with what it queues, for as long as its lifetime says."""
        close_session = self._session.close_session
        self._session.close_session = lambda *_args, **_options: close_session(False)  # asyncua deletes it always
        with contextlib.suppress(Exception):  # nothing depends on a polite end
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._client.disconnect()
        with contextlib.suppress(Exception):
            self._client.disconnect_socket()

    async def read_namespaces(self) -> None:
        """Read the namespace URIs: their indices are this session's."""
        self.namespaces = await self._client.get_namespace_array()

    # -- the subscription ------------------------------------------------------------------------------------------------

    async def take_over(self, subscription_id: int) -> list[int] | None:
        """Move a subscription of an earlier session here; the sequence numbers that it can repeat, None where it is gone."""
        parameters = ua.TransferSubscriptionsParameters(SubscriptionIds=[subscription_id], SendInitialValues=False)
        try:
            result = (await self._session.transfer_subscriptions(parameters))[0]
        except UaStatusCodeError:
            return None
        if not result.StatusCode.is_good():
            return None
        self.subscription_id = subscription_id
        self._set_silence(self._settings.publishing_interval_ms, KEEP_ALIVE_COUNT)
        return sorted(int(number) for number in result.AvailableSequenceNumbers or [])

    async def create_subscription(self) -> None:
        """Create a subscription that outlives an outage."""
        interval_ms = self._settings.publishing_interval_ms
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval_ms,
            RequestedLifetimeCount=max(3 * KEEP_ALIVE_COUNT, self._settings.outage_s * 1000 // interval_ms),
            RequestedMaxKeepAliveCount=KEEP_ALIVE_COUNT,
            MaxNotificationsPerPublish=_NOTIFICATIONS_A_PUBLISH,
            PublishingEnabled=True,
            Priority=0,
        )
        result = await self._session.create_subscription(parameters, _never_called)
        self.subscription_id = result.SubscriptionId
        self._set_silence(result.RevisedPublishingInterval, result.RevisedMaxKeepAliveCount)

    async def drop_subscription(self) -> None:
        """Delete the subscription: it is not the one that is wanted any more."""
        with contextlib.suppress(UaStatusCodeError):
            await self._session.delete_subscriptions([self.subscription_id])

    async def add_items(self, wanted: Sequence[tuple[Item, ua.NodeId]]) -> dict[int, int]:
        """Monitor nodes; the server's status code of each, by handle. One bad node is its own failure, never the others'."""
        codes: dict[int, int] = {}
        position = 0
        while position < len(wanted):
            chunk = wanted[position : position + self._items_a_call]
            try:
                codes.update(await self._create_items(chunk))
            except BadTooManyOperations:
                if self._items_a_call == 1:
                    raise
                self._items_a_call = max(1, self._items_a_call // 2)
                continue
            position += len(chunk)
        return codes

    async def publish(self, acknowledged: Sequence[int]) -> ua.PublishResult | None:
        """The next notification, acknowledging earlier ones; None where the server only says that it is alive.

        Raises TimeoutError after a silence in which the server should have said so, and UaError.
        """
        acks = [ua.SubscriptionAcknowledgement(self.subscription_id, number) for number in acknowledged]
        async with asyncio.timeout(self._silence_s):
            result: ua.PublishResult = (await self._session.publish(acks)).Parameters
        if result.SubscriptionId != self.subscription_id or not result.NotificationMessage.NotificationData:
            return None
        return result

    async def republish(self, number: int) -> list[Any] | None:
        """The notifications of an unacknowledged message; None where the server does not have it."""
        try:
            message = await self._session.republish(self.subscription_id, number)
        except UaStatusCodeError:
            return None
        # Some servers answer an unknown number with Good and another message.
        return message.NotificationData if message.SequenceNumber == number else None

    # -- history ---------------------------------------------------------------------------------------------------------

    async def history(
        self, nodes: Sequence[ua.NodeId], start: datetime, end: datetime, point: bytes | None = None
    ) -> list[Page | None]:
        """A page of raw values of each node from start to end, both included, oldest first; None where the server keeps none.

        At most `history_nodes_a_call` nodes; `point` goes on where the last page of one node ended.
        """
        parameters = ua.HistoryReadParameters(
            HistoryReadDetails=ua.ReadRawModifiedDetails(
                IsReadModified=False, StartTime=start, EndTime=end, NumValuesPerNode=_VALUES_A_PAGE, ReturnBounds=False
            ),
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ReleaseContinuationPoints=False,
            NodesToRead=[ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point) for node in nodes],
        )
        return [_page(result) for result in await self._session.history_read(parameters)]

    @property
    def history_nodes_a_call(self) -> int:
        """How many nodes one call of `history` takes."""
        return self._nodes_a_history_call

    # -- asyncua ---------------------------------------------------------------------------------------------------------

    @property
    def _session(self) -> Any:
        return self._client.uaclient.session

    def _set_silence(self, interval_ms: float, keep_alive_count: int) -> None:
        self._silence_s = 2 * interval_ms / 1000 * keep_alive_count + REQUEST_TIMEOUT_S

    async def _limit(self, object_id: int, ours: int) -> int:
        try:
            limit = await self._client.get_node(f"i={object_id}").read_value()
        except UaStatusCodeError:
            return ours
        return min(ours, int(limit)) if isinstance(limit, int) and limit > 0 else ours

    async def _create_items(
        self, chunk: Sequence[tuple[Item, ua.NodeId]], *, is_filtered: bool = True
    ) -> dict[int, int]:
        parameters = ua.CreateMonitoredItemsParameters(
            SubscriptionId=self.subscription_id,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ItemsToCreate=[self._request(item, node, is_filtered=is_filtered) for item, node in chunk],
        )
        results = await self._session.create_monitored_items(parameters)
        codes = {item.handle: int(r.StatusCode.value) for (item, _), r in zip(chunk, results, strict=True)}
        if is_filtered and (refused := [pair for pair in chunk if codes[pair[0].handle] in _FILTER_REFUSED]):
            log.warning("server refuses to report equal values with a new time", nodes=len(refused))
            codes |= await self._create_items(refused, is_filtered=False)
        return codes

    def _request(self, item: Item, node: ua.NodeId, *, is_filtered: bool) -> ua.MonitoredItemCreateRequest:
        parameters = ua.MonitoringParameters(
            ClientHandle=item.handle,
            SamplingInterval=self._settings.sampling_interval_ms,
            QueueSize=self._settings.queue_size,
            DiscardOldest=True,
        )
        if is_filtered:
            parameters.Filter = ua.DataChangeFilter(
                Trigger=ua.DataChangeTrigger.StatusValueTimestamp, DeadbandType=ua.DeadbandType.None_, DeadbandValue=0.0
            )
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=parameters,
        )

    async def _on_lost(self, _error: Exception) -> None:
        self.lost.set()


async def _never_called(_result: ua.PublishResult) -> None:
    """Asyncua wants a callback; publishing is done by `publish`."""


def _page(result: ua.HistoryReadResult) -> Page | None:
    if int(result.StatusCode.value) & _BAD or result.HistoryData is None:
        return None
    values = list(getattr(result.HistoryData, "DataValues", None) or [])
    return Page(values, result.ContinuationPoint or None, len(values) >= _VALUES_A_PAGE)
