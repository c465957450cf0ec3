"""What of an address must never be read in a log or an answer."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

_SHORTEST: Final = 4  # shorter parts are words of every text
_HIDDEN: Final = "***"


def secrets_of(url: str) -> list[str]:
    """The parts of an apprise URL that may be secret, longest first: all but its scheme and host. Tokens stand anywhere in them."""
    parts = urlsplit(url)
    user_and_host = parts.netloc.rpartition("@")[0]
    found = re.split(r"[/?&=:@,;]", f"{user_and_host}/{parts.path}/{parts.query}/{parts.fragment}")
    known = {piece for part in found for piece in (part, unquote(part)) if len(piece) >= _SHORTEST}
    if parts.scheme.partition("+")[0] not in ("json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"):
        known |= {piece for piece in re.split(r"[.:]", parts.netloc.rpartition("@")[2]) if len(piece) >= _SHORTEST}
    return sorted(known, key=len, reverse=True)


def hidden(text: str, secrets: list[str]) -> str:
    """The text without them."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return text
