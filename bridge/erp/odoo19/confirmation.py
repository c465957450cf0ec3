"""A confirmation (ProductionPerformance): its yield completes a production, its scrap is stock.scrap, a final one closes the order.

A confirmation has no cumulative quantity, so a total says nothing of it. It claims its production before it completes it: a
note in the order's chatter names the event, and a production whose last claim is the event's and that is done is the event's.
A production is done once only, so a claim that is sent twice claims nothing twice; one that came to nothing is followed by
that of the next confirmation. People find in the notes what each part of an order is made of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bridge.config.settings import OdooSettings
from bridge.erp.connector import Found, Step
from bridge.erp.odoo19 import scrap
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.completion import complete, open_production
from bridge.erp.odoo19.consumption import extras
from bridge.erp.odoo19.production import OPEN_STATES, Production, check_unit
from bridge.errors import BusinessError
from bridge.model.decimals import plain
from bridge.model.production import ProductionPerformance

NOTE: Final = "mrp.production/message_post"
CLOSE: Final = "mrp.production/action_cancel"
_CLAIM: Final = "amor confirmation "
_CLAIMED_BY: Final = re.compile(_CLAIM + r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


async def find(
    client: OdooClient, chain: Sequence[Production], event: ProductionPerformance, scrapped: scrap.Scrapped
) -> Found:
    """Whether yield, scrap and end of the confirmation are all in Odoo; the id is that of the production that it completed."""
    if not (event.yielded or event.scrapped or event.is_final):
        raise BusinessError(f"order {event.order_ref}: a confirmation without yield, scrap or end confirms nothing")
    number = str(chain[-1].id)
    if event.yielded:
        if (made := await completed(client, chain, event)) is None:
            return Found(is_posted=False)
        number = str(made.id)
    if event.scrapped and not (await scrap.find(client, scrapped)).is_posted:
        return Found(is_posted=False)
    if event.is_final and any(production.state in OPEN_STATES for production in chain):
        return Found(is_posted=False)
    return Found(is_posted=True, external_id=number)


async def plan(
    client: OdooClient,
    chain: Sequence[Production],
    event: ProductionPerformance,
    scrapped: scrap.Scrapped,
    uom: str,
    settings: OdooSettings,
) -> list[Step]:
    """Claim and complete the open production, scrap, close; what of it is in already is left out."""
    if (await find(client, chain, event, scrapped)).is_posted:
        return []
    steps: list[Step] = []
    left = [production for production in chain if production.state in OPEN_STATES]
    # The yield first: a resumed plan goes on behind its last step that was booked, and so never writes to what it completed.
    if event.yielded and await completed(client, chain, event) is None:
        steps += await _complete(client, chain, event, scrapped, uom)
        left = left[1:]
    if event.scrapped and not (await scrap.find(client, scrapped)).is_posted:
        steps += await scrap.plan(client, scrapped, uom, settings)
    if event.is_final and left:
        steps.append(await _close(client, left, event))
    return steps


async def completed(client: OdooClient, chain: Sequence[Production], event: ProductionPerformance) -> Production | None:
    """The production that the confirmation completed. Raises BusinessError where somebody else completed what it had claimed."""
    claims = await _claims(client, chain)
    for production in chain:
        if production.state == "done" and claims.get(production.id) == str(event.event_id):
            if production.produced != event.yielded:
                raise BusinessError(
                    f"order {event.order_ref}: {production.name} is claimed by this confirmation of {plain(event.yielded)} and was "
                    f"completed with {plain(production.produced)}: compare the postings and correct Odoo or this event"
                )
            return production
    return None


async def _complete(
    client: OdooClient, chain: Sequence[Production], event: ProductionPerformance, scrapped: scrap.Scrapped, uom: str
) -> list[Step]:
    target = open_production(chain, event.order_ref, event.yielded)
    check_unit(target, event.order_ref, "", uom)
    await _check_operation(client, target, event)
    if target.tracking != "none":
        raise BusinessError(
            f"order {event.order_ref}: {target.product} is tracked by {target.tracking} in Odoo, and a confirmation names "
            "none: post its pieces instead (wip_to_fg)"
        )
    beside = replace(await extras(client, target, sorted(scrapped.without)), closes=event.is_final)
    return [_claim(target, event), *complete(target, event.yielded, beside)]


async def _claims(client: OdooClient, chain: Sequence[Production]) -> Mapping[int, str]:
    """The event that claimed each production last."""
    ids = [production.id for production in chain]
    domain = [["model", "=", "mrp.production"], ["res_id", "in", ids], ["body", "like", _CLAIM]]
    last: dict[int, str] = {}
    async for note in client.pages("mail.message", ["res_id", "body"], domain):
        if found := _CLAIMED_BY.search(str(note.get("body"))):
            last[int(note.get("res_id") or 0)] = found[1]
    return last


def _claim(target: Production, event: ProductionPerformance) -> Step:
    reason = f" ({event.reason})" if event.reason else ""
    text = (
        f"{_CLAIM}{event.event_id}: operation {event.segment or 'all'}, yield {plain(event.yielded)}, "
        f"scrap {plain(event.scrapped)}{reason}, {event.equipment}, {event.started_at.isoformat()} to {event.ended_at.isoformat()}"
    )
    return Step("note confirmation", NOTE, {"ids": [target.id], "body": text}, is_repeatable=True)


async def _check_operation(client: OdooClient, target: Production, event: ProductionPerformance) -> None:
    """Odoo receives pieces by order: of several operations only the last one's confirmation is one of pieces."""
    if not event.segment or len(target.operations) <= 1:
        return
    last = str((await client.record("mrp.workorder", target.operations[-1], ["name"]))["name"])
    if last != event.segment:
        raise BusinessError(
            f"order {event.order_ref} has {len(target.operations)} operations in Odoo, and {event.segment} is not the last one "
            f"({last}), whose confirmation books the pieces: confirm that one"
        )


async def _close(client: OdooClient, left: Sequence[Production], event: ProductionPerformance) -> Step:
    """Nothing more comes of what is open."""
    ids = [production.id for production in left]
    picked = [["raw_material_production_id", "in", ids], ["picked", "=", True], ["manual_consumption", "=", True]]
    picked += [["scrap_id", "=", False], ["quantity", ">", 0]]
    async for _ in client.pages("stock.move", ["state"], [*picked, ["state", "!=", "cancel"]]):
        raise BusinessError(
            f"order {event.order_ref} is to be closed, and components are booked as consumed for what is open: complete or "
            f"cancel {left[0].name} in Odoo by hand, then replay this event"
        )
    return Step("close order", CLOSE, {"ids": ids}, is_repeatable=True)
