"""HTTP as connectors need it: credentials, CSRF tokens, bounded answers within a deadline, and what each failure means."""

from bridge.erp.http.client import HttpClient
from bridge.erp.http.exchange import Reply, Request
from bridge.erp.http.failure import Kind, Verdict, by_status

__all__ = ["HttpClient", "Kind", "Reply", "Request", "Verdict", "by_status"]
