"""What the OPC UA server keeps for a client that went away."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import Client, ua

from simulators.plant.layout import EVENT_TAGS, LINES, OPCUA_NAMESPACE
from simulators.plant.opcua_history import PlantHistory
from simulators.plant.opcua_line import OpcUaLine

START = datetime(2026, 11, 21, 3, 20, 54, tzinfo=UTC)
SAW = LINES["line2"][:1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def served() -> AsyncIterator[tuple[OpcUaLine, str]]:
    url = f"opc.tcp://127.0.0.1:{free_port()}"
    line = OpcUaLine(url, "line2", SAW)
    await line.prepare()
    for tag in EVENT_TAGS:
        line.write("saw2", START, {tag: 1 if tag.startswith("parts.") else "x"})
    line.write("saw2", START, {"motor.current": 1.0, "motor.temp": 20.0})
    await line.flush()
    await line.listen()
    yield line, url
    await line.stop()


async def write_steps(line: OpcUaLine, steps: range) -> None:
    """Equal values with new times: only a filter on timestamps sees them."""
    for step in steps:
        line.write("saw2", START + timedelta(seconds=step), {"motor.current": 8.0})
    await line.flush()


async def subscribe(client: Client, index: int) -> int:
    """Subscribe without reading anything yet; gives the subscription's id."""
    params = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=100,
        RequestedLifetimeCount=100,
        RequestedMaxKeepAliveCount=10,
        PublishingEnabled=True,
    )
    request = ua.CreateSubscriptionRequest()
    request.Parameters = params
    session = client.uaclient.session
    created = ua.ua_binary.struct_from_binary(ua.CreateSubscriptionResponse, await session._send_request(request))
    item = ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=ua.NodeId("saw2.motor.current", index), AttributeId=ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=1,
            QueueSize=1000,
            DiscardOldest=True,
            Filter=ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp),
        ),
    )
    number = created.Parameters.SubscriptionId
    await client.uaclient.create_monitored_items(
        ua.CreateMonitoredItemsParameters(
            SubscriptionId=number, TimestampsToReturn=ua.TimestampsToReturn.Both, ItemsToCreate=[item]
        )
    )
    return number


def times(message: ua.NotificationMessage) -> list[datetime]:
    return [
        item.Value.SourceTimestamp.replace(tzinfo=UTC)
        for notification in message.NotificationData or []
        for item in notification.MonitoredItems
    ]


async def break_connection(client: Client) -> None:
    client.uaclient.protocol.transport.abort()
    await asyncio.sleep(0)


async def test_a_new_session_takes_over_a_subscription_with_all_that_was_queued(served: tuple[OpcUaLine, str]) -> None:
    line, url = served
    first, second = Client(url), Client(url)
    await first.connect()
    number = await subscribe(first, await first.get_namespace_index(OPCUA_NAMESPACE))
    answered = await first.uaclient.publish([])
    waiting = asyncio.ensure_future(first.uaclient.publish([]))
    await asyncio.sleep(0.2)
    await break_connection(first)
    waiting.cancel()
    await write_steps(line, range(1, 301))
    await asyncio.sleep(0.3)
    await second.connect()
    transferred = await second.uaclient.transfer_subscriptions(ua.TransferSubscriptionsParameters([number], False))
    seen = []
    for sequence in transferred[0].AvailableSequenceNumbers:
        seen += times(await second.uaclient.session.republish(number, sequence))
        seen += times(await second.uaclient.session.republish(number, sequence))
    await write_steps(line, range(301, 311))
    while len(set(seen)) < 311 - len(times(answered.Parameters.NotificationMessage)):
        response = await asyncio.wait_for(second.uaclient.publish([]), 5)
        seen += times(response.Parameters.NotificationMessage)
    assert set(seen) | set(times(answered.Parameters.NotificationMessage)) == {
        START + timedelta(seconds=step) for step in range(311)
    }
    await second.disconnect()


async def test_republish_of_an_unknown_message_is_refused(served: tuple[OpcUaLine, str]) -> None:
    _, url = served
    async with Client(url) as client:
        number = await subscribe(client, await client.get_namespace_index(OPCUA_NAMESPACE))
        with pytest.raises(ua.uaerrors.BadMessageNotAvailable):
            await client.uaclient.session.republish(number, 4711)


async def test_history_holds_every_value_written_since_the_start(served: tuple[OpcUaLine, str]) -> None:
    line, url = served
    await write_steps(line, range(1, 101))
    async with Client(url) as client:
        index = await client.get_namespace_index(OPCUA_NAMESPACE)
        node = client.get_node(ua.NodeId("saw2.motor.current", index))
        values = await node.read_raw_history(datetime(1970, 1, 1, tzinfo=UTC), START + timedelta(days=1))
    assert [value.SourceTimestamp.replace(tzinfo=UTC) for value in values] == [
        START + timedelta(seconds=step) for step in range(101)
    ]


async def test_counters_are_sixteen_bits_wide(served: tuple[OpcUaLine, str]) -> None:
    _, url = served
    async with Client(url) as client:
        index = await client.get_namespace_index(OPCUA_NAMESPACE)
        value = await client.get_node(ua.NodeId("saw2.parts.good", index)).read_data_value()
    assert value.Value.VariantType is ua.VariantType.UInt16


def kept(count: int, values_kept: int = 20_000) -> PlantHistory:
    history = PlantHistory(values_kept)
    for step in range(count):
        history.keep(ua.NodeId("n", 2), START + timedelta(seconds=step), step, ua.VariantType.Double)
    return history


async def test_history_pages_with_the_time_to_go_on_from() -> None:
    values, goes_on = await kept(10).read_node_history(ua.NodeId("n", 2), START, START + timedelta(days=1), 4)
    assert [value.Value.Value for value in values] == [0, 1, 2, 3]
    assert goes_on == START + timedelta(seconds=4)


async def test_history_reads_backwards_when_the_end_is_before_the_start() -> None:
    values, _ = await kept(10).read_node_history(ua.NodeId("n", 2), START + timedelta(seconds=5), START, 2)
    assert [value.Value.Value for value in values] == [5, 4]


async def test_history_is_bounded_and_keeps_the_newest() -> None:
    values, _ = await kept(1000, 100).read_node_history(ua.NodeId("n", 2), START, None, 0)
    assert 100 <= len(values) <= 125
    assert values[-1].Value.Value == 999
