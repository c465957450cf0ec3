"""From a topic to the equipment and tag that it speaks of: `acme/{line}/{machine}/tag/{tag}` -> a place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bridge.codecs.decoded import Place
from bridge.config.settings import PLACEHOLDER, MqttSubscription
from bridge.errors import PayloadError
from bridge.model.equipment import EquipmentPath

_KEPT: Final = 20_000  # topics remembered; more only cost time


class Topics:
    """The subscriptions of a source. The first one that matches a topic holds."""

    def __init__(self, subscriptions: Sequence[MqttSubscription]) -> None:
        self._routes = [(_pattern(subscription.topic), subscription) for subscription in subscriptions]
        self._known: dict[str, Place] = {}

    def place(self, topic: str) -> Place:
        """Where a message belongs. Raises PayloadError where no subscription matches or the equipment's path is none."""
        if (place := self._known.get(topic)) is not None:
            return place
        for pattern, subscription in self._routes:
            if match := pattern.fullmatch(topic):
                place = _place(match.groupdict(), subscription)
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[topic] = place
                return place
        raise PayloadError("topic: no subscription of the configuration matches it")


def _place(names: dict[str, str], subscription: MqttSubscription) -> Place:
    path = PLACEHOLDER.sub(lambda placeholder: names[placeholder[1]], subscription.equipment)
    try:
        EquipmentPath.parse(path)
    except ValueError as error:
        raise PayloadError(f"topic: {error}") from error
    return Place(path, names.get("tag"), subscription.fields)


def _pattern(topic: str) -> re.Pattern[str]:
    """The topic's shape: {name} is one level, + too, # all that follow. A name that comes twice must say the same twice."""
    parts: list[str] = []
    seen: set[str] = set()
    for level in topic.split("/"):
        if name := PLACEHOLDER.fullmatch(level):
            parts.append(f"(?P={name[1]})" if name[1] in seen else f"(?P<{name[1]}>[^/]+)")
            seen.add(name[1])
        else:
            parts.append({"+": "[^/]*", "#": ".*"}.get(level, re.escape(level)))
    return re.compile("/".join(parts), re.DOTALL)
