"""What takes an event back: good pieces are scrapped out of where they went, material goes back to where it was taken from.

What good pieces were made of stays consumed. Components of pieces that came to nothing after all, and what was consumed too much,
come back by a transfer out of the location that they were moved to (`transfer`): Odoo's own documents of them stay as they are,
so that the totals of the events after them stay true.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from bridge.config.settings import OdooSettings
from bridge.erp.connector import Found, Step
from bridge.erp.odoo19 import confirmation, consumption, lots, origin, production, scrap, transfer
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.events import Converter
from bridge.erp.odoo19.production import Production, check_unit, read_chain
from bridge.erp.odoo19.scrap import Part
from bridge.erp.odoo19.transfer import Line
from bridge.erp.odoo19.values import from_odoo
from bridge.erp.posting import check_same
from bridge.erp.quantity import to_decimal
from bridge.errors import BusinessError
from bridge.model.decimals import plain
from bridge.model.production import EventKind, MaterialActual, ProductionPerformance, Reversal

_SCRAP_FIELDS = ["product_id", "product_uom_id", "scrap_qty", "location_id", "scrap_location_id"]
_MOVE_FIELDS = ["product_id", "product_uom", "location_id", "location_dest_id"]


@dataclass(frozen=True, slots=True)
class _Shares:
    """What of a reversal is of good pieces, of scrap and of consumption, in our unit; the others are 0."""

    good: Decimal = Decimal(0)
    lost: Decimal = Decimal(0)
    consumed: Decimal = Decimal(0)

    @property
    def back(self) -> Decimal:
        """What a transfer brings back; an event is never of scrap and of consumption."""
        return self.lost or self.consumed


class Reversals:
    """Finds and plans them; nothing of them is kept here."""

    def __init__(self, client: OdooClient, settings: OdooSettings, events: Converter) -> None:
        self._client, self._settings, self._events = client, settings, events

    async def find(self, event: Reversal) -> Found:
        """Whether all that the event takes back is; the id is that of the first scrap, or else of the transfer."""
        shares, key = _shares(event), origin.key(event.order_ref, event.event_id)
        found = []
        if shares.good:
            found.append(await self._find_good(event, shares.good, key))
        if shares.back:
            found.append(await self._find_back(event, shares.back, key))
        return found[0] if all(part.is_posted for part in found) else Found(is_posted=False)

    async def plan(self, event: Reversal) -> list[Step]:
        """What of it is not in Odoo yet. Raises BusinessError where the event that it reverses is not."""
        shares, key = _shares(event), origin.key(event.order_ref, event.event_id)
        steps: list[Step] = []
        # The scrap first: a resumed plan goes on behind its last step that must not be sent twice.
        if shares.good and not (await self._find_good(event, shares.good, key)).is_posted:
            steps += await self._scrap_good(event, shares.good, key)
        if shares.back and not (await self._find_back(event, shares.back, key)).is_posted:
            steps += await self._bring_back(event, shares, key)
        return steps

    async def _find_good(self, event: Reversal, good: Decimal, key: str) -> Found:
        wanted = len(event.reverses.serials) if isinstance(event.reverses, MaterialActual) else 0
        done = await scrap.read_done(self._client, [origin.like(key, "%")])
        if len(done) < max(wanted, 1):
            return Found(is_posted=False)
        there = sum((from_odoo(record.get("scrap_qty")) for record in done), Decimal(0))
        check_same(event.order_ref, f"scrap {done[0]['id']}", [there], [await self._events.taken_back(event, good)])
        return Found(is_posted=True, external_id=str(done[0]["id"]))

    async def _find_back(self, event: Reversal, back: Decimal, key: str) -> Found:
        return await transfer.find(self._client, event.order_ref, key, await self._events.taken_back(event, back))

    async def _scrap_good(self, event: Reversal, good: Decimal, key: str) -> list[Step]:
        made, uom = await self._made(event)
        check_unit(made, event.order_ref, "", uom)
        fields = ["product_id", "product_uom_id", "location_dest_id"]
        record = await self._client.record("mrp.production", made.id, fields)
        product, unit, place = (int(record[name][0]) for name in fields)
        quantity = await self._events.taken_back(event, good)
        whole = Part(key, ("origin", "=", key), product, made.product, unit, place, made.id, quantity)
        parts = await self._by_lot(whole, made, event)
        return await scrap.steps(self._client, parts, event.reason, self._settings)

    async def _made(self, event: Reversal) -> tuple[Production, str]:
        """The production that made the pieces, and its unit as we know it."""
        posted = event.reverses
        chain = await read_chain(
            self._client, event.order_ref, with_cancelled=isinstance(posted, ProductionPerformance)
        )
        if isinstance(posted, ProductionPerformance):
            performance, _, uom = await self._events.performance(posted)
            made = await confirmation.completed(self._client, chain, performance)
        else:
            pieces, uom = await self._events.pieces(posted)
            done = production.find(chain, pieces)
            made = next((one for one in chain if str(one.id) == done.external_id), None)
        if made is None:
            raise _not_there(event, "the pieces")
        return made, uom

    async def _by_lot(self, whole: Part, made: Production, event: Reversal) -> list[Part]:
        """The pieces by their lot or serial numbers. Raises BusinessError where it is not told which ones are taken back."""
        posted = event.reverses
        names = lots.names(made, posted) if isinstance(posted, MaterialActual) else ()
        if not names:
            return [whole]
        known = await lots.registered(self._client, whole.product, names)
        if missing := [name for name in names if name not in known]:
            raise BusinessError(
                f"order {event.order_ref}: Odoo does not have the lots {', '.join(missing)} of {whole.name}: correct them there first"
            )
        place = (whole.product, whole.name, whole.unit, whole.place, whole.production)
        if made.tracking == "lot":
            return [Part(whole.origin, whole.domain, *place, whole.quantity, known[names[0]])]
        if not isinstance(posted, MaterialActual) or event.quantity != posted.quantity:
            raise BusinessError(
                f"order {event.order_ref}: {plain(event.quantity)} of {len(names)} pieces with serial numbers are taken back, and "
                "nothing says which: scrap them in Odoo by hand"
            )
        origins = {name: origin.serial(whole.origin, name) for name in names}
        return [Part(origins[name], ("origin", "=", origins[name]), *place, Decimal(1), known[name]) for name in names]

    async def _bring_back(self, event: Reversal, shares: _Shares, key: str) -> list[Step]:
        quantity = await self._events.taken_back(event, shares.back)
        named = origin.back(key, quantity, is_part=bool(shares.consumed))
        lines = (
            [await self._consumed(event, quantity)] if shares.consumed else await self._components(event, shares.lost)
        )
        return await transfer.plan(self._client, named, event.event_id, lines)

    async def _components(self, event: Reversal, lost: Decimal) -> list[Line]:
        """The share of what was scrapped for the pieces, out of the location of scrap."""
        posted = event.reverses
        told = await self._events.lost(posted)
        if not (await scrap.find(self._client, told)).is_posted:
            raise _not_there(event, "the scrap")
        share = Fraction(lost) / Fraction(
            posted.scrapped if isinstance(posted, ProductionPerformance) else posted.quantity
        )
        lines = []
        domain = [origin.like(told.key, scrap.COMPONENTS), ["state", "=", "done"]]
        async for record in self._client.pages("stock.scrap", _SCRAP_FIELDS, domain):
            name = str(record["product_id"][1])
            what = f"{name} for {plain(lost)} pieces of order {event.order_ref} that are no scrap"
            quantity = to_decimal(Fraction(from_odoo(record["scrap_qty"])) * share, told.digits, what)
            source, target = int(record["scrap_location_id"][0]), int(record["location_id"][0])
            unit = int(record["product_uom_id"][0])
            lines.append(Line(int(record["product_id"][0]), name, unit, quantity, source, target))
        return lines

    async def _consumed(self, event: Reversal, quantity: Decimal) -> Line:
        """The component out of where the order's productions took it to."""
        posted = event.reverses
        assert isinstance(posted, MaterialActual)
        actual, product, _ = await self._events.consumed(posted)
        chain = await read_chain(self._client, event.order_ref, with_cancelled=True)
        found = await consumption.find(self._client, chain, product, actual)
        if found.external_id is None:
            raise _not_there(event, "the consumption")
        move = await self._client.record("stock.move", int(found.external_id), _MOVE_FIELDS)
        taken, unit, place, gone = (move[name] for name in _MOVE_FIELDS)
        return Line(int(taken[0]), str(taken[1]), int(unit[0]), quantity, int(gone[0]), int(place[0]))


def _shares(event: Reversal) -> _Shares:
    posted = event.reverses
    if isinstance(posted, MaterialActual):
        match posted.kind:
            case EventKind.SCRAP:
                return _Shares(lost=event.quantity)
            case EventKind.CONSUMED:
                return _Shares(consumed=event.quantity)
        return _Shares(good=event.quantity)
    if not posted.scrapped:
        return _Shares(good=event.quantity)
    if not posted.yielded:
        return _Shares(lost=event.quantity)
    if event.quantity == posted.yielded + posted.scrapped:
        return _Shares(posted.yielded, posted.scrapped)
    raise BusinessError(
        f"order {event.order_ref}: {plain(event.quantity)} of a confirmation of {plain(posted.yielded)} good pieces and "
        f"{plain(posted.scrapped)} of scrap are taken back, and nothing says of which: take back the whole confirmation, or correct "
        "Odoo by hand"
    )


def _not_there(event: Reversal, what: str) -> BusinessError:
    return BusinessError(
        f"order {event.order_ref}: {what} that a reversal takes back is not in Odoo yet: post that first, then replay this event"
    )
