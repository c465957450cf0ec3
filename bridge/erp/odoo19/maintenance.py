"""A request for maintenance as maintenance.request: one for each event, recognised by the event's id in its description."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from bridge.erp.connector import Found, Step
from bridge.erp.odoo19.client import OdooClient
from bridge.errors import BusinessError
from bridge.model.production import WorkRequest

CREATE: Final = "maintenance.request/create"
_PRIORITIES: Final = {"low": "0", "medium": "1", "high": "2", "critical": "3"}  # Odoo's stars


async def find(client: OdooClient, event: WorkRequest) -> Found:
    """The request whose description has the event's id."""
    domain = [["description", "ilike", str(event.event_id)]]
    body = {"domain": domain, "fields": ["name"], "order": "id", "limit": 1}
    records = await client.read("maintenance.request/search_read", body)
    return Found(is_posted=True, external_id=str(records[0]["id"])) if records else Found(is_posted=False)


async def plan(client: OdooClient, event: WorkRequest) -> list[Step]:
    """Create the request. Raises BusinessError where Odoo does not know the equipment."""
    values = {
        "name": event.title,
        "equipment_id": await find_equipment(client, event.equipment),
        "maintenance_type": "corrective",
        "priority": _PRIORITIES.get(event.priority, "1"),
        "description": _description(event),
    }
    return [Step("create request", CREATE, {"vals_list": [values]}, is_repeatable=False)]


async def find_equipment(client: OdooClient, path: str) -> int:
    """The id of the equipment whose serial number is the path, or else whose name is the path or its last part."""
    for field, value in (("serial_no", path), ("name", path), ("name", path.rpartition("/")[2])):
        body: dict[str, Any] = {"domain": [[field, "=", value]], "fields": ["name"], "limit": 2}
        records = await client.read("maintenance.equipment/search_read", body)
        if len(records) > 1:
            raise BusinessError(
                f"Odoo has several pieces of equipment with the {field} {value}: give one the serial number {path}"
            )
        if records:
            return int(records[0]["id"])
    raise BusinessError(f"Odoo has no equipment with the serial number {path}: register it, then replay this event")


def _description(event: WorkRequest) -> str:
    """HTML, as the field is in Odoo."""
    lines = [
        *event.description.splitlines(),
        f"Equipment {event.equipment}, failure mode {event.failure_mode}, priority {event.priority}",
        f"Detected at {event.detected_at.isoformat()}, ticket {event.ticket_id}",
        f"Event {event.event_id}",
    ]
    return "".join(f"<p>{escape(line)}</p>" for line in lines)
