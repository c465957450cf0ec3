"""Which connectors there are: a new one is one module here beside, its settings in bridge/config, and one line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bridge.config.settings import AppriseSettings, ConnectorSettings, TagWriteSettings
from bridge.erp.business_central import BusinessCentral
from bridge.erp.connector import Connector
from bridge.erp.declarative import Declarative
from bridge.erp.erpnext import ErpNext
from bridge.erp.odoo19 import Odoo19
from bridge.erp.sap_s4 import SapS4
from bridge.erp.tryton82 import Tryton82
from bridge.erp.webhook import Webhook

CONNECTORS: Final[Mapping[str, Callable[[Any], Connector]]] = {
    "odoo19": Odoo19,
    "tryton82": Tryton82,
    "business_central": BusinessCentral,
    "declarative": Declarative,
    "erpnext": ErpNext,
    "sap_s4": SapS4,
    "webhook": Webhook,
}


def _apprise(settings: AppriseSettings) -> Connector:
    from bridge.erp.notify import Apprise  # noqa: PLC0415  # apprise takes long to import, and few name it

    return Apprise(settings)


def _tag_write(settings: TagWriteSettings) -> Connector:
    from bridge.erp.tag_write import TagWriter  # noqa: PLC0415  # OPC UA takes longer

    return TagWriter(settings)


# To people and machines: they hold no documents that could be looked up.
ONE_WAY: Final[Mapping[str, Callable[[Any], Connector]]] = {"apprise": _apprise, "tag_write": _tag_write}


def make(settings: ConnectorSettings) -> Connector:
    """The connector of a table of the configuration, not connected yet."""
    return {**CONNECTORS, **ONE_WAY}[settings.type](settings)
