"""Severity of vibration on non-rotating parts: ISO 20816-3:2022 and ISO 10816-1:1995, RMS velocity in mm/s.

Zone B is for operation without limit of time, C only for a while, D does damage. The limit B/C raises medium, C/D high.
"""

from __future__ import annotations

from typing import Final

from bridge.model.alarm import Severity
from rules.language import units
from rules.rulebook.presets.preset import Draft, Preset, Signal, above, rounded
from rules.section import Section, one_of

VELOCITY: Final = "mm/s"
Limits = tuple[float, float, float]  # A/B, B/C, C/D in mm/s RMS

ISO_20816_3: Final[dict[tuple[str, str], Limits]] = {
    ("1", "rigid"): (2.3, 4.5, 7.1),  # group 1: above 300 kW, or shaft height from 315 mm
    ("1", "flexible"): (3.5, 7.1, 11.0),
    ("2", "rigid"): (1.4, 2.8, 4.5),  # group 2: 15 to 300 kW, or shaft height from 160 to 315 mm
    ("2", "flexible"): (2.3, 4.5, 7.1),
}
ISO_10816_1: Final[dict[str, Limits]] = {
    "I": (0.71, 1.8, 4.5),  # motors up to 15 kW
    "II": (1.12, 2.8, 7.1),  # 15 to 75 kW, or up to 300 kW on special foundations
    "III": (1.8, 4.5, 11.2),  # large machines on rigid foundations
    "IV": (2.8, 7.1, 18.0),  # large machines on soft foundations
}
_DEADBAND: Final = 0.1


def _iso_20816_3(fields: Section, signal: Signal) -> list[Draft]:
    group = fields.need("group", lambda v: one_of(str, ["1", "2"])(str(v)), ": 1 above 300 kW, 2 from 15 to 300 kW")
    support = fields.need("support", one_of(str, ["rigid", "flexible"]), ": rigid or flexible")
    return _drafts(fields, signal, ISO_20816_3[group, support]) if group and support else []


def _iso_10816_1(fields: Section, signal: Signal) -> list[Draft]:
    machine = fields.need("class", one_of(str, list(ISO_10816_1)), ": I, II, III or IV")
    return _drafts(fields, signal, ISO_10816_1[machine]) if machine else []


def _drafts(fields: Section, signal: Signal, limits: Limits) -> list[Draft]:
    """The limits in the unit of the signal, which must be one of velocity."""
    unit = signal.typed.unit
    if unit is None:
        fields.reader.tell(fields.item, f"the limits are in {VELOCITY} RMS: give the input {signal.text} its unit")
        return []
    found = units.between(VELOCITY, unit)
    if found is None:
        fields.reader.tell(fields.item, f"unit mismatch: the limits are in {VELOCITY} RMS, {signal.text} is in {unit}")
        return []
    _, warn, trip = (rounded(limit * found.factor) for limit in limits)
    share = signal.share(_DEADBAND)
    return [above(signal.text, Severity.MEDIUM, warn, share), above(signal.text, Severity.HIGH, trip, share)]


PRESETS: Final = (
    Preset(
        "iso20816_3",
        _iso_20816_3,
        "60s",
        "120s",
        "zones B/C and C/D of ISO 20816-3: group 1 or 2, support rigid or flexible",
    ),
    Preset("iso10816_1", _iso_10816_1, "60s", "120s", "zones B/C and C/D of ISO 10816-1: class I, II, III or IV"),
)
