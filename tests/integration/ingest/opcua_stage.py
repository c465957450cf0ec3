"""An OPC UA server of the tests: nodes `m1.<tag>` of urn:acme:test with history, which may restart and keep it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from asyncua import ua
from asyncua.server.server import Server

from simulators.plant.opcua_history import PlantHistory, make_patient
from simulators.plant.opcua_values import data_value, node_id

START = datetime.now(UTC) - timedelta(minutes=5)


class StageServer:
    """`is_patient`: with the simulator's mended take-over of subscriptions; without, asyncua's own."""

    def __init__(self, port: int, history: PlantHistory | None, *, is_patient: bool = True) -> None:
        self.url = f"opc.tcp://127.0.0.1:{port}/bench"
        self._history = history
        self._is_patient = is_patient
        self._server = Server()
        self._index = 0

    async def __aenter__(self) -> Self:
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        await self._server.init()
        if self._is_patient:
            make_patient(self._server.iserver)
        if self._history is not None:
            self._server.iserver.history_manager.set_storage(self._history)
        self._server.set_endpoint(self.url)
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self._index = await self._server.register_namespace("urn:acme:test")
        return self

    async def listen(self) -> None:
        await self._server.start()

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    async def add(self, tag: str, value: Any = 0.0, kind: ua.VariantType = ua.VariantType.Double) -> None:
        variable = await self._server.get_objects_node().add_variable(
            node_id(f"m1.{tag}", self._index), tag, value, kind
        )
        if self._history is not None:
            await variable.set_attr_bit(ua.attribute_ids.AttributeIds.AccessLevel, ua.AccessLevel.HistoryRead)
            await variable.set_attr_bit(ua.attribute_ids.AttributeIds.UserAccessLevel, ua.AccessLevel.HistoryRead)

    async def write(
        self, tag: str, value: Any, at: datetime, kind: ua.VariantType = ua.VariantType.Double, status: int = 0
    ) -> None:
        node = node_id(f"m1.{tag}", self._index)
        if self._history is not None:
            self._history.keep(node, at, value, kind)
        content = data_value(value, kind, at, datetime.now(UTC))
        if status:
            content = ua.DataValue(
                content.Value, StatusCode=ua.StatusCode(status), SourceTimestamp=at, ServerTimestamp=at
            )
        await self._server.write_attribute_value(node, content)

    async def keep(self, tag: str, first: int, last: int) -> None:
        """Numbered values that history has and no subscription saw."""
        assert self._history is not None
        for number in range(first, last):
            self._history.keep(node_id(f"m1.{tag}", self._index), at(number), float(number), ua.VariantType.Double)


def at(number: int) -> datetime:
    """The source time of the numbered value: 10 ms apart."""
    return START + timedelta(milliseconds=10 * number)
