"""What a rule is to post: which counts it means, since when, and how they are put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bridge.config.settings import ProductionSettings
from bridge.model.production import CountKind, EventKind
from bridge.store.posting import Purpose
from bridge.store.production_count import Unposted
from rules.conditions.counted import Counted
from rules.rulebook.model import PostingAction, Rule, Rulebook
from rules.rulebook.postings import purpose_of

# Of a performance good and scrap belong together, whichever of them the rule counts.
_COUNTED: Final = {
    EventKind.WIP_TO_FG: frozenset({CountKind.GOOD}),
    EventKind.SCRAP: frozenset({CountKind.SCRAP}),
    EventKind.REVERSAL: frozenset({CountKind.SCRAP}),
    EventKind.PERFORMANCE: frozenset({CountKind.GOOD, CountKind.SCRAP}),
}


@dataclass(slots=True, eq=False)
class Duty:
    """One erp_posting of one rule. `since` is when it first was active, None before that; `index` its place among all duties.

    `settled_to` is the count up to which it has nothing left to do, as it is stored.
    """

    rule: Rule
    condition: Counted
    action: PostingAction
    index: int
    of_counter: CountKind | None  # what the rule's own counter counts
    production: ProductionSettings | None = None  # says how machines tell serial numbers, where the duty posts them
    since: datetime | None = None
    settled_to: int = 0

    @property
    def purpose(self) -> Purpose:
        """What its postings are for."""
        return Purpose(self.action.connector, str(self.action.kind), self.action.item)

    def serial_wait(self, path: str) -> timedelta:
        """How long after a piece of a machine its serial number may be told."""
        if self.production is None or not self.production.is_serial_told_after(path):
            return timedelta()
        return timedelta(seconds=self.production.serial_within_s)

    def takes(self, kind: str) -> tuple[str, ...]:
        """As what it takes counts of a kind: of two duties of which this is the same one takes a count."""
        if self.action.kind is EventKind.PERFORMANCE and kind == CountKind.SCRAP:
            return (
                str(EventKind.SCRAP),
                self.action.connector,
                "",
            )  # scrap that is posted by itself is in no performance
        return purpose_of(self.action)

    @property
    def counted(self) -> frozenset[CountKind]:
        """The kinds of counts that it posts."""
        if self.action.kind is EventKind.CONSUMED:
            return frozenset({self.of_counter}) if self.of_counter else frozenset()
        return _COUNTED[self.action.kind]

    def means(self, count: Unposted, equipment_class: str | None) -> bool:
        """Whether a count is its to post. It follows from the count's own row, so that it can be asked again after any crash."""
        if self.since is None or count.at < self.since or count.kind not in self.counted:
            return False
        if self.action.kind is EventKind.WIP_TO_FG and not count.is_final:
            return False
        # Scrap that belongs to a performance comes along with it: `on` is about the rule's own counter.
        pieces = None if self.of_counter is not None and count.kind != self.of_counter else count.qty
        return self.holds_for(count.path, equipment_class) and self.condition.accepts(
            pieces, order_active=count.order_number is not None, operation_is_final=count.is_final
        )

    def holds_for(self, path: str, equipment_class: str | None) -> bool:
        """Whether it posts what an asset counts."""
        return self.rule.for_each.matches(path, equipment_class)


def duties_of(rulebook: Rulebook, production: ProductionSettings) -> list[Duty]:
    """All that the rules are to post, in their order, performances last: they have what is posted in no other way."""
    kinds = {production.good: CountKind.GOOD, production.scrap: CountKind.SCRAP}
    postings = sorted(_postings(rulebook.rules), key=lambda each: each[1].kind is EventKind.PERFORMANCE)
    return [
        Duty(
            rule,
            rule.condition,
            action,
            index,
            kinds.get(_tag_of(rule, rule.condition)),
            production=production if action.serials else None,
        )
        for index, (rule, action) in enumerate(postings)
        if isinstance(rule.condition, Counted)
    ]


def _postings(rules: Iterable[Rule]) -> Iterable[tuple[Rule, PostingAction]]:
    return ((rule, action) for rule in rules if isinstance(rule.condition, Counted) for action in rule.postings)


def _tag_of(rule: Rule, condition: Counted) -> str:
    return next(entry.tag for entry in rule.inputs if entry.name == condition.counter)
