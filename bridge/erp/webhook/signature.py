"""Signatures as Standard Webhooks 1.0 has them: HMAC-SHA256 over `id.timestamp.body`."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from bridge.config.settings.webhook import PREFIX


def headers(message_id: str, now: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of a message; one signature for each secret (`whsec_...`), separated by blanks."""
    timestamp = str(int(now.timestamp()))
    signatures = [f"v1,{sign(message_id, timestamp, body, secret)}" for secret in secrets]
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": " ".join(signatures)}


def sign(message_id: str, timestamp: str, body: bytes, secret: str) -> str:
    """One signature, base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)).decode()


def is_genuine(
    given: dict[str, str], body: bytes, secrets: Sequence[str], now: datetime, tolerance_s: float = 300
) -> bool:
    """Whether a message that came in is signed with one of the secrets, and not older or newer than the tolerance.

    `given` are its headers with lower-case names. Compared in constant time.
    """
    message_id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    if not message_id or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 15:
        return False
    if abs(now.timestamp() - int(timestamp)) > tolerance_s:
        return False
    offered = [
        part.removeprefix("v1,") for part in given.get("webhook-signature", "").split(" ") if part.startswith("v1,")
    ]
    expected = [sign(message_id, timestamp, body, secret) for secret in secrets]
    return any(hmac.compare_digest(one.encode(), other.encode()) for one in offered for other in expected)
