"""SAP S/4HANA as a connector."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.config.settings.connection import HttpConnectorTable
from bridge.config.settings.master_data import MasterDataTable


class SapS4Settings(HttpConnectorTable, MasterDataTable):
    """SAP S/4HANA, cloud or on premise, by its released OData V2 APIs. `url` ends with /sap/opu/odata/sap."""

    type: Literal["sap_s4"]
    sap_client: str = Field(
        "", pattern=r"^\d{3}$|^$", description="Client (Mandant), three digits. Default: the user's."
    )
    plant: str = Field(min_length=1, max_length=4, description="Plant (Werk) of goods movements.")
    storage_location: str = Field(
        "", max_length=4, description="Storage location where an event names none. Default: that of the order."
    )
    operation: str = Field("0010", max_length=4, description="Operation of confirmations that name none. Default 0010.")
    is_repeatable: bool = Field(
        False,
        description="The tenant's Gateway keeps RequestIDs (idempotent services); a fence beside the lookup. Default false.",
    )
    update_wait_s: float = Field(
        3, ge=0, description="Seconds that a document may take to show after it was answered (update task). Default 3."
    )
    notification_type: str = Field("M2", max_length=2, description="Type of maintenance notifications. Default M2.")
    priorities: dict[str, str] = Field(
        default_factory=lambda: {"low": "4", "medium": "3", "high": "2", "critical": "1"},
        description="Priority of a request -> MaintPriority. Default 4, 3, 2, 1 from low to critical.",
    )
    busy_codes: list[str] = Field(
        default_factory=lambda: ["MC/601", "M3/897", "CO/469"],
        description="Codes of messages that say a record is locked by somebody, to be tried again. Default MC/601, M3/897, CO/469.",
    )
    closed_codes: list[str] = Field(
        default_factory=lambda: ["M7/053", "F5/201"],
        description="Codes of messages that say a period is closed. Default M7/053, F5/201.",
    )
