"""The connectors to business systems: one class a type, told apart by `type`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.config.settings.business_central import BusinessCentralSettings
from bridge.config.settings.connection import ApiKeyAuth, HttpConnectorTable
from bridge.config.settings.declarative import DeclarativeSettings
from bridge.config.settings.erpnext import ErpNextSettings
from bridge.config.settings.master_data import MasterDataTable
from bridge.config.settings.notify import AppriseSettings, TagWriteSettings
from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.config.settings.webhook import WebhookSettings


class OdooSettings(HttpConnectorTable, MasterDataTable):
    """Odoo 19 by its external JSON-2 API."""

    type: Literal["odoo19"]
    database: str = Field(min_length=1, description="Name of Odoo's database.")
    auth: ApiKeyAuth = Field(
        description="The API key of a user of Odoo who may produce, move and scrap stock and ask for maintenance."
    )
    product_uom: str = Field("Units", description="The ERP's name of a piece.")
    consumed_by_events: list[str] = Field(
        default_factory=list,
        description="Our items whose consumption is posted by events; pieces that are posted leave these components alone. "
        "Default: none, the bill of materials takes all components with the pieces.",
    )


class TrytonSettings(HttpConnectorTable, MasterDataTable):
    """Tryton 8.2 by its REST interface for user applications."""

    type: Literal["tryton82"]
    database: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.-]+$", description="Name of Tryton's database.")
    auth: ApiKeyAuth = Field(description="The key of a user application `rest` that a user of Tryton has validated.")
    company: int = Field(1, ge=1, description="Id of the company that posts. Default 1.")
    waste_location: str = Field(
        "", description="Name or code of the location of type lost and found that scrap goes to."
    )
    consumption: Literal["planned", "told"] = Field(
        "planned",
        description="Inputs of bills of materials are consumed as planned when an order starts, and events of them only say so up to "
        "the plan (planned), or as events tell and not otherwise (told). Default planned.",
    )
    consumption_of: dict[str, Literal["planned", "told"]] = Field(
        default_factory=dict, description="The same for one item of ours, where it differs."
    )
    performance: Literal["posts", "closes"] = Field(
        "posts",
        description="A confirmation posts its yield and scrap (posts), or only the final one closes the order, its pieces being posted by "
        "events of their own (closes). Default posts.",
    )


ConnectorSettings = Annotated[
    OdooSettings
    | TrytonSettings
    | SapS4Settings
    | ErpNextSettings
    | BusinessCentralSettings
    | WebhookSettings
    | DeclarativeSettings
    | AppriseSettings
    | TagWriteSettings,
    Field(discriminator="type"),
]
