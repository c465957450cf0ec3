"""What an answer that is no success means: who must act, and whether anything may have happened."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from html import unescape
from typing import Final
from urllib.parse import urlsplit

from bridge.erp.connector import Refusal
from bridge.erp.http.exchange import Reply, Request
from bridge.errors import BusinessError, ConnectorError, CredentialsError, TransientError
from bridge.model.text import storable

_TAGS: Final = re.compile(r"<(title|style|script)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


class Kind(StrEnum):
    """The classes of failure of bridge/errors.py, as an answer shows them."""

    TRANSIENT = "transient"  # busy, nothing happened: later
    OWN_FAULT = "own_fault"  # the system failed inside and rolled back: later, but not for ever
    CREDENTIALS = "credentials"
    BUSINESS = "business"
    CLOSED_PERIOD = "closed_period"  # business, and another day might do
    POSTED = "posted"  # refused, because it is there already
    UNKNOWN = "unknown"  # it does not say what became of the request


class ClosedPeriod(BusinessError):
    """The period of the posting date is closed: a connector may be told to post with today's date."""


class AlreadyPosted(BusinessError):
    """The system refuses a request because it has carried it out before."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a failed answer means; `says` is the system's own word for it, empty where it has none."""

    kind: Kind
    says: str = ""


Judge = Callable[[Reply], Verdict]


def by_status(status: int, says: str | None) -> Verdict:
    """The verdict by status. `says` is the message of the system's own error document; None where the answer is not one.

    Only the system's own 500 says that its transaction was rolled back, and only its own 503 that nothing began: proxies give both as
    well where the system was at the request and its answer was lost (Envoy, Varnish), and say nothing of what happened behind them.
    """
    match status:
        case 408 | 425 | 429:
            kind = Kind.TRANSIENT
        case 503 if says is not None:
            kind = Kind.TRANSIENT
        case 401 | 403:
            kind = Kind.CREDENTIALS
        case 500 if says is not None:
            kind = Kind.OWN_FAULT
        case _ if 400 <= status < 500:
            kind = Kind.BUSINESS
        case _:
            kind = Kind.UNKNOWN
    return Verdict(kind, says or "")


def failure(request: Request, reply: Reply, verdict: Verdict) -> ConnectorError:
    """The error of the verdict, with the answer as its cause."""
    words = verdict.says or _moved(reply) or _plain(reply) or "without a word"
    wait = retry_after(reply.headers.get("Retry-After"), datetime.now(UTC))
    error: ConnectorError
    match verdict.kind:
        case Kind.TRANSIENT:
            error = TransientError(f"the system is busy ({reply.status}): {words}", wait)
        case Kind.OWN_FAULT:
            error = TransientError(f"{request.shown} failed inside the system: {words}")
        case Kind.CREDENTIALS:
            error = CredentialsError(
                f"the system refuses the credentials ({reply.status}), see the connector's auth: {words}"
            )
        case Kind.BUSINESS:
            error = BusinessError(f"the system refuses {request.shown} ({reply.status}): {words}")
        case Kind.CLOSED_PERIOD:
            error = ClosedPeriod(f"the system refuses {request.shown} ({reply.status}): {words}")
        case Kind.POSTED:
            error = AlreadyPosted(f"{request.shown} was carried out before ({reply.status}): {words}")
        case Kind.UNKNOWN:
            error = request.unclear(
                f"{request.shown} was answered with {reply.status}, which does not say what became of it: {words}", wait
            )
    error.__cause__ = Refusal(reply.status, reply.text, is_own_fault=verdict.kind is Kind.OWN_FAULT)
    return error


def _plain(reply: Reply) -> str:
    """What an answer says, without the tags of a page."""
    if "html" not in reply.headers.get("content-type", ""):
        return reply.text
    return " ".join(unescape(_TAGS.sub(" ", reply.text)).split())


def _moved(reply: Reply) -> str:
    """Redirections are not followed: what goes elsewhere would take the credentials with it."""
    if not 300 <= reply.status < 400 or "location" not in reply.headers:
        return ""
    there = urlsplit(reply.headers["location"])
    where = f"{there.scheme}://{there.netloc}" if there.netloc else there.path
    return f"it sends us to {storable(where[:200])}: if that is the system's address, give it to the connector's url"


def unreadable(request: Request, reply: Reply, what: str) -> ConnectorError:
    """The error of a success that does not say what it should."""
    error = request.unclear(f"{request.shown} was answered with {what}")
    error.__cause__ = Refusal(reply.status, reply.text)
    return error


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """The wait that a Retry-After header asks for, in seconds or as an HTTP date (RFC 9110, 10.2.3); None where unreadable."""
    if header is None:
        return None
    try:
        wait = timedelta(seconds=int(header)) if header.strip().isdigit() else parsedate_to_datetime(header) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return max(wait, timedelta(0))
