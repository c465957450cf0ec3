"""The newest reading of an input on one asset: its value, its quality, and until when it is of use."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.model.quality import is_bad, is_good
from bridge.model.reading import instant
from rules.instance.plan import InputPlan
from rules.language import Value
from rules.language.quality import BAD, GOOD, UNCERTAIN
from rules.lifecycle import Quality
from rules.sample import Sample

_SOUNDNESS: Final[tuple[Quality, ...]] = ("GOOD", "UNCERTAIN", "NO_DATA", "ERROR")  # worse ones later
_WORDS: Final[dict[Quality, str | None]] = {"GOOD": GOOD, "UNCERTAIN": UNCERTAIN, "ERROR": BAD, "NO_DATA": None}


@dataclass(slots=True, eq=False)
class InputNow:
    """The newest reading of an input; `stale_us` is when it grows stale, None where it never does or already has."""

    plan: InputPlan
    at_us: int | None = None
    ordinal: int = 0
    value: Value = None
    stale_us: int | None = None
    quality: Quality = "NO_DATA"

    def take(self, sample: Sample) -> bool:
        """Take a reading; False where it is not newer than the one that is known."""
        at_us = self.at_us
        if at_us is not None and (sample.at_us, sample.ordinal) <= (at_us, self.ordinal):
            return False
        self.value = value_of(sample, is_text=self.plan.spec.is_text)
        self.at_us, self.ordinal = sample.at_us, sample.ordinal
        self.quality = "ERROR" if self.value is None else "GOOD" if is_good(sample.quality) else "UNCERTAIN"
        max_age = self.plan.max_age_us
        self.stale_us = sample.at_us + max_age if max_age and self.value is not None else None
        return True

    def grow_stale(self, now_us: int) -> bool:
        """Lose the value where it is older than it may be; whether it was lost."""
        if self.stale_us is None or self.stale_us > now_us:
            return False
        self.value, self.stale_us, self.quality = None, None, "NO_DATA"
        return True

    def show_in(self, row: list[Value]) -> None:
        """Put value and quality where expressions read them."""
        plan = self.plan
        if plan.slot is not None:
            row[plan.slot] = self.value
        if plan.quality_slot is not None:
            row[plan.quality_slot] = _WORDS[self.quality]

    def shown(self) -> dict[str, Any]:
        """The input for people: tag, value, unit, quality and source time."""
        spec = self.plan.spec
        return {
            "tag": spec.tag,
            "value": self.value,
            "unit": spec.unit or "",
            "quality": self.quality,
            "at": instant(self.at_us).isoformat() if self.at_us is not None else None,
        }

    def dump(self) -> list[Any]:
        """All of it as JSON."""
        return [self.at_us, self.ordinal, self.value, self.stale_us, self.quality]

    def restore(self, stored: list[Any]) -> None:
        """Become what was dumped."""
        self.at_us, self.ordinal, self.value, self.stale_us, self.quality = stored


@dataclass(slots=True, eq=False)
class SiblingsNow(InputNow):
    """A statistic over the newest readings of other assets' tags: those that are known, good enough and not stale."""

    members: dict[int, tuple[int, int, float | None, int | None]] = field(default_factory=dict)
    """By tag: source time, ordinal, value, when it grows stale."""

    def take(self, sample: Sample) -> bool:
        """Take a reading of one of them."""
        known = self.members.get(sample.tag_id)
        if known is not None and (sample.at_us, sample.ordinal) <= known[:2]:
            return False
        value = value_of(sample, is_text=False)
        assert not isinstance(value, str), "texts are not summed up"
        max_age = self.plan.max_age_us
        stale_us = sample.at_us + max_age if max_age and value is not None else None
        self.members[sample.tag_id] = (sample.at_us, sample.ordinal, value, stale_us)
        self._sum_up()
        return True

    def grow_stale(self, now_us: int) -> bool:
        """Leave out those whose reading is older than it may be."""
        if self.stale_us is None or self.stale_us > now_us:
            return False
        for tag, (at_us, ordinal, _, stale_us) in list(self.members.items()):
            if stale_us is not None and stale_us <= now_us:
                self.members[tag] = (at_us, ordinal, None, None)
        self._sum_up()
        return True

    def shown(self) -> dict[str, Any]:
        """The input for people, with how many assets stand behind it."""
        spec, known = self.plan.spec, [value for _, _, value, _ in self.members.values() if value is not None]
        return {**InputNow.shown(self), "of": spec.of, "stat": spec.stat, "assets": len(known)}

    def dump(self) -> list[Any]:
        """All of it as JSON."""
        return [{str(tag): list(member) for tag, member in self.members.items()}]

    def restore(self, stored: list[Any]) -> None:
        """Become what was dumped."""
        self.members = {int(tag): tuple(member) for tag, member in stored[0].items()}
        self._sum_up()

    def _sum_up(self) -> None:
        known = [value for _, _, value, _ in self.members.values() if value is not None]
        self.value = STATISTICS[self.plan.spec.stat](sorted(known)) if known else None
        self.quality = "GOOD" if known else "NO_DATA"
        self.at_us = max((at_us for at_us, *_ in self.members.values()), default=None)
        self.stale_us = min((stale for *_, stale in self.members.values() if stale is not None), default=None)


STATISTICS: Final[dict[str, Callable[[list[float]], float]]] = {
    "median": statistics.median,
    "mean": statistics.fmean,
    "min": min,
    "max": max,
}


def value_of(sample: Sample, *, is_text: bool) -> Value:
    """What a reading says; None where its quality is bad or it is no number."""
    if is_bad(sample.quality):
        return None
    if is_text:
        return sample.text
    value = sample.value
    return value if value is not None and math.isfinite(value) else None


def worst(qualities: set[Quality]) -> Quality:
    """The worst of several; GOOD of none."""
    return next((quality for quality in reversed(_SOUNDNESS) if quality in qualities), "GOOD")
