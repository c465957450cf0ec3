"""Business Central as the contract suite meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.config.settings.business_central import BusinessCentralSettings
from simulators.systems.business_central import CLIENT, COMPANY, MACHINES, SECRET
from simulators.systems.business_central import BusinessCentral as System
from tests.erp_systems.served import Served


class SimulatedBusinessCentral(Served):
    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(System())

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
