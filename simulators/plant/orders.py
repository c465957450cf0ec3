"""Orders of the lines, read from the ERP over the Odoo 19 External JSON-2 contract.

An order is known by its `origin`, which stays the same when the ERP renames an order and splits off a backorder;
the name does not. The ERP may be slow, failing or away: the plant works on what it has and asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from simulators.plant.flow import Order

OPEN_STATES = ("confirmed", "progress", "to_close")
FIELDS = ("id", "origin", "product_qty")


@dataclass(frozen=True, slots=True)
class ErpAccess:
    """Where the ERP is and how to be let in."""

    url: str
    key: str
    database: str


class OrderReader:
    """Reads the open orders of a line, each origin once."""

    def __init__(self, access: ErpAccess) -> None:
        self._client = httpx.AsyncClient(
            base_url=access.url,
            headers={"Authorization": f"bearer {access.key}", "X-Odoo-Database": access.database},
            timeout=5.0,
        )
        self._known: set[str] = set()

    async def read_new(self, line: str) -> list[Order]:
        """Orders not given before, oldest first; raises httpx.HTTPError or ValueError."""
        answer = await self._client.post(
            "/json/2/mrp.production/search_read",
            json={
                "domain": [["state", "in", list(OPEN_STATES)], ["picking_type_id", "ilike", line]],
                "fields": list(FIELDS),
                "order": "id",
            },
        )
        answer.raise_for_status()
        new = [
            Order(row["origin"], round(row["product_qty"]))
            for row in answer.json()
            if row["origin"] and row["origin"] not in self._known
        ]
        self._known.update(order.number for order in new)
        return new

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def follow(
    reader: OrderReader,
    lines: tuple[str, ...],
    every_s: float,
    take: Callable[[str, Order], None],
    report: Callable[[str], None],
) -> None:
    """Hand over new orders for ever; tell when the ERP stops or begins to answer."""
    answers: bool | None = None
    while True:
        try:
            for line in lines:
                for order in await reader.read_new(line):
                    take(line, order)
            now_answers = True
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            now_answers = False
        if now_answers is not answers:
            report("erp answers" if now_answers else "erp does not answer")
            answers = now_answers
        await asyncio.sleep(every_s)
