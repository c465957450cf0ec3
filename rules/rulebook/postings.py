"""`erp_posting`: as what counted pieces are posted (ISA-95 part 2: MaterialActual, ProductionPerformance), and to which system."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from bridge.config.units import UnitError, check_unit, ucum
from bridge.model.production import OF_PRODUCTION, EventKind
from rules.conditions import Condition
from rules.conditions.counted import Counted
from rules.durations import duration
from rules.nodes import Scalar
from rules.rulebook.model import PIECES, PostingAction
from rules.section import Item, Reader, Section, count, one_of, text

KINDS: Final = OF_PRODUCTION
FINAL: Final = {"order_end": True, "never": False}
_WITH_SERIALS: Final = (EventKind.WIP_TO_FG, EventKind.SCRAP)
_WITH_LOT: Final = (EventKind.WIP_TO_FG, EventKind.SCRAP, EventKind.CONSUMED)
# Fields that belong to one kind.
_OWN: Final = {
    "item": EventKind.CONSUMED,
    "uom": EventKind.CONSUMED,
    "per_piece": EventKind.CONSUMED,
    "location": EventKind.CONSUMED,
    "segment": EventKind.PERFORMANCE,
    "final": EventKind.PERFORMANCE,
}
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,12})?")


def read_posting(reader: Reader, item: Item, condition: Condition | None) -> PostingAction | None:
    """An erp_posting; None after telling what is missing."""
    fields = reader.section(item)
    connector = fields.need("connector", text)
    kind = fields.take("kind", one_of(EventKind, [str(kind) for kind in KINDS]), EventKind.WIP_TO_FG)
    quantity_item = fields.item_of("quantity")
    batch_item = fields.item_of("batch")
    max_qty, max_wait = _batch(reader, batch_item) if batch_item else (1, timedelta())
    _tell_strange(fields, kind)
    action = PostingAction(
        connector or "", kind, max_qty, max_wait,
        item=fields.take("item", text, ""),
        uom=fields.take("uom", _unit, PIECES),
        per_piece=_per_piece(reader, fields.item_of("per_piece")),
        location=fields.take("location", text, ""),
        segment=fields.take("segment", text, ""),
        ends_with_order=fields.take("final", one_of(FINAL.__getitem__, list(FINAL)), False),
        lot=_tag(reader, fields.item_of("lot"), ": the tag that names the lot, e.g. lot: {tag: parts.lot}"),
        serials=_tag(reader, fields.item_of("serials"), ": the tag of the serial number, e.g. serials: {tag: parts.serial}"),
    )  # fmt: skip
    fields.close()
    if kind is EventKind.CONSUMED and not action.item:
        reader.tell(item, "item is missing: what each piece takes, e.g. item: BAR-60")
        return None
    if condition and not isinstance(condition, Counted):
        reader.tell(item, "a posting follows counted pieces: the rule needs on")
        return None
    if isinstance(condition, Counted) and quantity_item:
        _check_quantity(reader, quantity_item, condition)
    return action if connector else None


def purpose_of(action: PostingAction) -> tuple[str, ...]:
    """What a count is posted for, once: finished goods to whatever system, the rest to each; what is scrapped is not taken back."""
    if action.kind is EventKind.WIP_TO_FG:
        return (str(action.kind),)
    kind = EventKind.SCRAP if action.kind is EventKind.REVERSAL else action.kind
    return (str(kind), action.connector, action.item)


def _tell_strange(fields: Section, kind: EventKind) -> None:
    """Say which fields are of another kind; they are read all the same."""
    for name, own in _OWN.items():
        if kind is not own and (item := fields.peek(name)):
            fields.reader.tell(item, f"is of kind: {own}; a {kind} posting has none")
    if kind not in _WITH_LOT and (item := fields.peek("lot")):
        fields.reader.tell(item, f"a {kind} posting names no lot; {', '.join(_WITH_LOT)} do")
    if kind not in _WITH_SERIALS and (item := fields.peek("serials")):
        fields.reader.tell(item, f"a {kind} posting names no serial numbers of pieces; {', '.join(_WITH_SERIALS)} do")


def _check_quantity(reader: Reader, item: Item, condition: Counted) -> None:
    wanted = f"delta({condition.counter})"
    if (written := reader.convert(item, text)) is not None and written != wanted:
        reader.tell(item, f"must be {wanted}: what is counted is what is posted")


def _per_piece(reader: Reader, item: Item | None) -> Decimal:
    """The digits as they are written, with or without quotes: as a binary fraction 0.85 would not be 0.85."""
    if item is None:
        return Decimal(1)
    written = item.node.value if isinstance(item.node, Scalar) else ""
    found = _DECIMAL.fullmatch(written.strip())
    if not found or not Decimal(found[0]):
        reader.tell(
            item, 'must be an exact decimal above 0, at most 9 digits before the point and 12 behind it, e.g. "0.85"'
        )
        return Decimal(1)
    return Decimal(found[0])


def _unit(value: Any) -> str:
    written = text(value)
    if written != PIECES:
        try:
            check_unit(written)
        except UnitError as error:
            raise ValueError(str(error)) from error
    return ucum(written)


def _tag(reader: Reader, item: Item | None, wanted: str) -> str | None:
    if item is None:
        return None
    fields = reader.section(item)
    tag = fields.need("tag", text, wanted)
    fields.close()
    return tag


def _batch(reader: Reader, item: Item) -> tuple[int, timedelta]:
    fields = reader.section(item)
    max_qty = fields.take("max_qty", count, 1)
    max_wait = fields.take("max_wait", lambda v: duration(text(v)), timedelta())
    fields.close()
    return max_qty, max_wait
