"""Connections to devices: connect, receive -> Delivery, acknowledge. A source is one line in the table."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from bridge.config.settings import OpcUaSettings
from bridge.sources.delivery import Deliver, Delivery, Gap, Memory, Source, SourceHealth
from bridge.sources.mqtt import MqttSource


def _opcua(settings: OpcUaSettings) -> Source:
    from bridge.sources.opcua import OpcUaSource  # noqa: PLC0415  # takes a third of a second, which its users alone pay

    return OpcUaSource(settings)


SOURCES: Final[Mapping[str, Callable[[Any], Source]]] = {
    "mqtt": MqttSource,
    "opcua": _opcua,
}

__all__ = ["SOURCES", "Deliver", "Delivery", "Gap", "Memory", "Source", "SourceHealth"]
