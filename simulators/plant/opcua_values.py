"""Values of OPC UA from Python's own: the one place where asyncua's narrower types are met."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from simulators.plant.layout import Value

GOOD = ua.StatusCode(StatusCodes.Good)  # type: ignore[arg-type]  # the codes are declared as int


def node_id(name: str, index: int) -> ua.NodeId:
    """A string node id in a namespace."""
    identifier: Any = name
    namespace: Any = index
    return ua.NodeId(identifier, namespace)


def data_value(value: Value, kind: ua.VariantType, source: datetime, server: datetime) -> ua.DataValue:
    """A good value with both timestamps, aware UTC."""
    at: Any = source
    through: Any = server
    return ua.DataValue(ua.Variant(value, kind), StatusCode=GOOD, SourceTimestamp=at, ServerTimestamp=through)


def true_value() -> ua.DataValue:
    """The Boolean true."""
    return ua.DataValue(ua.Variant(True, ua.VariantType.Boolean))
