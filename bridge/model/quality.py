"""The quality of a reading: the 32-bit status code of OPC UA Part 4, clause 7.39 (StatusCode).

Every source maps onto it, so that quality is never null from the device to the KPI. The two top bits are the
severity: 00 good, 01 uncertain, 10 bad.
"""

from __future__ import annotations

from typing import Final, Literal

GOOD: Final = 0x0000_0000
UNCERTAIN: Final = 0x4000_0000
BAD: Final = 0x8000_0000
BAD_COMMUNICATION: Final = 0x8005_0000  # BadCommunicationError
BAD_NO_DATA: Final = 0x809B_0000  # BadNoData
BAD_SENSOR_FAILURE: Final = 0x808C_0000  # BadSensorFailure
UNCERTAIN_LAST_USABLE: Final = 0x4090_0000  # UncertainLastUsableValue
UNCERTAIN_SUBSTITUTE: Final = 0x4091_0000  # UncertainSubstituteValue: e.g. a time of arrival for a clock that is wrong
GOOD_LOCAL_OVERRIDE: Final = 0x0096_0000  # GoodLocalOverride

_SEVERITY_MASK: Final = 0xC000_0000

Severity = Literal["good", "uncertain", "bad"]


def severity(code: int) -> Severity:
    """The severity of a status code. The reserved pattern 11 counts as bad."""
    match code & _SEVERITY_MASK:
        case 0x0000_0000:
            return "good"
        case 0x4000_0000:
            return "uncertain"
        case _:
            return "bad"


def is_good(code: int) -> bool:
    """Whether the severity is good."""
    return not code & _SEVERITY_MASK


def is_bad(code: int) -> bool:
    """Whether the severity is bad, so that the value must not be used."""
    return bool(code & BAD)
