"""What is kept and shown of errors and answers, without secrets that the other side may have repeated.

Each connector takes out what it knows to be secret (its key, its tokens) in every form that it is sent in. This looks for what a
secret looks like wherever it comes from: credentials in an address, a header of them, a signature.
"""

from __future__ import annotations

import re
from typing import Final

_MASK: Final = "***"
_SECRETS: Final = (
    # Authorization: Basic ..., as a header, in JSON, or as Python shows it
    re.compile(r"(authorization[\\\"']{0,4}\s*[:=]\s*[\\\"']{0,4}(?:[a-z0-9-]{2,20}\s+)?)[^\s\"',;\\]+", re.IGNORECASE),
    re.compile(r"(://)[^\s/@:\"']+:[^\s/@\"']+(?=@)"),  # https://user:password@host
    re.compile(r"(v1a?,)[A-Za-z0-9+/]{40,}={0,2}"),  # Standard Webhooks
)


def masked(text: str) -> str:
    """The text with whatever looks like a secret in it as ***."""
    for secret in _SECRETS:
        text = secret.sub(rf"\1{_MASK}", text)
    return text


def said(error: BaseException) -> str:
    """What an error says, masked; its type where it says nothing."""
    return masked(str(error)) or type(error).__name__
