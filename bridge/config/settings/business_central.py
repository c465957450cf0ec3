"""Business Central as a connector."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.config.settings.connection import HttpConnectorTable
from bridge.config.settings.master_data import MasterDataTable


class BusinessCentralSettings(HttpConnectorTable, MasterDataTable):
    """Business Central, online or on premise. `url` ends with /api; `auth` is oauth2 with the scope of the environment.

    Standard API v2.0 knows no production: output, consumption, entries, production orders and requests are API pages of the
    tenant's own (docs/connectors/business_central.md lists their fields).
    """

    type: Literal["business_central"]
    company: str = Field(pattern=r"^[0-9a-fA-F-]{36}$", description="Id of the company, a GUID.")
    pages: str = Field(
        "amor/production/v1.0",
        pattern=r"^[\w-]+/[\w-]+/[\w.-]+$",
        description="Publisher, group and version of the tenant's pages. Default amor/production/v1.0.",
    )
    journal_batch: str = Field(
        "AMOR", max_length=10, description="Batch of the journals that lines are entered in. Default AMOR."
    )
    operation: str = Field("10", max_length=10, description="Operation of outputs that name none. Default 10.")
    priorities: dict[str, str] = Field(
        default_factory=dict, description="Priority of a request -> the page's value. Default: ours."
    )
    digits: int = Field(5, ge=0, le=5, description="Decimal places that quantities have there. Default 5.")
    check_stock: bool = Field(
        True,
        description="Park a consumption of more than there is: the system itself lets stock go below 0 unless told otherwise. "
        "Default true.",
    )
    closed_messages: list[str] = Field(
        default_factory=lambda: [
            "not within your range of allowed posting dates",
            "nicht im Bereich der zulässigen Buchungsdaten",
        ],
        description="Parts of messages that say a period is closed: the system has no code for it.",
    )
