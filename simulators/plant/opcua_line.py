"""Line 2 as an OPC UA server: one variable per tag, in the namespace `urn:acme:dortmund:line2`.

String node ids `<machine>.<tag>`, as `saw2.state` and `cnc2.spindle.vib_rms`, below Objects/line2/<machine>.
Text is String, counters are UInt16 (and so wrap at 65536 by themselves), gauges are Double with an
EngineeringUnits property. Every value has a UTC source timestamp, later than the one before it at that node.

What a client must do to lose nothing:

1. Subscribe with the DataChangeFilter trigger StatusValueTimestamp: with the default filter an equal value with
   a new time is no change. Queue size 1000 or more (0 and 1 are no queues; at most 20 000): 120 s at 5 Hz are 600.
2. After a broken connection, within 150 s: connect anew, and either ActivateSession with the old authentication
   token or create a session and TransferSubscriptions; Republish each available sequence number; then publish.
   What changed meanwhile has been queued at the monitored items.
3. After a longer outage or without memory of the subscription, or when there is none: subscribe first, then
   HistoryRead (raw) each node from the last stored source timestamp (included; from 1970 when there is none) to
   now, with continuation points. All that was written since the start is there, up to 20 000 values a node.
   What both ways bring has the same node and source timestamp, and is the same reading.

The first value of each node is written before the server accepts connections: no reading is only a placeholder.
The history lives in memory and ends with the process.
"""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime

from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds

from simulators.plant.layout import COUNTER_TAGS, EVENT_TAGS, OPCUA_NAMESPACE, UNITS, MachineSpec, Value
from simulators.plant.opcua_history import PlantHistory, make_patient
from simulators.plant.opcua_values import data_value, node_id, true_value

UCUM = "http://unitsofmeasure.org"


class OpcUaLine:
    """The server of one line; `write` queues, `flush` brings the values to the nodes in order."""

    def __init__(self, url: str, line: str, machines: tuple[MachineSpec, ...]) -> None:
        self._url = url
        self._line = line
        self._machines = machines
        self._server = Server()
        self._history = PlantHistory()
        self._nodes: dict[tuple[str, str], tuple[ua.NodeId, ua.VariantType]] = {}
        self._pending: deque[tuple[ua.NodeId, ua.VariantType, datetime, Value]] = deque()

    async def prepare(self) -> None:
        """Build the address space; nothing listens yet."""
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        await self._server.init()
        make_patient(self._server.iserver)
        self._server.iserver.history_manager.set_storage(self._history)
        self._server.set_endpoint(self._url)
        self._server.set_server_name(f"{self._line} of the simulated plant")
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await self._server.register_namespace(OPCUA_NAMESPACE)
        line = await self._server.get_objects_node().add_object(node_id(self._line, index), self._line)
        for machine in self._machines:
            await self._add_machine(line, index, machine)

    async def listen(self) -> None:
        """Accept connections; every node must have been written once."""
        await self._server.start()

    async def stop(self) -> None:
        """Close all connections."""
        await self._server.stop()

    def write(self, machine: str, instant: datetime, readings: dict[str, Value]) -> None:
        """Queue readings of one instant; `flush` must follow."""
        for tag, value in readings.items():
            node, kind = self._nodes[machine, tag]
            self._pending.append((node, kind, instant, float(value) if kind is ua.VariantType.Double else value))

    async def flush(self) -> None:
        """Write what is queued to history, nodes and subscriptions."""
        while self._pending:
            node, kind, instant, value = self._pending.popleft()
            self._history.keep(node, instant, value, kind)
            await self._server.write_attribute_value(node, data_value(value, kind, instant, datetime.now(UTC)))

    async def _add_machine(self, line: Node, index: int, machine: MachineSpec) -> None:
        folder = await line.add_object(node_id(machine.name, index), machine.name)
        for tag in (*EVENT_TAGS, *machine.gauges):
            kind = _kind(tag)
            variable_id = node_id(f"{machine.name}.{tag}", index)
            empty: Value = "" if kind is ua.VariantType.String else 0
            variable = await folder.add_variable(variable_id, tag, empty, kind)
            await variable.write_attribute(AttributeIds.Historizing, true_value())
            await variable.set_attr_bit(AttributeIds.AccessLevel, ua.AccessLevel.HistoryRead)
            await variable.set_attr_bit(AttributeIds.UserAccessLevel, ua.AccessLevel.HistoryRead)
            if tag in UNITS:
                unit_id = node_id(f"{machine.name}.{tag}.unit", index)
                await variable.add_property(unit_id, "EngineeringUnits", _unit(UNITS[tag]))
            self._nodes[machine.name, tag] = variable_id, kind


def _kind(tag: str) -> ua.VariantType:
    if tag in COUNTER_TAGS:
        return ua.VariantType.UInt16
    return ua.VariantType.String if tag in EVENT_TAGS else ua.VariantType.Double


def _unit(code: str) -> ua.EUInformation:
    return ua.EUInformation(
        NamespaceUri=UCUM, UnitId=-1, DisplayName=ua.LocalizedText(code), Description=ua.LocalizedText(code)
    )
