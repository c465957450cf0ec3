"""SAP S/4HANA as a connector."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

from pydantic import Field

from bridge.config.settings.connection import HttpConnectorTable
from bridge.config.settings.master_data import MasterDataTable

# A dialog work process is ended after rdisp/max_wprun_time (or rdisp/scheduler/prio_normal/max_runtime), 600 s, and one that hangs
# outside of ABAP after another 60 s at most.
_LONGEST_WORK_S: Final = 660


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
    settle_s: float | None = Field(
        None,
        gt=0,
        description="Seconds after which SAP carries out no request any more that nobody waits for; what became of one is looked up "
        "then. Default: 660, as SAP ends a request after 600 s (rdisp/max_wprun_time) and 60 s more; timeout_s where is_repeatable.",
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

    @property
    def settle(self) -> timedelta:
        """How long SAP may still be at work on a request whose answer nobody waits for."""
        if self.settle_s is not None:
            return timedelta(seconds=self.settle_s)
        return timedelta(seconds=self.timeout_s if self.is_repeatable else _LONGEST_WORK_S)
