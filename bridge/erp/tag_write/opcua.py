"""A value written to an OPC UA node in the node's own type, and read back from it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client

from bridge.config.settings import TagWriteSettings, WritableTag
from bridge.erp.tag_write.values import is_same
from bridge.errors import BusinessError, CredentialsError, TransientError
from bridge.model.notice import TagWrite

_INTEGERS: Final = frozenset(
    {
        ua.VariantType.SByte, ua.VariantType.Byte, ua.VariantType.Int16, ua.VariantType.UInt16, ua.VariantType.Int32,
        ua.VariantType.UInt32, ua.VariantType.Int64, ua.VariantType.UInt64,
    }
)  # fmt: skip
_FLOATS: Final = frozenset({ua.VariantType.Float, ua.VariantType.Double})
_IDENTITY: Final = (
    ua.uaerrors.BadUserAccessDenied,
    ua.uaerrors.BadIdentityTokenRejected,
    ua.uaerrors.BadIdentityTokenInvalid,
)
_PASSING: Final = (
    ua.uaerrors.BadTimeout,
    ua.uaerrors.BadConnectionClosed,
    ua.uaerrors.BadCommunicationError,
    ua.uaerrors.BadServerHalted,
    ua.uaerrors.BadSessionClosed,
    ua.uaerrors.BadSessionIdInvalid,
    ua.uaerrors.BadSecureChannelClosed,
    ua.uaerrors.BadTooManySessions,
    ua.uaerrors.BadTooManyOperations,
    ua.uaerrors.BadOutOfService,
    ua.uaerrors.BadNotConnected,
)


def node_of(table: WritableTag, write: TagWrite) -> str:
    """The id of the node."""
    return table.node.replace("{equipment}", write.equipment).replace("{tag}", write.tag)


async def write(settings: TagWriteSettings, body: Mapping[str, Any]) -> str:
    """Write and read back; returns what was read. Raises the connector's errors."""
    client = Client(settings.url, timeout=settings.timeout_s)
    if settings.username:
        client.set_user(settings.username)
        client.set_password(settings.password.get_secret_value())
    try:
        async with asyncio.timeout(settings.timeout_s), client:
            return await _write(client, body["node"], body["value"])
    except _IDENTITY as error:
        raise CredentialsError(f"{settings.url} refused the session: {error}") from error
    except (TimeoutError, OSError, ua.uaerrors.UaError) as error:
        raise TransientError(f"{settings.url}: {str(error) or 'no answer in time'}") from error


async def _write(client: Client, node_id: str, value: float | str | bool) -> str:
    try:
        node = client.get_node(node_id)
        variant = await node.read_data_type_as_variant_type()
        await node.write_value(ua.DataValue(ua.Variant(_fitting(node_id, value, variant), variant)))
        found = await node.read_value()
    except _PASSING:
        raise
    except ua.uaerrors.UaStatusCodeError as error:  # of this node, not of the session
        raise BusinessError(f"{node_id}: the server refused the write: {error}") from error
    if not is_same(value, found):
        raise BusinessError(f"{node_id} reads {found!r} after {value!r} was written")
    return f"read back {found!r}"


def _fitting(node_id: str, value: float | str | bool, variant: ua.VariantType) -> float | int | str | bool:
    """The value in the node's type, or BusinessError where it is none of that type."""
    if isinstance(value, bool):
        is_fit = variant is ua.VariantType.Boolean
    elif isinstance(value, str):
        is_fit = variant is ua.VariantType.String
    elif variant in _INTEGERS:
        is_fit = float(value).is_integer()
        value = int(value) if is_fit else value
    else:
        is_fit = variant in _FLOATS
    if not is_fit:
        raise BusinessError(f"{node_id} is of type {variant.name}, {value!r} is not")
    return value
