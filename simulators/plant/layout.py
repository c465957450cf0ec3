"""Machines, tags and units of the simulated plant; equipment levels as in ISA-95 part 1."""

from __future__ import annotations

from dataclasses import dataclass

ENTERPRISE = "acme"
SITE = "dortmund"
AREA = "machining"
TOPIC_ROOT = f"{ENTERPRISE}/{SITE}/{AREA}"
OPCUA_NAMESPACE = "urn:acme:dortmund:line2"
COUNTER_MODULUS = 65536

Value = str | int | float

EVENT_TAGS = ("state", "state.reason", "order.number", "parts.good", "parts.scrap", "scrap.reason")
"""Sent when they change and once at the start; `scrap.reason` is empty until the first scrap."""

COUNTER_TAGS = ("parts.good", "parts.scrap")

UNITS: dict[str, str] = {
    "motor.current": "A",
    "motor.temp": "Cel",
    "spindle.vib_rms": "mm/s",
    "spindle.rpm": "1/min",
    "spindle.temp": "Cel",
    "coolant.temp": "Cel",
}
"""UCUM codes of the gauges; all other tags have no unit."""

MOTOR_GAUGES = ("motor.current", "motor.temp")
SPINDLE_GAUGES = ("spindle.vib_rms", "spindle.rpm", "spindle.temp")


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """One work unit: what it is called, how fast it can be, and what goes wrong with its pieces."""

    line: str
    name: str
    kind: str
    ideal_cycle_s: float
    scrap_share: float
    scrap_reasons: tuple[str, ...]
    stop_reasons: tuple[str, ...]

    @property
    def path(self) -> str:
        """The equipment path, which is also the topic and the serial number in the ERP."""
        return f"{TOPIC_ROOT}/{self.line}/{self.name}"

    @property
    def gauges(self) -> tuple[str, ...]:
        """Names of the measured tags, in the order of publication."""
        if self.kind == "cnc":
            return (*MOTOR_GAUGES, *SPINDLE_GAUGES, "coolant.temp")
        return MOTOR_GAUGES


def _saw(line: str, number: int) -> MachineSpec:
    return MachineSpec(line, f"saw{number}", "saw", 1.4, 0.01, ("length", "burr"), ("bar end", "jam"))


def _cnc(line: str, number: int) -> MachineSpec:
    reasons = ("dimension", "surface", "tool mark")
    return MachineSpec(line, f"cnc{number}", "cnc", 2.2, 0.03, reasons, ("chips", "tool change", "drive fault"))


def _insp(line: str, number: int) -> MachineSpec:
    reasons = ("porosity", "dimension")
    return MachineSpec(line, f"insp{number}", "insp", 1.9, 0.02, reasons, ("probe", "part not seated"))


LINES: dict[str, tuple[MachineSpec, ...]] = {
    line: (_saw(line, number), _cnc(line, number), _insp(line, number)) for line, number in (("line1", 1), ("line2", 2))
}
"""Machines of each line in the order of the flow; the last one is the final operation."""
