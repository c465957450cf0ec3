"""The nodes that the configuration wants, each a tag, and the keys of their readings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua

from bridge.config.settings import OpcUaNodes
from bridge.model.reading import Reading, TagKey

_WITH_URI: Final = re.compile(r"nsu=([^;]*);(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Item:
    """One wanted node. `handle` names it towards the server, `address` is its id with the namespace's URI."""

    handle: int
    tag: TagKey
    unit: str
    address: str


def items_of(tables: Sequence[OpcUaNodes]) -> list[Item]:
    """All wanted nodes; handles count from 1 in the order of the configuration."""
    items: list[Item] = []
    for table in tables:
        for name, unit in table.tags.items():
            tag = TagKey(table.equipment, name)
            items.append(Item(len(items) + 1, tag, unit, table.node.replace("{tag}", name)))
    return items


def node_id(address: str, namespaces: Sequence[str]) -> ua.NodeId | None:
    """The node id in a session: the index of a namespace is the session's own. None where the server has no such namespace.

    Raises ua.UaError where the address is no node id.
    """
    match = _WITH_URI.fullmatch(address)
    if match is None:
        return ua.NodeId.from_string(address)
    if match[1] not in namespaces:
        return None
    return ua.NodeId.from_string(f"ns={namespaces.index(match[1])};{match[2]}")


class Newest:
    """The newest reading of each tag, by which a value that comes again is known, and one that shares its time is told apart."""

    def __init__(self, stored: Iterable[Reading]) -> None:
        self._newest = {reading.tag: reading for reading in stored}

    def of(self, tag: TagKey) -> Reading | None:
        """The newest reading of a tag."""
        return self._newest.get(tag)

    def keyed(self, reading: Reading) -> Reading:
        """The live reading with its ordinal: counted up where another value has the same time, kept where it is the same."""
        newest = self._newest.get(reading.tag)
        if newest is not None and newest.source_time_us == reading.source_time_us:
            reading = _after(newest, reading)
        self.note(reading)
        return reading

    def note(self, reading: Reading) -> None:
        """Remember a reading where none is newer."""
        newest = self._newest.get(reading.tag)
        if newest is None or reading.source_time_us >= newest.source_time_us:
            self._newest[reading.tag] = reading


def counted(readings: Iterable[Reading], earlier: Reading | None = None) -> list[Reading]:
    """Readings of one tag from history, oldest first, with ordinals that count from 0 at each time; the same twice is one.

    `earlier` is the last one of the page before.
    """
    found: list[Reading] = []
    for reading in readings:
        if earlier is not None and earlier.source_time_us == reading.source_time_us:
            following = _after(earlier, reading)
            if following.ordinal == earlier.ordinal:
                continue
            earlier = following
        else:
            earlier = reading
        found.append(earlier)
    return found


def _after(earlier: Reading, reading: Reading) -> Reading:
    same = (earlier.value, earlier.text, earlier.quality) == (reading.value, reading.text, reading.quality)
    return reading._replace(ordinal=earlier.ordinal if same else earlier.ordinal + 1)
