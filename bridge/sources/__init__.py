"""Connections to devices: connect, receive -> Delivery, acknowledge. A source is one line in the table."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from bridge.sources.delivery import Deliver, Delivery, Gap, Memory, Source, SourceHealth
from bridge.sources.mqtt import MqttSource
from bridge.sources.opcua import OpcUaSource

SOURCES: Final[Mapping[str, Callable[[Any], Source]]] = {
    "mqtt": MqttSource,
    "opcua": OpcUaSource,
}

__all__ = ["SOURCES", "Deliver", "Delivery", "Gap", "Memory", "Source", "SourceHealth"]
