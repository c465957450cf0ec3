"""Requests as steps of a plan and back: what stands in the outbox is exactly what is sent, without credentials."""

from __future__ import annotations

from urllib.parse import quote, unquote

from bridge.erp.connector import Step
from bridge.erp.http.exchange import Request


def to_step(name: str, request: Request) -> Step:
    """The request as a step; its call names method and path as people read them."""
    body = {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "headers": dict(request.headers),
        "json": request.json,
        "text": request.content.decode() if request.content is not None else None,
    }
    kept = {
        key: value for key, value in body.items() if value or key == "path" or (key == "json" and value is not None)
    }
    return Step(name, f"{request.method} {unquote(request.path)}", kept, request.is_repeatable)


def from_step(step: Step) -> Request:
    """The request of a step."""
    text = step.body.get("text")
    return Request(
        method=step.body["method"],
        path=step.body["path"],
        is_repeatable=step.is_repeatable,
        query=step.body.get("query", {}),
        headers=step.body.get("headers", {}),
        json=step.body.get("json"),
        content=None if text is None else text.encode(),
    )


def segment(text: str) -> str:
    """A text as one segment of a path, whatever is in it."""
    return quote(text, safe="")
