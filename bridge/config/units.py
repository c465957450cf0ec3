"""Units by their UCUM codes: which exist, and the factor and offset from one to another (pint, ucumvert).

The registry of units takes a second to build and is built when the first conversion is asked for.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, NamedTuple

# What devices write -> UCUM. "C" is not here: in UCUM it is the coulomb.
_SPELLINGS: Final = {
    "°C": "Cel",
    "℃": "Cel",
    "degC": "Cel",
    "°F": "[degF]",
    "℉": "[degF]",
    "degF": "[degF]",
    "rpm": "/min",
    "RPM": "/min",
    "Wh": "W.h",
    "kWh": "kW.h",
    "MWh": "MW.h",
    "VA": "V.A",
    "kVA": "kV.A",
    "Ah": "A.h",
    "mAh": "mA.h",
    "m³": "m3",
    "m³/h": "m3/h",
    "m²": "m2",
    "m/s²": "m/s2",
    "µm": "um",
    "µs": "us",
    "Ω": "Ohm",
    "psi": "[psi]",
    "lux": "lx",
}


# Codes that are known without the registry: what most configurations name.
_USUAL: Final = """
    % /min 1/min /s 1/s Hz s ms min h d m mm um m2 m3 L mL g kg t N kN N.m Pa kPa MPa bar mbar [psi] Cel K [degF] V mV kV A mA W kW MW
    W.h kW.h MW.h J kJ V.A kV.A A.h Ohm kOhm rad deg m/s mm/s m/s2 m3/h L/min L/h kg/h lx dB [ppm]
"""
USUAL: Final = frozenset(_USUAL.split())


class UnitError(ValueError):
    """A unit that is no UCUM code, or cannot be converted: a dead letter, or a mistake of the configuration."""


class Conversion(NamedTuple):
    """value * factor + offset."""

    factor: float
    offset: float


def ucum(written: str) -> str:
    """The UCUM code of a unit as devices write it; what is not known is taken as it is."""
    return _SPELLINGS.get(written, written)


@lru_cache(maxsize=10_000)
def parse_unit(code: str) -> Any:
    """The unit of a UCUM code. Raises UnitError."""
    try:
        return _registry().from_ucum(ucum(code)).units
    except Exception as error:  # the parser, its grammar and the registry each have errors of their own
        raise UnitError(f"{code!r:.60} is no UCUM code; write e.g. Cel, [degF], bar, kW.h, 1/min or mm/s") from error


def check_unit(code: str) -> None:
    """Raise UnitError where a unit is no UCUM code, nor a spelling that is understood as one."""
    if ucum(code) not in USUAL:
        parse_unit(code)


@lru_cache(maxsize=10_000)
def conversion(source: str, target: str) -> Conversion:
    """How a number of one unit becomes one of another, exact to a double. Raises UnitError where it cannot."""
    if ucum(source) == ucum(target):
        return Conversion(1.0, 0.0)
    one, other = parse_unit(source), parse_unit(target)
    quantity = _registry().Quantity
    try:
        zero, unit, two = (quantity(Fraction(n), one).to(other).magnitude for n in range(3))
    except Exception as error:  # pint's errors of dimension and of offset units share no ancestor of their own
        raise UnitError(f"{source!r:.60} cannot be converted to {target!r:.60}") from error
    if abs(two - 2 * unit + zero) > 1e-9 * abs(two):
        raise UnitError(f"{source!r:.60} is a logarithm of {target!r:.60}, which is no matter of factor and offset")
    return Conversion(float(unit - zero), float(zero))


@lru_cache(maxsize=1)
def _registry() -> Any:
    from ucumvert import (  # type: ignore[import-untyped]  # it has no types  # noqa: PLC0415  # and takes a second
        PintUcumRegistry,
    )

    return PintUcumRegistry(non_int_type=Fraction)
