"""Confirmations of an order as a whole: what each yielded and scrapped becomes moves, the last one closes the order.

A confirmation tells no totals to know it by. So before its moves are made it leaves a mark: a note on the production with its id and
the totals before it, from which its totals after follow. Where the next one's mark says that they were not reached then, the
confirmation was passed over, and is not in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Self

from bridge.erp.connector import Found, Step
from bridge.erp.quantity import Units
from bridge.erp.tryton82 import output
from bridge.erp.tryton82.client import TrytonClient, to_date
from bridge.erp.tryton82.order import CLOSED, Move, Order, done, find_by_total, reached
from bridge.erp.tryton82.start import CANCEL, check_open
from bridge.erp.tryton82.taking import TAKE
from bridge.errors import BusinessError
from bridge.model.decimals import plain
from bridge.model.production import ProductionPerformance

MARK: Final = "POST ir.note"
_NUMBER: Final = r"(\d+(?:\.\d+)?)"
_TEXT: Final = re.compile(rf"^amor (\S+): good {_NUMBER} after {_NUMBER}, scrap {_NUMBER} after {_NUMBER}$")


@dataclass(frozen=True, slots=True)
class Share:
    """What a confirmation adds to one of an order's totals, and what that was before."""

    quantity: Decimal
    before: Decimal

    @property
    def after(self) -> Decimal:
        """What it is with it."""
        return self.before + self.quantity


@dataclass(frozen=True, slots=True)
class Mark:
    """What a confirmation adds to the order's good pieces and to its scrap."""

    good: Share
    scrap: Share

    @property
    def has_pieces(self) -> bool:
        """Whether it adds anything."""
        return bool(self.good.quantity or self.scrap.quantity)

    @property
    def parts(self) -> list[tuple[bool, Share]]:
        """What it adds, by whether it is scrap."""
        return [(is_scrap, share) for is_scrap, share in ((False, self.good), (True, self.scrap)) if share.quantity]

    @classmethod
    def planned(cls, order: Order, event: ProductionPerformance, units: Units) -> Self:
        """What the event would leave now."""
        item = units.ours(order.product_code)
        yielded, scrapped = (order.amount(units, amount, event.uom, item) for amount in (event.yielded, event.scrapped))
        return cls(Share(yielded, done(order.good())), Share(scrapped, done(order.scrap())))

    def text(self, event: ProductionPerformance) -> str:
        """As the note has it."""
        return (
            f"amor {event.event_id}: good {plain(self.good.quantity)} after {plain(self.good.before)}, "
            f"scrap {plain(self.scrap.quantity)} after {plain(self.scrap.before)}"
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What `text` wrote. Raises BusinessError for anything else."""
        match = _TEXT.match(text.strip())
        if match is None:
            raise BusinessError(
                f"the note {text!r} of a production of Tryton's was changed by somebody: write it as it was"
            )
        good, good_before, scrap, scrap_before = (Decimal(number) for number in match.groups()[1:])
        return cls(Share(good, good_before), Share(scrap, scrap_before))

    def says(self, planned: Mark) -> bool:
        """Whether it is of the same quantities."""
        return (self.good.quantity, self.scrap.quantity) == (planned.good.quantity, planned.scrap.quantity)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A confirmation and what Tryton has of it: `mark` is what it left before, None for nothing that counts.

    `is_first`: no confirmation of its order has left a mark.
    """

    order: Order
    event: ProductionPerformance
    planned: Mark
    mark: Mark | None
    is_first: bool

    @classmethod
    async def read(cls, client: TrytonClient, units: Units, order: Order, event: ProductionPerformance) -> Self:
        """Raises BusinessError where the event was posted with other quantities than it has now."""
        planned = Mark.planned(order, event, units)
        notes = await _notes(client, order) if planned.has_pieces else []
        mark = _read_mark(notes, order, event, planned)
        return cls(order, event, planned, mark, is_first=not notes)

    def find(self) -> Found:
        """By the totals that the mark says; the last one is in when the order is closed."""
        found = Found(is_posted=True, external_id=f"production,{self.order.id}")
        if self.planned.has_pieces:
            if self.mark is None:
                return Found(is_posted=False)
            parts = [_find_part(self.order, is_scrap, share) for is_scrap, share in self.mark.parts]
            if not all(part.is_posted for part in parts):
                return Found(is_posted=False)
            found = parts[0]
        return Found(is_posted=False) if self.event.is_final and self.order.state not in CLOSED else found

    def plan(self, effective: date, waste: int | None, start: Sequence[Step]) -> list[Step]:
        """Mark, split, carry out, and close with the last. `waste`: where scrap goes.

        Raises BusinessError where it cannot be posted.
        """
        check_open(self.order, self.planned.good.quantity + self.planned.scrap.quantity)
        steps = [*self._mark(), *start]
        posting = self._post(effective, waste) if self.planned.has_pieces else []
        if self.event.is_final and not posting and (drafts := _drafts(self.order)):
            posting = _drop(self.order, drafts, effective)
        steps += posting
        return [*steps, output.close(self.order)] if self.event.is_final else steps

    def _mark(self) -> list[Step]:
        if self.mark is not None or not self.planned.has_pieces:
            return []
        if self.planned.good.quantity and self.planned.good.before and self.is_first:
            raise BusinessError(
                f"order {self.order.name} has {plain(self.planned.good.before)} good pieces in Tryton that no confirmation "
                'posted: where pieces go as events of their own set performance = "closes" for the connector; else take them back '
                "there, then replay this event"
            )
        note = {"resource": f"production,{self.order.id}", "message": self.planned.text(self.event)}
        return [Step("mark", MARK, note, is_repeatable=True)]

    def _post(self, effective: date, waste: int | None) -> list[Step]:
        order = self.order
        parts = [
            (is_scrap, share)
            for is_scrap, share in (self.mark or self.planned).parts
            if not _find_part(order, is_scrap, share).is_posted
        ]
        if not parts:
            return []
        commands = _split(order, parts, effective, waste, is_final=self.event.is_final)
        split = Step("split output", f"PUT production/{order.id}", {"outputs": commands}, is_repeatable=False)
        takings = [
            output.produced(order, share.quantity, share.after, is_scrap=is_scrap).to_json()
            for is_scrap, share in parts
        ]
        return [split, *(Step("carry out", TAKE, taking, is_repeatable=True) for taking in takings)]


async def confirmed_move(
    client: TrytonClient, units: Units, order: Order, event: ProductionPerformance, quantity: Decimal
) -> Move:
    """The done move of the good pieces of a confirmation. Raises BusinessError where it has none, or `quantity` is more."""
    confirmation = await Confirmation.read(client, units, order, event)
    if confirmation.mark is None or quantity > event.yielded:
        raise BusinessError(
            f"order {order.name}: {plain(quantity)} are to be taken back of a confirmation of {plain(event.yielded)} good pieces"
            f"{'' if confirmation.mark else ' that Tryton does not have'}: correct this event, then replay it"
        )
    return reached(order.good(), confirmation.mark.good.after)


async def _notes(client: TrytonClient, order: Order) -> list[str]:
    """The marks on the production, in the order in which they were left; one that came again late stands where it came first."""
    domain = [["resource", "=", f"production,{order.id}"], ["message", "like", "amor %"]]
    return list(dict.fromkeys(str(note["message"]) for note in await client.search_all("ir.note", domain, ["message"])))


def _read_mark(notes: Sequence[str], order: Order, event: ProductionPerformance, planned: Mark) -> Mark | None:
    """The event's mark; None where it has none, or one of an attempt that posted nothing.

    Raises BusinessError where the event was posted in part, or with other quantities than it has now.
    """
    own = [number for number, text in enumerate(notes) if text.startswith(f"amor {event.event_id}:")]
    if not own:
        return None
    text, later = notes[own[-1]], [note for note in notes[own[-1] + 1 :] if _TEXT.match(note)]
    mark = Mark.from_text(text)
    if later:  # what the order had when the next confirmation began says whether this one was in
        then = Mark.from_text(later[0])
        was_in = {share.after <= (then.scrap if is_scrap else then.good).before for is_scrap, share in mark.parts}
    else:
        was_in = {(mark.good.before, mark.scrap.before) != (planned.good.before, planned.scrap.before)}
    if was_in == {False} and (later or not mark.says(planned)):
        return None
    if mark.says(planned) and len(was_in) == 1:
        return mark
    raise BusinessError(
        f"order {order.name}: Tryton has {text!r}, and the event says {plain(planned.good.quantity)} good and "
        f"{plain(planned.scrap.quantity)} scrap now: take back what was posted, or correct this event"
    )


def _drop(order: Order, drafts: Sequence[Move], effective: date) -> list[Step]:
    """What was still planned is cancelled; with the day first, since Tryton takes the planned one else, of a closed period maybe."""
    ids = [move.id for move in drafts]
    dated = {"outputs": [["write", ids, {"effective_date": to_date(effective)}]]}
    return [
        Step("date rest", f"PUT production/{order.id}", dated, is_repeatable=True),
        Step("drop rest", CANCEL, {"moves": ids}, is_repeatable=True),
    ]


def _split(
    order: Order, parts: Sequence[tuple[bool, Share]], effective: date, waste: int | None, *, is_final: bool
) -> list[object]:
    """The first draft becomes the first part, the others are made; a draft of what is left, and what was lost goes."""
    drafts = [move for move in order.good() if move.state == "draft"]
    place = drafts[0].to_location if drafts else _place(order)
    commands: list[object] = []
    for number, (is_scrap, share) in enumerate(parts):
        values = output.values(share.quantity, effective, waste if is_scrap else None, is_scrap=is_scrap)
        if drafts and not number:
            commands.append(["write", [drafts[0].id], values])
        else:
            commands.append(["create", [output.new_output(order, share.quantity, place) | values]])
    made = done(order.good()) + sum((share.quantity for is_scrap, share in parts if not is_scrap), Decimal(0))
    left = Decimal(0) if is_final else max(order.quantity - made, Decimal(0))
    lost = [move for move in _drafts(order) if not drafts or move.id != drafts[0].id]
    return [*commands, *output.rest(order, left, place), *output.delete(lost)]


def _drafts(order: Order) -> list[Move]:
    return [move for move in (*order.good(), *order.scrap()) if move.state == "draft"]


def _place(order: Order) -> int:
    made = order.good()
    if not made:
        raise BusinessError(
            f"order {order.name} has no output of {order.product_code} in Tryton: add one of what is to be made, then replay "
            "this event"
        )
    return made[0].to_location


def _find_part(order: Order, is_scrap: bool, share: Share) -> Found:
    moves, what = (order.scrap(), f"scrap of order {order.name}") if is_scrap else (order.good(), f"order {order.name}")
    return find_by_total(moves, share.quantity, share.after, what)
