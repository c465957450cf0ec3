"""HTTP as connectors need it: credentials, CSRF tokens, bounded answers within a deadline, and what each failure means."""

from bridge.erp.http.client import HttpClient
from bridge.erp.http.exchange import Reply, Request
from bridge.erp.http.failure import AlreadyPosted, ClosedPeriod, Kind, Verdict, by_status, unreadable
from bridge.erp.http.opened import OverHttp
from bridge.erp.http.steps import from_step, segment, to_step

__all__ = [
    "AlreadyPosted",
    "ClosedPeriod",
    "HttpClient",
    "Kind",
    "OverHttp",
    "Reply",
    "Request",
    "Verdict",
    "by_status",
    "from_step",
    "segment",
    "to_step",
    "unreadable",
]
