"""Spectra of a waveform: amplitude at a frequency, RMS of a band, and amplitude in the envelope of a band (bearing faults).

A waveform is a block of `size` samples at `fs` Hz: the samples of one instant in the order of their ordinals (an array that a
sensor sends), or samples that follow each other at that rate. A sample that is unknown or out of step begins a new block. The
value is of the newest whole block. A frequency is an argument, so that an order of the shaft is `2 * rpm / 60` and that of a bearing's
outer race `bpfo(9, 7.94, 39.04, 0) * rpm / 60`.
Amplitudes are peak, of a sine; a Hann window is used, and the energy of the lines around the frequency is summed up, so that a
sine between two lines shows its amplitude as well.
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rules.histories.history import SECOND, HistoryKind, Number, Parameter, Setting, known

_SIZE: Final = Parameter("size", "count", 16, 65_536)
_FS: Final = Parameter("fs", "number", 1e-6, 1e7)
_LOW: Final = Parameter("low", "number", 0, 1e7)
_HIGH: Final = Parameter("high", "number", 0, 1e7)
_NOISE_BANDWIDTH: Final = 1.5  # of a Hann window, in lines
_HALF_LOBE: Final = 2  # lines on either side of a sine that hold its energy

Samples = NDArray[np.float64]


class _Waveform:
    """Collects blocks; the second argument, where there is one, is a frequency in Hz."""

    __slots__ = ("_at_us", "_block", "_now", "_period_us", "_setting")

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._block = array("d")
        self._at_us: int | None = None
        self._period_us = SECOND / setting.parameters[1]
        self._now: Number = None

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a sample."""
        value = known(values[0])
        if self._at_us is not None and not self._follows(at_us - self._at_us):
            del self._block[:]
        self._at_us = at_us
        if value is None:
            del self._block[:]
            return
        self._block.append(value)
        if len(self._block) >= self._setting.parameters[0]:
            frequency = known(values[1]) if len(values) > 1 else 0.0
            self._now = None if frequency is None else known(self.measure(np.array(self._block), frequency))
            del self._block[:]

    @abstractmethod
    def measure(self, samples: Samples, frequency: float) -> float | None:
        """The value of a whole block."""

    def value(self, now_us: int) -> Number:
        """That of the newest whole block."""
        return self._now

    def due_us(self) -> int | None:
        """When the value changes by time alone."""
        return None

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._at_us, self._block.tolist(), self._now]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        at_us, block, now = stored
        self._block = array("d", block)
        self._at_us, self._now = None if at_us is None else int(at_us), None if now is None else float(now)

    def _follows(self, step_us: int) -> bool:
        """Whether a sample is of the same array, or the next at the rate."""
        return step_us == 0 or abs(step_us - self._period_us) <= self._period_us / 2 + 1


class Amplitude(_Waveform):
    """Peak amplitude at a frequency."""

    __slots__ = ()

    def measure(self, samples: Samples, frequency: float) -> float | None:
        """Of the sine at that frequency; None outside of what the rate can show."""
        return amplitude_at(samples, self._setting.parameters[1], frequency)


class BandRms(_Waveform):
    """RMS of what lies between two frequencies."""

    __slots__ = ()

    def measure(self, samples: Samples, frequency: float) -> float | None:
        """Of the lines from low to high."""
        size, fs, low, high = self._setting.parameters
        power = _power(samples)
        lines = np.arange(len(power)) * fs / size
        return float(np.sqrt(power[(lines >= low) & (lines <= high)].sum() / _NOISE_BANDWIDTH))


class Envelope(_Waveform):
    """Peak amplitude at a frequency in the envelope of a band: what a fault of a bearing modulates its resonance with."""

    __slots__ = ()

    def measure(self, samples: Samples, frequency: float) -> float | None:
        """Of the envelope's sine at that frequency."""
        size, fs, low, high = self._setting.parameters
        spectrum = np.fft.fft(samples)
        lines = np.fft.fftfreq(int(size), 1 / fs)
        analytic = np.fft.ifft(np.where((lines >= low) & (lines <= high), 2 * spectrum, 0))
        return amplitude_at(np.abs(analytic), fs, frequency)


def amplitude_at(samples: Samples, fs: float, frequency: float) -> float | None:
    """Peak amplitude of the sine at a frequency in Hz; None below the third line and above half the rate."""
    line = frequency * len(samples) / fs
    if not _HALF_LOBE < line < len(samples) / 2 - _HALF_LOBE:
        return None
    centre = round(line)
    around = _power(samples)[centre - _HALF_LOBE : centre + _HALF_LOBE + 1]
    return float(np.sqrt(2 * around.sum() / _NOISE_BANDWIDTH))


def _power(samples: Samples) -> Samples:
    """The mean square of each line through a Hann window, without the mean; one sided. A sine's lines sum up to 1.5 of its own."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(len(samples)) / len(samples))
    spectrum = np.fft.rfft((samples - samples.mean()) * window) / window.sum()
    power: Samples = 2 * np.abs(spectrum) ** 2
    power[0] /= 2
    return power


KINDS: Final = (
    HistoryKind(
        "amplitude", Amplitude, (_SIZE, _FS), (2, 2), each_sample=True,
        says="amplitude(x, f, 2048, 5120): peak amplitude at f Hz in waveforms of 2048 samples at 5120 Hz; f may be 2 * rpm / 60",
    ),
    HistoryKind(
        "band_rms", BandRms, (_SIZE, _FS, _LOW, _HIGH), each_sample=True,
        says="band_rms(x, 2048, 5120, 10, 1000): the RMS of what lies between 10 and 1000 Hz in such a waveform",
    ),
    HistoryKind(
        "envelope", Envelope, (_SIZE, _FS, _LOW, _HIGH), (2, 2), each_sample=True,
        says="envelope(x, f, 2048, 5120, 1000, 2000): peak amplitude at f Hz in the envelope of the band from 1000 to 2000 Hz; "
        "f may be bpfo(9, 7.94, 39.04, 0) * rpm / 60",
    ),
)  # fmt: skip
