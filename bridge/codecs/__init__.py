"""Bytes -> readings. A codec is one file and one line in the table."""

from collections.abc import Mapping
from typing import Final

from bridge.codecs.decoded import Codec
from bridge.codecs.json_readings import decode_json

CODECS: Final[Mapping[str, Codec]] = {
    "json": decode_json,
}

__all__ = ["CODECS", "Codec"]
