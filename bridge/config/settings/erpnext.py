"""ERPNext as a connector."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.config.settings.connection import HttpConnectorTable
from bridge.config.settings.master_data import MasterDataTable


class ErpNextSettings(HttpConnectorTable, MasterDataTable):
    """ERPNext 15 or later by its REST API; `auth` is an API key with the prefix "token " and the key as `key:secret`."""

    type: Literal["erpnext"]
    event_id_field: str = Field(
        "custom_amor_event_id",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Custom field of Stock Entry and Issue, type Data, unique, that keeps the event's id.",
    )
    asset_field: str = Field(
        "custom_asset", description="Custom field of Issue that links to the Asset. Default custom_asset."
    )
    order_field: str = Field(
        "",
        description="Custom field of Delivery Note with the customer's order. Default: none, shipments name no order.",
    )
    work_center_field: str = Field("", description="Custom field of Work Order with our work center. Default: none.")
    priorities: dict[str, str] = Field(
        default_factory=lambda: {"low": "Low", "medium": "Medium", "high": "High", "critical": "High"},
        description="Priority of a request -> Issue Priority. Default Low, Medium, High, High.",
    )
    digits: int = Field(3, ge=0, le=9, description="Float precision of the site's System Settings. Default 3.")
    queue_wait_s: float = Field(
        5,
        ge=0,
        description="Seconds to wait at a time for a Stock Entry that the site submits in its queue. Default 5.",
    )
