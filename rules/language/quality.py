"""`quality(v) == good`: what the device said of the value that `v` has now.

The words are good, uncertain and bad. Whether a value is good can only be asked of a value, so that an unknown one never makes a
condition false, which would clear an alarm:

    quality of v now    quality(v) == good    quality(v) == uncertain    quality(v) == bad
    good                true                  false                      false
    uncertain           false                 true                       false
    bad                 unknown               unknown                    true
    no data             unknown               unknown                    unknown

`!=` is the contrary, and the contrary of unknown is unknown. The slot `quality(v)` of the row holds one of the words, or None
where there is no reading or it is older than the input's max_age.
"""

from __future__ import annotations

from typing import Final

QUALITY: Final = "quality"
GOOD: Final = "good"
UNCERTAIN: Final = "uncertain"
BAD: Final = "bad"
WORDS: Final = (GOOD, UNCERTAIN, BAD)


def quality_slot(name: str) -> str:
    """Where the row holds the quality of an input."""
    return f"{QUALITY}({name})"


def answer(word: str, now: str | None) -> bool | None:
    """Whether the quality `now` is the one asked for."""
    if now is None or (now == BAD and word != BAD):
        return None
    return now == word
