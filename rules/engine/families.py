"""Siblings: the other assets of the same class under the same parent, whose readings an asset's rules may compare with its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.engine.asset import Asset
from rules.instance import Instance
from rules.rulebook.model import Rule

_Family = tuple[str, str | None]


@dataclass(slots=True)
class Families:
    """Assets by parent and class, and who listens to whose tags."""

    listeners: dict[int, set[Asset]] = field(default_factory=dict)  # by tag, beside the asset that carries it
    _members: dict[_Family, list[Asset]] = field(default_factory=dict)
    _asking: dict[tuple[_Family, str], set[Asset]] = field(default_factory=dict)  # who compares with tags of this name

    def add(self, asset: Asset, equipment_class: str | None) -> None:
        """Take an asset into its family."""
        self._members.setdefault(_family(asset, equipment_class), []).append(asset)

    def tags(self, asset: Asset, equipment_class: str | None, rule: Rule) -> dict[str, list[int]]:
        """The tags of an asset's siblings that a rule asks for, by name."""
        wanted = {each.tag for each in rule.inputs if each.of}
        siblings = list(self._siblings(asset, equipment_class)) if wanted else []
        return {name: [each.tags[name] for each in siblings if name in each.tags] for name in wanted}

    def join(self, asset: Asset, equipment_class: str | None, instance: Instance) -> list[tuple[int, Asset]]:
        """Let an asset listen to what a new instance asks of its siblings; returns the tags with their assets."""
        found = []
        for name in {each.tag for each in instance.rule.inputs if each.of}:
            self._asking.setdefault((_family(asset, equipment_class), name), set()).add(asset)
            for sibling in self._siblings(asset, equipment_class):
                if (tag_id := sibling.tags.get(name)) is not None:
                    self.listeners.setdefault(tag_id, set()).add(asset)
                    found.append((tag_id, sibling))
        return found

    def tell(self, asset: Asset, equipment_class: str | None, name: str) -> bool:
        """Let siblings know of an asset's new tag; whether one of them listens to it."""
        asking = self._asking.get((_family(asset, equipment_class), name), set()) - {asset}
        for sibling in asking:
            self.listeners.setdefault(asset.tags[name], set()).add(sibling)
            for instance in sibling.instances:
                instance.add_sibling(name, asset.tags[name])
        return bool(asking)

    def foreign(self, asset: Asset) -> set[int]:
        """The tags of other assets that an asset listens to."""
        return {tag for tag, listening in self.listeners.items() if asset in listening} if self.listeners else set()

    def _siblings(self, asset: Asset, equipment_class: str | None) -> Iterator[Asset]:
        return (each for each in self._members.get(_family(asset, equipment_class), ()) if each is not asset)


def _family(asset: Asset, equipment_class: str | None) -> _Family:
    return asset.path.rpartition("/")[0], equipment_class
