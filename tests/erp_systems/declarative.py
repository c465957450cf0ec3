"""A plain system behind a description, as the contract suite meets it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from bridge.config.settings.declarative import DeclarativeSettings
from bridge.erp.declarative.description import load
from simulators.systems.generic import Generic
from simulators.systems.generic.operations import EMPTY, FINISHED
from simulators.systems.generic.system import KEY, UNIT
from tests.erp_systems.served import Served

DESCRIPTIONS = Path(__file__).parent / "descriptions"


class Described(Served):
    stock_location = FINISHED
    empty_location = EMPTY
    kinds = frozenset(load(DESCRIPTIONS / "rest.toml").event)

    def __init__(self, folder: Path | None = None, *, protocol: str = "rest") -> None:
        super().__init__(Generic())
        self.file = DESCRIPTIONS / f"{protocol}.toml"

    def settings(self, **changes: Any) -> DeclarativeSettings:
        given = {
            "type": "declarative",
            "name": "erp",
            "url": changes.pop("url", self.url) + "/api",
            "auth": {"type": "api_key", "key": changes.pop("api_key", KEY)},
            "file": self.file,
            "units": {"1": UNIT},
            "timeout_s": 1,
            "poll_s": 0.5,
        }
        return DeclarativeSettings.model_validate({**given, **changes})

    @staticmethod
    def preliminary(head: bytes) -> bytes | None:
        """The ticket of a draft, which the submitting request needs."""
        if not head.startswith(b"GET /api/rest/drafts/"):
            return None
        return b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"ticket": "T1"}'

    async def cancel_by_hand(self, order: str) -> None:
        """What a person does in the system: the newest posting of good pieces is taken back."""
        made = [one for one in self.system.business.bookings if (one.order, one.use) == (order, "good")]
        self.system.business.reverse(made[-1], "", made[-1].posting_date)

    async def scrap_by_hand(self, order: str, quantity: int) -> None:
        """Scrap that a person books in the system."""
        business = self.system.business
        business.book(order, "scrap", Decimal(quantity), reference="", unit=UNIT, posting_date=business.now().date())
