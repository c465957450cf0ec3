"""A receiver of Standard Webhooks: checks the signature and its time, dedupes on webhook-id, books what CloudEvents say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.systems.business import Business, RefusedError
from simulators.systems.server import document

SECRET: Final = "whsec_" + base64.b64encode(b"simulated-secret-of-32-bytes-ok!").decode()
TOLERANCE_S: Final = 300
UNIT: Final = "1"
_TYPES: Final = {
    "production.performance", "production.consumption", "production.reversal", "maintenance.work_request",
    "inventory.availability",
}  # fmt: skip


class Receiver:
    """One receiver. `has_status`: it tells of `events/<id>` whether it is there; `counts`: what came before must be booked."""

    root = "/hooks"

    def __init__(self, business: Business | None = None, *, has_status: bool = True, counts: bool = False) -> None:
        self.business = business or Business(UNIT)
        self.counts = counts
        self.has_status = has_status
        self.received: dict[str, dict[str, Any]] = {}
        self.duplicates = 0

    def answer(self, request: Request, path: str, body: bytes) -> Response:
        """A message, or a question after one."""
        if request.method == "GET":
            return self._status(path.lstrip("/").removeprefix("events/"))
        if not is_signed(request.headers, body, SECRET, time.time()):
            return JSONResponse({"error": "signature"}, 401)
        number = request.headers["webhook-id"]
        if number in self.received:
            self.duplicates += 1
            return Response(status_code=204)
        event = document(body)
        if not _is_cloud_event(request, event):
            return JSONResponse({"error": "not a CloudEvent"}, 400)
        try:
            self._book(event["data"], event["id"])
        except RefusedError as error:
            return JSONResponse({"error": error.code, "message": str(error)}, 422)
        self.received[number] = event
        return Response(status_code=204)

    def broken(self) -> Response:
        """Something inside."""
        return JSONResponse({"error": "internal"}, 500)

    def throttled(self, seconds: float) -> Response:
        """Too many messages."""
        return Response(status_code=429, headers={"Retry-After": str(max(int(seconds), 1))})

    def truth(self) -> dict[str, Any]:
        """What was booked, and how often a message came again."""
        return {**self.business.truth(), "received": len(self.received), "duplicates": self.duplicates}

    def _status(self, number: str) -> Response:
        if not self.has_status or number not in self.received:
            return Response(status_code=404)
        return JSONResponse({"id": f"R-{list(self.received).index(number) + 1}"})

    def _book(self, data: Mapping[str, Any], reference: str) -> None:
        business = self.business
        match data["kind"]:
            case "wip_to_fg" | "scrap" | "consumed" as kind:
                use = {"wip_to_fg": "good", "scrap": "scrap", "consumed": "consumption"}[kind]
                before = Decimal(data["cumulative"]) - Decimal(data["quantity"])
                if self.counts and kind == "wip_to_fg" and business.order(data["order_ref"]).good != before:
                    raise RefusedError(
                        "out_of_order", f"sequence {data['sequence']}: {before} came before, not so here"
                    )
                business.book(
                    data["order_ref"], use, Decimal(data["quantity"]), reference=reference, unit=data["uom"],  # type: ignore[arg-type]
                    posting_date=_day(data["occurred_at"]), reason=data.get("reason", ""),
                    item=data.get("item", "") if kind == "consumed" else "",
                )  # fmt: skip
            case "performance":
                business.confirm(
                    data["order_ref"], Decimal(data["yielded"]), Decimal(data["scrapped"]), reference=reference,
                    unit=data["uom"], posting_date=_day(data["ended_at"]), reason=data["reason"],
                    is_end=bool(data["is_final"]),
                )  # fmt: skip
            case "reversal":
                inner = data["reverses"]
                use = {"wip_to_fg": "good", "scrap": "scrap", "consumed": "consumption"}.get(
                    inner["kind"], "confirmation"
                )
                business.take_back(
                    data["order_ref"], use, Decimal(data["quantity"]), reference=reference,  # type: ignore[arg-type]
                    unit=inner["payload"]["uom"], posting_date=_day(data["occurred_at"]),
                    item=inner["payload"].get("item", "") if use == "consumption" else "",
                )  # fmt: skip
            case "work_request":
                business.request(reference, data["equipment"], data["title"], {})
            case "availability":
                business.stock[data["item"]] = Decimal(data["available"])


def is_signed(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    """Standard Webhooks 1.0: one of the signatures fits, and its time is near."""
    number, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(now - int(stamp)) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, f"{number}.{stamp}.".encode() + body, hashlib.sha256).digest()).decode()
    offered = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(signature, f"v1,{expected}") for signature in offered)


def _is_cloud_event(request: Request, event: Any) -> bool:
    return (
        request.headers.get("content-type", "").startswith("application/cloudevents+json")
        and isinstance(event, dict)
        and event.get("specversion") == "1.0"
        and all(event.get(name) for name in ("id", "source", "type"))
        and event["type"] in _TYPES
        and isinstance(event.get("data"), dict)
        and event["id"] == request.headers["webhook-id"]
    )


def _day(text: str) -> Any:
    return datetime.fromisoformat(text).date()
