"""Events in Odoo's units: quantities there are exact, or the event is refused before anything is asked of an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bridge.config.settings import OdooSettings
from bridge.erp.odoo19 import consumption, production
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.scrap import Scrapped
from bridge.erp.odoo19.values import read_digits
from bridge.erp.quantity import Posted, Units
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual, ProductionPerformance, Reversal


class Converter:
    """Converts by the connector's table and by what Odoo says once: its digits, and the products of `consumed_by_events`."""

    def __init__(self, client: OdooClient, settings: OdooSettings, units: Units) -> None:
        self._client, self._settings, self._units = client, settings, units
        self._digits: int | None = None
        self._told: dict[str, int] | None = None

    async def pieces(self, event: MaterialActual) -> tuple[MaterialActual, str]:
        """Pieces of what the order makes, and the name of their unit. Raises BusinessError."""
        item = await self._item(event.order_ref, event.item)
        share = await self._posted(event.quantity, event.uom, item)
        total = await self._posted(event.cumulative, event.uom, item)
        return replace(event, quantity=share.quantity, cumulative=total.quantity, uom=""), self._unit(share)

    async def taken_back(self, event: Reversal, quantity: Decimal) -> Decimal:
        """A share of what a reversal takes back, in the unit of what it reverses. Raises BusinessError."""
        posted = event.reverses
        item = posted.item if isinstance(posted, MaterialActual) else ""
        return (await self._posted(quantity, posted.uom, await self._item(posted.order_ref, item))).quantity

    async def scrapped(self, event: MaterialActual) -> tuple[Scrapped, str]:
        """Pieces that came to nothing."""
        pieces, uom = await self.pieces(event)
        return await self._scrapped(event.order_ref, event, pieces.quantity), uom

    async def lost(self, event: MaterialActual | ProductionPerformance) -> Scrapped:
        """What came to nothing of an event, as it was posted."""
        if isinstance(event, ProductionPerformance):
            return (await self.performance(event))[1]
        return (await self.scrapped(event))[0]

    async def performance(self, event: ProductionPerformance) -> tuple[ProductionPerformance, Scrapped, str]:
        """A confirmation, and its scrap."""
        item = await self._item(event.order_ref, "")
        made = await self._posted(event.yielded, event.uom, item)
        lost = await self._posted(event.scrapped, event.uom, item)
        converted = replace(event, yielded=made.quantity, scrapped=lost.quantity, uom="")
        return converted, await self._scrapped(event.order_ref, event, lost.quantity), self._unit(made)

    async def consumed(self, event: MaterialActual) -> tuple[MaterialActual, int, str]:
        """Consumption of an item that events take, and its product. Raises BusinessError for one that the pieces take."""
        if event.item not in self._settings.consumed_by_events:
            raise BusinessError(
                f"order {event.order_ref}: a {event.kind} event of {event.item}, which the bill of materials takes in Odoo with "
                "the pieces, so that it would be consumed twice: name the item in the connector's consumed_by_events, or take "
                "consumption out of the rule that posts it"
            )
        share = await self._posted(event.quantity, event.uom, event.item)
        total = await self._posted(event.cumulative, event.uom, event.item)
        product = (await self._told_ids())[event.item]
        return replace(event, quantity=share.quantity, cumulative=total.quantity, uom=""), product, self._unit(share)

    async def told_products(self) -> Sequence[int]:
        """The products whose consumption events tell of."""
        return sorted((await self._told_ids()).values())

    async def _told_ids(self) -> dict[str, int]:
        if self._told is None:
            items = {item: self._units.code(item) for item in self._settings.consumed_by_events}
            ids = await consumption.product_ids(self._client, sorted(set(items.values())))
            self._told = {item: ids[code] for item, code in items.items()}
        return self._told

    async def _scrapped(
        self, order_ref: str, event: MaterialActual | ProductionPerformance, pieces: Decimal
    ) -> Scrapped:
        without = await self.told_products()
        return Scrapped(order_ref, event.event_id, pieces, event.reason, without, await self._read_digits())

    async def _item(self, order_ref: str, item: str) -> str:
        """Our item of what the order makes, where the table may have a factor for it."""
        if item or not self._settings.items:
            return item
        chain = await production.read_chain(self._client, order_ref, with_cancelled=True)
        return self._units.ours(production.product_code(chain[0]))

    async def _posted(self, quantity: Decimal, uom: str, item: str) -> Posted:
        return self._units.posted(quantity, uom, item, await self._read_digits())

    async def _read_digits(self) -> int:
        if self._digits is None:
            self._digits = await read_digits(self._client)
        return self._digits

    def _unit(self, posted: Posted) -> str:
        return posted.uom or self._settings.product_uom
