"""Whether what rules post can be posted: by tags that count, by connectors that carry it, each piece once for each purpose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from bridge.config.settings import ProductionSettings, Settings
from bridge.config.settings.plant import Equipment
from bridge.model.production import EventKind
from rules.conditions.counted import Counted
from rules.rulebook.model import PostingAction, Rule
from rules.rulebook.postings import purpose_of

Carried = Mapping[str, frozenset[EventKind]]
"""The kinds of event that each connector carries, by its name."""

_COUNTERS: Final = {
    EventKind.WIP_TO_FG: ("good",),
    EventKind.SCRAP: ("scrap",),
    EventKind.REVERSAL: ("scrap",),
    EventKind.CONSUMED: ("good", "scrap"),
    EventKind.PERFORMANCE: ("good", "scrap"),
}


# Types of connectors that refuse an event with serial numbers, or with serial numbers and a lot.
_NO_SERIALS: Final = frozenset({"tryton82"})
_ONE_OF_BOTH: Final = frozenset({"odoo19"})


class Posting(NamedTuple):
    """One erp_posting of a rule."""

    rule: Rule
    action: PostingAction

    @property
    def counter(self) -> str:
        """The tag that counts what is posted."""
        condition = self.rule.condition
        assert isinstance(condition, Counted), "a posting follows counted pieces"
        return next(entry.tag for entry in self.rule.inputs if entry.name == condition.counter)

    @property
    def pieces(self) -> tuple[str, ...]:
        """Two postings in which this is the same are about the same pieces, on the same asset."""
        return (*purpose_of(self.action), self.counter if self.action.kind is EventKind.CONSUMED else "")


class Mistake(NamedTuple):
    """What is wrong with a posting; `path` and `value` say where it stands in the rule."""

    posting: Posting
    message: str
    path: tuple[str, ...]
    value: str | None = None


def mistakes_of(rules: list[Rule], settings: Settings, carried: Carried) -> Iterator[Mistake]:
    """Every mistake of what the rules post."""
    postings = [
        Posting(rule, action) for rule in rules if isinstance(rule.condition, Counted) for action in rule.postings
    ]
    for posting in postings:
        yield from _strange(posting, settings.production)
        yield from _not_carried(posting, carried)
        yield from _without_serials(posting, settings)
    yield from _posted_twice(postings, settings.equipment)
    yield from _in_two_units(postings)
    yield from _nothing_to_take_back(postings)


def _strange(posting: Posting, production: ProductionSettings) -> Iterator[Mistake]:
    condition, kind, lot = posting.rule.condition, posting.action.kind, posting.action.lot
    assert isinstance(condition, Counted), "a posting follows counted pieces"
    names = {"good": production.good, "scrap": production.scrap}
    wanted = [names[each] for each in _COUNTERS[kind]]
    if posting.counter not in wanted:
        message = (
            f"only {' and '.join(_COUNTERS[kind])} pieces are posted as {kind}: {condition.counter} must be the tag "
            f"{' or '.join(wanted)}"
        )
        yield Mistake(posting, message, ("inputs", condition.counter, "tag"))
    if lot is not None and lot != production.lot:
        message = f"the lot of counted pieces is read from {production.lot}: [production] lot names its tag"
        yield Mistake(posting, message, ("actions",), lot)
    serials = posting.action.serials
    if serials is not None and serials != production.serial:
        message = f"serial numbers of pieces are read from {production.serial}: [production] serial names their tag"
        yield Mistake(posting, message, ("actions",), serials)


def _not_carried(posting: Posting, carried: Carried) -> Iterator[Mistake]:
    action = posting.action
    kinds = carried.get(action.connector)
    if kinds is not None and action.kind not in kinds:
        ours = ", ".join(str(kind) for kind in _COUNTERS if kind in kinds) or "none of what rules post"
        message = f"{action.connector} carries no {action.kind} events; it carries {ours}"
        yield Mistake(posting, message, ("actions",), str(action.kind))


def _without_serials(posting: Posting, settings: Settings) -> Iterator[Mistake]:
    action = posting.action
    if action.serials is None:
        return
    of_type = next((each.type for each in settings.connector if each.name == action.connector), "")
    if of_type in _NO_SERIALS:
        message = f"{action.connector} takes no serial numbers ({of_type}): leave serials out, or give it the lot"
        yield Mistake(posting, message, ("actions",), action.serials)
    elif of_type in _ONE_OF_BOTH and action.lot is not None:
        message = (
            f"{action.connector} tracks a product by lot or by serial number ({of_type}): leave lot or serials out"
        )
        yield Mistake(posting, message, ("actions",), action.serials)


def _posted_twice(postings: list[Posting], equipment: list[Equipment]) -> Iterator[Mistake]:
    first: dict[tuple[object, ...], Posting] = {}
    told: set[tuple[str, str]] = set()
    for posting in postings:
        assets = [each.path for each in equipment if posting.rule.for_each.matches(each.path, each.equipment_class)]
        for where in (posting.rule.for_each, *assets):
            before = first.setdefault((where, *posting.pieces), posting)
            pair = (before.rule.id, posting.rule.id)
            if before.rule is not posting.rule and pair not in told:
                told.add(pair)
                yield Mistake(posting, _twice(before, posting, where), ("actions",), str(posting.action.kind))


def _twice(before: Posting, posting: Posting, where: object) -> str:
    on = f" on {where}" if isinstance(where, str) else ""
    if before.action.kind is not posting.action.kind:
        return (
            f"the rule {before.rule.id} posts the same pieces{on} as {before.action.kind} already: "
            "what was scrapped cannot be taken back as well; a piece is posted once"
        )
    to = "" if posting.action.kind is EventKind.WIP_TO_FG else f" to {posting.action.connector}"
    return f"the rule {before.rule.id} posts the same pieces{on}{to} already; a piece is posted once"


def _in_two_units(postings: list[Posting]) -> Iterator[Mistake]:
    first: dict[tuple[str, str], Posting] = {}
    for posting in postings:
        action = posting.action
        if action.kind is EventKind.CONSUMED:
            before = first.setdefault((action.connector, action.item), posting)
            if before.action.uom != action.uom:
                message = f"{action.item} is posted in {before.action.uom} by the rule {before.rule.id}: its total has one unit"
                yield Mistake(posting, message, ("actions",), action.uom)


def _nothing_to_take_back(postings: list[Posting]) -> Iterator[Mistake]:
    finished = [posting for posting in postings if posting.action.kind is EventKind.WIP_TO_FG]
    posted = {posting.action.connector for posting in finished}
    named = {posting.action.connector: posting.rule.id for posting in finished if posting.action.serials}
    for posting in postings:
        connector = posting.action.connector
        if posting.action.kind is not EventKind.REVERSAL:
            continue
        if connector not in posted:
            message = f"no rule posts wip_to_fg to {connector}: there is nothing that could be taken back"
            yield Mistake(posting, message, ("actions",), connector)
        elif connector in named:
            message = (
                f"the rule {named[connector]} posts pieces with serial numbers to {connector}, and a rule takes the newest ones "
                "back, whichever was scrapped: a person takes it back by its number"
            )
            yield Mistake(posting, message, ("actions",), str(posting.action.kind))
