"""Memory of the OPC UA server: raw history per node, and subscriptions that outlive their client.

Read in asyncua 2.1.0's source, and corrected here where it would lose what a dead client had subscribed to:

- A session with subscriptions outlives its connection, but not its timeout, and takes its subscriptions with it;
  a subscription also ends after `lifetime count` publishing intervals without a publish request. Both are held
  to at least `OUTAGE_S`, whatever the client asks for.
- TransferSubscriptions moves the answers to the new connection but goes on asking the old one for publish
  requests, so a transferred subscription stays silent for ever. Here it asks the new one.
- Republish forgets the message that it repeats, and answers an unknown number with Good and sequence number 0.
  Here a message stays until it is acknowledged, and an unknown one is BadMessageNotAvailable (part 4, 5.14.6).
- Its history keeps no continuation point where the client limits the number of values. Here it does (part 11).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.history import HistoryStorageInterface
from asyncua.server.internal_server import InternalServer
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.status_codes import StatusCodes

from simulators.plant.layout import Value
from simulators.plant.opcua_values import data_value

OUTAGE_S = 150.0
HISTORY_VALUES = 20_000
QUEUE_VALUES = 20_000
ANSWER_VALUES = 5_000
NULL_BEFORE = datetime(1601, 1, 2, tzinfo=UTC)


class PlantSubscriptions(SubscriptionService):
    """Subscriptions that a client may find again after an outage."""

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        """Create a subscription whose lifetime spans an outage."""
        interval_s = max(params.RequestedPublishingInterval, 50.0) / 1000
        params.RequestedLifetimeCount = max(params.RequestedLifetimeCount, math.ceil(OUTAGE_S / interval_s))
        return await super().create_subscription(params, callback, session_id, request_callback)

    async def transfer_subscriptions(
        self, params: ua.TransferSubscriptionsParameters, session_id: ua.NodeId, callback: Callable[..., Any]
    ) -> list[ua.TransferResult]:
        """Hand subscriptions to the session of a new connection, in both directions."""
        results = await super().transfer_subscriptions(params, session_id, callback)
        connection = getattr(callback, "__self__", None)
        for number in params.SubscriptionIds:
            subscription = self.subscriptions.get(int(number))
            if subscription is not None and connection is not None:
                subscription.pub_request_callback = connection.get_publish_request
        return results

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        """Give an unacknowledged message again; it stays until it is acknowledged."""
        subscription = self.subscriptions.get(params.SubscriptionId)
        if subscription is None:
            raise ServiceError(StatusCodes.BadSubscriptionIdInvalid)
        unacknowledged = subscription._not_acknowledged_results  # noqa: SLF001  # asyncua has no other way to it
        kept = unacknowledged.get(params.RetransmitSequenceNumber)
        if kept is None:
            raise ServiceError(StatusCodes.BadMessageNotAvailable)
        message: ua.NotificationMessage = kept.NotificationMessage
        return message


def make_patient(server: InternalServer) -> None:
    """Set the limits of a server so that a client that comes back within two minutes loses nothing."""
    server.min_session_timeout_ms = OUTAGE_S * 1000
    server.max_monitored_item_queue_size = QUEUE_VALUES
    server.subscription_service = PlantSubscriptions(server.aspace, iserver=server)
    server.isession.subscription_service = server.subscription_service


class PlantHistory(HistoryStorageInterface):
    """The last values of every node, in order of their source timestamps."""

    def __init__(self, values_kept: int = HISTORY_VALUES) -> None:
        super().__init__(ANSWER_VALUES)
        self._values_kept = values_kept
        self._kept: dict[ua.NodeId, list[tuple[datetime, Value, ua.VariantType]]] = {}

    def keep(self, node: ua.NodeId, instant: datetime, value: Value, kind: ua.VariantType) -> None:
        """Keep a value later than all before; the oldest ones go when there are too many."""
        kept = self._kept.setdefault(node, [])
        kept.append((instant, value, kind))
        if len(kept) > self._values_kept * 5 // 4:
            del kept[: -self._values_kept]

    async def init(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def read_node_history(
        self, node_id: ua.NodeId, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[ua.DataValue], datetime | None]:
        """Values from start to end, both included, newest first where the end is before the start.

        Where more match than are wanted or fit an answer, the second result is where to go on.
        """
        kept = self._kept.get(node_id, [])
        first, last = _given(start), _given(end)
        backwards = first is None or (last is not None and last < first)
        lower, upper = (last, first) if backwards else (first, last)
        if first is None:
            lower, upper = None, last
        from_ = 0 if lower is None else bisect_left(kept, lower, key=lambda value: value[0])
        to = len(kept) if upper is None else bisect_right(kept, upper, key=lambda value: value[0])
        found = kept[from_:to]
        if backwards:
            found.reverse()
        limit = min(nb_values or self.max_history_data_response_size, self.max_history_data_response_size)
        goes_on = found[limit][0] if len(found) > limit else None
        return [data_value(value, kind, at, at) for at, value, kind in found[:limit]], goes_on


def _given(instant: datetime | None) -> datetime | None:
    """An aware instant, or None for the null of OPC UA, which is the first day of 1601."""
    if instant is None:
        return None
    aware = instant.replace(tzinfo=UTC)
    return aware if aware > NULL_BEFORE else None
