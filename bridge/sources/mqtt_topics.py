"""From a topic to the equipment and tag that it speaks of: `acme/{line}/{machine}/tag/{tag}` -> a place, and its mapping."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bridge.codecs.decoded import Place
from bridge.codecs.mapped import Mapping
from bridge.codecs.presets import PRESETS, Preset
from bridge.config.settings import PLACEHOLDER, REST, MqttSubscription
from bridge.errors import PayloadError
from bridge.model.equipment import EquipmentPath

_KEPT: Final = 20_000  # topics remembered; more only cost time


class Topics:
    """The subscriptions of a source. The first one that matches a topic holds."""

    def __init__(self, subscriptions: Sequence[MqttSubscription]) -> None:
        self._routes = [_Route(subscription) for subscription in subscriptions]
        self._known: dict[str, Place] = {}

    def place(self, topic: str) -> Place:
        """Where a message belongs. Raises PayloadError where no subscription matches or the equipment's path is none."""
        if (place := self._known.get(topic)) is not None:
            return place
        for route in self._routes:
            if match := route.pattern.fullmatch(topic):
                place = route.place(topic, match.groupdict())
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[topic] = place
                return place
        raise PayloadError("topic: no subscription of the configuration matches it")


class _Route:
    """One subscription: the shape of its topics, and what reads their messages."""

    def __init__(self, subscription: MqttSubscription) -> None:
        self.pattern = _pattern(subscription.topic)
        self._equipment = subscription.equipment
        self._fields = subscription.fields
        self._preset: Preset | None = PRESETS[subscription.preset] if subscription.preset else None
        self._codec = None if subscription.is_plain else Mapping(subscription)

    def place(self, topic: str, names: dict[str, str]) -> Place:
        """The place of a topic of this shape. Raises PayloadError where the equipment's path is none."""
        path, tag = self._equipment, names.get("tag")
        if self._preset is not None and self._preset.locate is not None:
            located = self._preset.locate(topic)
            path, tag = path or located.equipment, located.tag
        path = PLACEHOLDER.sub(lambda placeholder: names[placeholder[1]], path)
        try:
            EquipmentPath.parse(path)
        except ValueError as error:
            raise PayloadError(f"topic: {error}") from error
        if tag is not None:
            tag = tag.replace("/", ".")
            tag = tag if self._preset is None else self._preset.rename(tag)
        return Place(path, tag, self._fields, topic, self._codec)


def _pattern(topic: str) -> re.Pattern[str]:
    """The topic's shape: {name} is one level, + too, # and {tag#} all that follow. A name that comes twice must say the same twice."""
    parts: list[str] = []
    seen: set[str] = set()
    for level in topic.split("/"):
        if level == REST:
            parts.append("(?P<tag>.+)")
        elif name := PLACEHOLDER.fullmatch(level):
            parts.append(f"(?P={name[1]})" if name[1] in seen else f"(?P<{name[1]}>[^/]+)")
            seen.add(name[1])
        else:
            parts.append({"+": "[^/]*", "#": ".*"}.get(level, re.escape(level)))
    return re.compile("/".join(parts), re.DOTALL)
