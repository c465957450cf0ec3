"""Business Central as the contract suite meets it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from bridge.config.settings.business_central import BusinessCentralSettings
from simulators.systems.business_central import CLIENT, COMPANY, MACHINES, SECRET
from simulators.systems.business_central import BusinessCentral as System
from simulators.systems.business_central.pages import LOCATION, UNIT
from tests.erp_systems.served import Served


class SimulatedBusinessCentral(Served):
    stock_location = LOCATION
    empty_location = "EMPTY"

    def __init__(self, folder: Path | None = None, **system: Any) -> None:
        super().__init__(System(**system))

    async def cancel_by_hand(self, order: str) -> None:
        """A person posts the newest output of an order with the quantity below 0."""
        business = self.system.business
        made = [each for each in business.bookings if each.order == order and each.use == "good" and each.quantity > 0]
        business.reverse(made[-1], "", date(2026, 7, 1))

    async def scrap_by_hand(self, order: str, quantity: int) -> None:
        self.system.business.book(
            order, "scrap", Decimal(quantity), reference="", unit=UNIT, posting_date=date(2026, 7, 1)
        )

    def settings(self, **changes: Any) -> BusinessCentralSettings:
        auth = {
            "type": "oauth2",
            "token_url": f"{self.url}/tenant/oauth2/v2.0/token",
            "client_id": CLIENT,
            "client_secret": changes.pop("api_key", SECRET),
        }
        given = {
            "type": "business_central",
            "name": "erp",
            "url": changes.pop("url", self.url) + "/v2.0/tenant/production/api",
            "auth": auth,
            "company": COMPANY,
            "equipment_ids": {path: number for number, path in MACHINES.items()},
            "timeout_s": 1,
            "poll_s": 0.5,
        }
        return BusinessCentralSettings.model_validate({**given, **changes})
